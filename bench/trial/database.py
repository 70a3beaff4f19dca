"""Ask the database as its owner, on a connection of its own for each question: it may be dead in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")


def rows(url: str, statement: str, *args: Any) -> list[asyncpg.Record]:
    """Run one statement and return what it found."""

    async def fetch(connection: asyncpg.Connection[asyncpg.Record]) -> list[asyncpg.Record]:
        return list(await connection.fetch(statement, *args))

    return with_connection(url, fetch)


def with_connection(url: str, act: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
    """Do something with a connection, from where no event loop runs."""

    async def run() -> T:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await act(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
