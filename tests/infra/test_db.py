"""The database's single statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from affidavit.infra.db import Database, is_unavailable


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[Database]:
    """Open a database with one connection for all."""
    db = Database(database_url, pool_size=1)
    await db.open()
    yield db
    await db.close()


async def test_whoever_waits_for_a_connection_is_served_before_those_who_came_later(narrow):
    served: list[int] = []

    async def ask(caller: int) -> None:
        await narrow.fetch_row("SELECT 1")
        served.append(caller)

    callers: list[asyncio.Task[None]] = []
    while len(served) < 20:  # a caller comes at every turn of the loop, also between release and wake
        callers.append(asyncio.create_task(ask(len(callers))))
        await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)

    assert served[:20] == list(range(20))


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.CrashShutdownError("terminating"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_breaks_is_no_ones_failure(error):
    assert is_unavailable(error)
