"""A relay between a worker and its database that goes silent, or keeps an answer to itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

HOST = "127.0.0.1"


class Relay:
    """Passes bytes on, both ways. While `is_silent` it takes them and passes nothing on, and no end hears
    of it. `cut_after` names bytes to be seen one after the other on the way there: in place of the answer
    to what has the last of them the connection ends.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self.cut_after: list[bytes] = []
        self.cuts = 0

    async def open(self) -> str:
        """Start to listen; return the URL to use in place of the real one."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        port = self._server.sockets[0].getsockname()[1]
        user = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{user}@{HOST}:{port}" if user else f"{HOST}:{port}"))

    async def close(self) -> None:
        """End all connections."""
        assert self._server is not None
        self.go_on()
        self._server.close()
        for end in self._ends:
            end.close()

    def fall_silent(self) -> None:
        """Hold everything back from now on, also of connections that are made later."""
        self._speaks.clear()

    def go_on(self) -> None:
        """Let through what was held back, and what comes."""
        self._speaks.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._ends |= {writer, there[1]}
        cut = asyncio.Event()
        with suppress(OSError):
            await asyncio.gather(
                self._pass(reader, there[1], cut), self._pass(there[0], writer, cut, back=True)
            )

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        cut: asyncio.Event,
        *,
        back: bool = False,
    ) -> None:
        while data := await source.read(1 << 16):
            await self._speaks.wait()
            if back and cut.is_set():
                self.cuts += 1
                break
            if not back and self.cut_after and self.cut_after[0] in data:
                del self.cut_after[0]
                if not self.cut_after:
                    cut.set()
            target.write(data)
            await target.drain()
        target.close()
