"""Bound what a request may send after its head: how much, how long, and how slowly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affidavit.api.errors import RequestTimeout
from affidavit.errors import TooLarge

GRACE_SECONDS: Final = 10.0  # before the rate counts: a handshake, a slow start, a short break
# After a refusal the rest of the body is read and forgotten for so long. A connection that is closed with
# bytes unread is reset, and the caller may never see why (RFC 9112, section 9.6).
LINGER_SECONDS: Final = 15.0
LINGER_TIMES: Final = 4  # the largest body; more is no mistake of a caller who means well
TOO_LARGE: Final = 413


class BodyLimit:
    """Cap the body while it streams, the time that it may take, and how slowly it may come."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        timeout_seconds: float,
        min_bytes_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self.max_bytes = max_bytes
        self.timeout_seconds = timeout_seconds
        self.min_bytes_per_second = min_bytes_per_second
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        body = _Body(self, receive, send, _content_length(scope))
        await self._app(scope, body.receive, body.send)


class _Body:
    """The body of one request. Only the time that is spent waiting for the caller counts."""

    def __init__(self, limit: BodyLimit, receive: Receive, send: Send, announced: int | None) -> None:
        self._limit = limit
        self._receive = receive
        self._send = send
        self._announced = announced
        self._received = 0
        self._waited = 0.0
        self._is_done = False
        self._is_refused = False

    async def receive(self) -> Message:
        """Return the next piece. Raises TooLarge, RequestTimeout."""
        if self._is_done:
            return await self._receive()
        if self._announced is not None and self._announced > self._limit.max_bytes:
            raise self._too_large()
        message = await self._receive_in_time()
        self._received += len(message.get("body", b""))
        if self._received > self._limit.max_bytes:
            raise self._too_large()
        self._is_done = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass an answer on; take in what is left of a body that was too large before it ends."""
        if message["type"] == "http.response.start":
            self._is_refused = message["status"] == TOO_LARGE
        elif self._is_refused and not self._is_done and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _receive_in_time(self) -> Message:
        earned = self._received / self._limit.min_bytes_per_second
        patience = min(self._limit.timeout_seconds, GRACE_SECONDS + earned) - self._waited
        began = self._limit.clock()
        try:
            async with asyncio.timeout(patience):
                return await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        finally:
            self._waited += self._limit.clock() - began

    async def _linger(self) -> None:
        left = LINGER_TIMES * self._limit.max_bytes
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return

    def _too_slow(self) -> RequestTimeout:
        if self._waited >= self._limit.timeout_seconds:
            return RequestTimeout(f"within {self._limit.timeout_seconds:g} seconds")
        return RequestTimeout(f"at {self._limit.min_bytes_per_second:g} bytes a second or more")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body has more than {self._limit.max_bytes} bytes. Send less.")


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return None
