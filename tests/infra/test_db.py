"""The database's single statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from affidavit.infra.db import SYSTEM, Database, is_unavailable, scoped
from tests.conftest import as_service


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


async def test_no_more_connections_are_open_than_the_pool_has_whatever_they_act_as(database_url: str) -> None:
    db = Database(as_service(database_url), pool_size=2, name="bounded")
    opened = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'bounded'"
    acting = scoped("SELECT current_user::text AS role WHERE scope.id <> ''")

    async def as_either(number: int) -> str:
        if number % 2:
            found = await db.fetch_row_in("env_one", acting)
        else:
            found = await db.fetch_row("SELECT current_user::text AS role")
        async with db.begin("env_one" if number % 3 else SYSTEM) as session:
            await session.execute(text("SELECT 1"))
        assert found is not None
        return str(found["role"])

    connection = await asyncpg.connect(database_url)
    try:
        roles = await asyncio.gather(*[as_either(number) for number in range(40)])
        most = await connection.fetchval(opened)
    finally:
        await db.close()
        await connection.close()

    assert most == 2
    assert roles == ["affidavit_app" if number % 2 else "affidavit_system" for number in range(40)]
