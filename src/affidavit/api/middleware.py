"""What wraps every request: its id, security headers, one log line."""

from __future__ import annotations

import re
import secrets
import time
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affidavit.api.limits import ALLOWANCE, Allowance
from affidavit.api.render import problem_response
from affidavit.infra import context, logs, metrics

log = structlog.get_logger()

REQUEST_ID: Final = "affidavit.request_id"
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_QUIET: Final = frozenset({"/livez", "/readyz"})

Routes = Mapping[object, str]
_NO_ROUTES: Final[Routes] = MappingProxyType({})


class ResponseAborted(RuntimeError):
    """The response broke off after its head was sent; the cause is logged under its request id."""


class Edge:
    """Give each request an id, answer crashes with a problem, log one line, add headers.

    Pure ASGI: a BaseHTTPMiddleware costs a task and a queue per request. `routes` has the path template
    of each handler, under which its requests are counted.
    """

    def __init__(self, app: ASGIApp, routes: Routes = _NO_ROUTES) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope[REQUEST_ID] = request_id
        token = context.enter({"request_id": request_id})
        metrics.HTTP_ACTIVE.inc()
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(message["headers"], request_id, scope)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 - the last stop: whatever it is, the caller gets an answer
            _log_crash(error, request_id)
            if status:
                raise ResponseAborted(request_id) from None
            await _internal_error(scope, request_id)(scope, receive, send_with_headers)
        finally:
            route = route_of(scope, self._routes)
            _account(scope, route, status, request_id, time.perf_counter() - started)
            context.leave(token)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.match(value):
            return str(value.decode("ascii"))
    return f"req_{secrets.token_hex(10)}"  # of no order, so cheaper than an id of the database


def _with_headers(
    headers: list[tuple[bytes, bytes]], request_id: str, scope: Scope
) -> list[tuple[bytes, bytes]]:
    """Add what every response has; a route's own choice stands."""
    present = {name for name, _ in headers}
    added = [pair for pair in _SECURITY if pair[0] not in present]
    allowance: Allowance | None = scope.get(ALLOWANCE)
    left = [] if allowance is None else allowance.headers()
    return [*headers, *added, *left, (b"x-request-id", request_id.encode())]


def _internal_error(scope: Scope, request_id: str) -> ASGIApp:
    return problem_response(
        "INTERNAL_ERROR",
        "Something went wrong on our side. Try again, and report the request_id if it stays.",
        path=scope["path"],
        request_id=request_id,
        retryable=True,
    )


def _log_crash(error: Exception, request_id: str) -> None:
    """Log where it happened. Never the message: it may quote a document, a key or a URL."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = [
        f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames
    ]
    log.error("http.crash", error=type(error).__qualname__, where=where, request_id=request_id)


def route_of(scope: Scope, routes: Routes) -> str:
    """Return the path template that a finished request was routed to."""
    return routes.get(scope.get("endpoint"), "unmatched")


def _account(scope: Scope, route: str, status: int, request_id: str, seconds: float) -> None:
    """Count the request, and write its line unless it is a probe that went well."""
    metrics.HTTP_ACTIVE.dec()
    metrics.HTTP.observe(scope["method"], route, status, seconds)
    if scope["path"] in _QUIET and status == 200:
        return
    logs.access(scope["method"], scope["path"], status, seconds, request_id, scope.get("affidavit.key_id"))
