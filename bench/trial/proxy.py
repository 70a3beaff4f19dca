"""A TCP proxy on loopback that can cut, stall, refuse, and lose one answer; for faults of the network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

CHUNK_BYTES = 1 << 16


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy. `is_doomed`: its next answer is lost, and it with it."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    is_doomed: bool = False

    def abort(self) -> None:
        for writer in (self.near, self.far):
            writer.transport.abort()


@dataclass(slots=True)
class _Loss:
    """What to lose: the answer to the next request that holds `pattern`; `skip` of them are let through."""

    pattern: bytes
    skip: int = 0
    happened: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Forward a port of loopback to another one, from a thread of its own. Use it as a context."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._links: set[_Link] = set()
        self._is_refusing = False
        self._loss: _Loss | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(self._listen)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    @property
    def links(self) -> int:
        """How many connections go through it now."""
        return len(self._links)

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self._do(self._abort_all)

    def refuse(self) -> None:
        """Reset every connection, and each new one, until `restore`."""
        self._is_refusing = True
        self.cut()

    def stall(self) -> None:
        """Deliver nothing in either direction, as if packets were dropped, until `restore`."""
        self._do(self._flows.clear)

    def restore(self) -> None:
        """Forward again; what was held back while stalled arrives late."""
        self._is_refusing = False
        self._loss = None
        self._do(self._flows.set)

    def lose_answer_to(self, pattern: bytes, *, skip: int = 0) -> threading.Event:
        """Let the next request that holds `pattern` through, then reset instead of its answer.

        The event that is returned is set when it has happened.
        """
        self._loss = _Loss(pattern, skip)
        return self._loss.happened

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        self._abort_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _abort_all(self) -> None:
        for link in list(self._links):
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far)
        self._links.add(link)
        try:
            await asyncio.gather(self._ask(reader, link), self._answer(far_reader, link))
        except (OSError, asyncio.CancelledError):
            pass  # either side is gone, or we are closed
        finally:
            link.abort()
            self._links.discard(link)

    async def _ask(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._flows.wait()
            if self._loss is not None and self._loss.pattern in data:
                link.is_doomed = self._loss.skip == 0
                self._loss.skip -= 1
            link.far.write(data)
            await link.far.drain()
        link.abort()

    async def _answer(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._flows.wait()
            if link.is_doomed:
                loss, self._loss = self._loss, None
                link.abort()
                if loss is not None:
                    loss.happened.set()
                return
            link.near.write(data)
            await link.near.drain()
        link.abort()

    def _run(self, make: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(10)

    def _do(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)
