"""Bound what a connection may send before it makes sense, and how long it may take over it."""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from affidavit.api.errors import HeadTimeout, HeadTooLarge, HttpInvalid
from affidavit.api.render import problem_response
from affidavit.errors import ServiceError

MAX_HEAD_BYTES: Final = 64 * 1024
HEAD_SECONDS: Final = 15.0  # a head is a packet or two; slower ones only hold connections
# A body that nobody reads, since its request was answered already, is taken in for so long and so far: the
# caller may look for the answer only when all is sent.
UNREAD_SECONDS: Final = 30.0
UNREAD_BYTES: Final = 256 * 1024 * 1024


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, with limits that it and its parser do not have.

    Without them anyone may send one header without end: it is kept in memory, and copied with every
    piece that comes, so that 100 MB stop the event loop for half a minute. Or hold a connection for
    ever with a head that never ends.
    """

    head_seconds = HEAD_SECONDS
    _pending = 0  # bytes since the last whole head, piece of a body, or end of a request
    _unread = 0  # bytes of a body whose request was answered
    _is_in_head = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head, not for ever."""
        super().connection_made(transport)
        self._arm(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket; close the connection when too many of them led nowhere."""
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HeadTooLarge(MAX_HEAD_BYTES))
        elif self._is_in_head and self._timer is None:
            self._arm(self.head_seconds)

    def on_message_begin(self) -> None:
        """Start a head."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._is_in_head = False
        self._pending = self._unread = 0
        self._disarm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on, or forget it when its request was answered."""
        self._pending = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > UNREAD_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """End the request."""
        self._pending = 0
        super().on_message_complete()
        if self.cycle.response_complete:
            self._arm(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """Go on to the next request; a body that is still coming has to end."""
        is_unread = self.cycle.response_complete and self.cycle.more_body
        super().on_response_complete()
        if is_unread and not self.transport.is_closing():
            self._arm(UNREAD_SECONDS)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are for its log
        """Refuse what is no HTTP, in the words of the API."""
        self._refuse(HttpInvalid())

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._is_in_head:
            self._refuse(HeadTimeout(self.head_seconds))
        else:
            self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        """Answer outside of any request, and hang up."""
        problem = problem_response(
            error.specific_code,
            error.message,
            path="/",
            request_id=f"req_{secrets.token_hex(10)}",
            retryable=error.retryable,
        )
        status = HTTPStatus(problem.status_code)
        headers = [*self.server_state.default_headers, *problem.raw_headers, (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode())]
        lines += [name + b": " + value for name, value in headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(problem.body)]))
        self.transport.close()
