"""Serve `/metrics` and `/livez` of one process on an address of its own, away from callers of the API.

It answers on the loop that does the work, so a loop that is blocked does not answer: a liveness probe
may ask it. One request a connection, bounded in size and time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from affidavit.infra import metrics

log = structlog.get_logger()

HEAD_BYTES: Final = 8 * 1024
TIMEOUT_SECONDS: Final = 5.0  # below the 10 s after which Prometheus gives up a scrape
CLIENTS: Final = 8  # scrapers and probes at once; more is no scraper

Refresh = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """Refresh nothing: the process knows all that it tells."""


@asynccontextmanager
async def exposed(host: str, port: int | None, refresh: Refresh = _nothing) -> AsyncIterator[int | None]:
    """Serve while the block runs; give the port that is listened on, None when it is not.

    `refresh` sets what is asked of others before each rendering; it must not raise. An address that cannot be
    had is logged and done without: metrics are not worth a process that does not start.
    """
    if port is None:
        yield None
        return
    try:
        server = await asyncio.start_server(_Scrapes(refresh).serve, host, port, limit=HEAD_BYTES)
    except OSError as error:
        log.warning("metrics.unserved", error=type(error).__name__, port=port)
        yield None
        return
    bound: int = server.sockets[0].getsockname()[1]
    log.info("metrics.served", host=host, port=bound)
    try:
        yield bound
    finally:
        server.close()  # not awaited: a scraper that holds on must not hold up the end


class _Scrapes:
    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh
        self._busy = asyncio.Semaphore(CLIENTS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(Exception):  # a scraper's trouble is its own
            if not self._busy.locked():
                async with self._busy, asyncio.timeout(TIMEOUT_SECONDS):
                    writer.write(await self._answer(await reader.readuntil(b"\r\n\r\n")))
                    await writer.drain()
        writer.close()

    async def _answer(self, head: bytes) -> bytes:
        method, path, *_ = head.split(b" ", 2)
        if method != b"GET":
            return _response(b"405 Method Not Allowed", b"")
        match path.partition(b"?")[0]:
            case b"/livez":
                return _response(b"200 OK", b"ok\n")
            case b"/metrics":
                await self._refresh()
                return _response(b"200 OK", metrics.render())
        return _response(b"404 Not Found", b"")


def _response(status: bytes, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 " + status + b"\r\ncontent-type: " + metrics.CONTENT_TYPE.encode()
        + b"\r\ncontent-length: " + str(len(body)).encode()
        + b"\r\nconnection: close\r\n\r\n" + body
    )  # fmt: skip
