"""Trace each request: one span by its route, a child of the caller's when a traceparent came along."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affidavit.api.middleware import Routes, route_of
from affidavit.infra import context, tracing

_QUIET: Final = frozenset({"/livez", "/readyz"})


class Traced:
    """Opens the span that a submission's traceparent points at. Added only when traces are asked for."""

    def __init__(self, app: ASGIApp, routes: Routes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        with tracing.span(
            scope["method"], kind="SERVER", parent=_traceparent(scope), request_id=context.request_id()
        ) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.fail(str(message["status"]))
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                route = route_of(scope, self._routes)
                span.set("http.route", route)
                span.rename(f"{scope['method']} {route}")


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent" and len(value) <= 100:
            return str(value.decode("latin-1"))
    return None
