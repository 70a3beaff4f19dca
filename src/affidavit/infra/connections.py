"""One pool of connections to Postgres, each of which acts as one of two roles."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from affidavit.infra import metrics

CONNECT_TIMEOUT: Final = timedelta(seconds=10)
# A server that is frozen, not gone, keeps its connections and answers nothing: by our own clock it is away.
ANSWER_TIMEOUT: Final = timedelta(seconds=15)
# What lies between may forget a connection that is silent for long, and tells neither end.
IDLE_SECONDS: Final = 300.0

# Seconds of silence before probes, between them, how many, and ms that what was sent may go unacknowledged.
GONE_AFTER: Final = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPINTVL": 3,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 14_000,
}


class Role(StrEnum):
    """Whom a connection acts as, whatever it logged in as. Migration 0005 makes both."""

    APP = "affidavit_app"  # sees the rows of the environment that its transaction names
    SYSTEM = "affidavit_system"


@dataclass(slots=True)
class Link:
    """A connection: `session` for transactions, `raw` for single statements. One of them at a time."""

    session: AsyncConnection
    raw: asyncpg.Connection[asyncpg.Record]
    role: Role
    idle_since: float = 0.0

    @property
    def is_usable(self) -> bool:
        """Tell whether nothing is left over from whoever used it last."""
        return not (self.raw.is_closed() or self.session.invalidated or self.raw.is_in_transaction())


class Connections:
    """At most `size` connections, opened as they are needed and lent in the order of asking.

    One that acts as the other role changes it, for a round trip, only when no more may be opened.
    """

    def __init__(self, url: str, size: int, settings: Mapping[str, str]) -> None:
        self._size = size
        self._open = 0
        self._idle: dict[Role, list[Link]] = {role: [] for role in Role}
        # Whoever gives back must not take again before those who wait: with 64 callers on 10 connections
        # the slowest hundredth waited 190 ms, and in turn 50 ms.
        self._turn = asyncio.Semaphore(size)
        self._engines = {role: _engine(url, {**settings, "role": role.value}) for role in Role}
        metrics.POOL_SIZE.set(size)
        metrics.POOL_USED.set_function(lambda: self._open - sum(map(len, self._idle.values())))

    async def take(self, role: Role) -> Link:
        """Lend a connection that acts as `role`. Raises TimeoutError, OSError or asyncpg errors."""
        if self._turn.locked():
            with metrics.POOL_WAITS.time():
                async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
                    await self._turn.acquire()
        else:
            await self._turn.acquire()
        try:
            return self._take_idle(role) or await self._make(role)
        except BaseException:
            self._turn.release()
            raise

    def give(self, link: Link) -> None:
        """Take a connection back; one that cannot be used again is closed."""
        if link.is_usable:
            link.idle_since = time.monotonic()
            self._idle[link.role].append(link)
        else:
            self._drop(link)
        self._turn.release()

    async def close(self) -> None:
        """Close every connection; waits for those in use."""
        for _ in range(self._size):
            await self._turn.acquire()
        for links in self._idle.values():
            while links:
                await links.pop().session.close()
        for engine in self._engines.values():
            await engine.dispose()
        self._open = 0
        for _ in range(self._size):
            self._turn.release()

    def _take_idle(self, role: Role) -> Link | None:
        links = self._idle[role]
        while links:
            link = links.pop()
            if not link.raw.is_closed() and time.monotonic() - link.idle_since < IDLE_SECONDS:
                return link
            self._drop(link)
        return None

    async def _make(self, role: Role) -> Link:
        if self._open < self._size:
            return await self._open_one(role)
        # All are open and not all are in use, since this caller has its turn and no connection.
        other = next(other for other in Role if other is not role and self._idle[other])
        link = self._take_idle(other)
        if link is None:
            return await self._open_one(role)
        try:
            await link.raw.execute(f"SET ROLE {role}")
        except BaseException:
            self._drop(link)
            raise
        link.role = role
        return link

    async def _open_one(self, role: Role) -> Link:
        self._open += 1
        link = None
        try:
            session = await self._engines[role].connect()
            raw = (await session.get_raw_connection()).driver_connection
            assert raw is not None
            link = Link(session, raw, role)
            # From here it is ours alone: SQLAlchemy need not watch over it, nor over its end.
            await session.run_sync(lambda connection: connection.detach())
            await _use_json(raw)
        except BaseException:
            self._open -= 1
            if link is not None:
                link.raw.terminate()
            raise
        return link

    def _drop(self, link: Link) -> None:
        self._open -= 1
        link.raw.terminate()


def _watch(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let the kernel end a connection whose other end is gone without a word; by itself it waits 15 min."""
    transport: asyncio.Transport = getattr(connection, "_transport")  # noqa: B009 - asyncpg hides it
    found = transport.get_extra_info("socket")
    if found is None or found.family == socket.AF_UNIX:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in GONE_AFTER.items():
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _engine(url: str, settings: Mapping[str, str]) -> AsyncEngine:
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=NullPool,  # the links are the pool
        json_serializer=_as_it_is,
        hide_parameters=True,  # an error's text is logged, and what a document says is not
        # The role is set by the server as the connection starts, so that no transaction has to.
        connect_args={
            "server_settings": dict(settings),
            "timeout": CONNECT_TIMEOUT.total_seconds(),
            "command_timeout": ANSWER_TIMEOUT.total_seconds(),
        },
    )


async def _use_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let sessions and single statements give and get the same values, not text, for JSON."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_dump, decoder=json.loads, schema="pg_catalog")


def _as_it_is(value: Any) -> Any:
    return value  # the connection's codec writes it


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
