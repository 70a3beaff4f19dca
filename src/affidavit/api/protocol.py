"""Bound what a connection may send before it makes sense: heads, trailers and chunk extensions."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, with a limit that its parser does not have.

    Without it anyone may send one header without end: it is kept in memory, and copied with every
    piece that comes, so that 100 MB stop the event loop for half a minute.
    """

    _pending = 0  # bytes since the last whole head, piece of a body, or end of a request

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket; close the connection when too many of them led nowhere."""
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._pending = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._pending = 0
        super().on_message_complete()
