"""A receiver of webhooks on real sockets that does at each request what its script says."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Message:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers with the behaviours of its script in turn, and with the last one from then on."""

    port: int = 0
    scheme: str = "http"
    script: list[Behaviour] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    connections: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        return f"{self.scheme}://hooks.example:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.messages]

    async def arrived(self, count: int) -> None:
        """Wait until so many messages have come."""
        async with asyncio.timeout(60):
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.messages.append(await _read(reader))
            behave = self.script.pop(0) if len(self.script) > 1 else (self.script or [answer(204)])[0]
            self._arrived.set()
            await behave(writer)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender has gone


async def _read(reader: asyncio.StreamReader) -> Message:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers["content-length"]))
    return Message(head[0].split(" ")[1], headers, body)


def answer(status: int, *headers: str, body: bytes = b"") -> Behaviour:
    """Answer at once."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers])
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return behave


async def hang(_writer: asyncio.StreamWriter) -> None:
    """Say nothing, for longer than any deadline of a test."""
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a good answer one byte at a time, without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)  # the pace of the drip is the fault itself


async def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection as a crash would."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def drop(writer: asyncio.StreamWriter) -> None:
    """Take the message in and close without an answer."""
    writer.close()


async def flood(writer: asyncio.StreamWriter) -> None:
    """Answer well, with a gigabyte behind it."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def babble(writer: asyncio.StreamWriter) -> None:
    """Answer in no language that anybody speaks."""
    writer.write(b"\x16\x03\x01 not HTTP\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(scheme="https" if tls else "http")
    listener = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = listener.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        listener.close()
