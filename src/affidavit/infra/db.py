"""Postgres: one MetaData, transactions with a scope, and single statements for the hot paths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from socket import gaierror
from typing import Final

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from affidavit.infra.connections import Connections, Role

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The one registry of tables; each package owns its own in `models.py`."""

    metadata = MetaData(naming_convention=NAMING)


@dataclass(frozen=True, slots=True)
class System:
    """The scope of work that belongs to no environment: claim, reap, sweep, key lookup."""


SYSTEM: Final = System()
Scope = str | System  # an environment id, or SYSTEM


# A waiter for a row lock (two requests with one idempotency key) is told to come back after this.
LOCK_TIMEOUT: Final = timedelta(seconds=2)
# No statement of ours is slow on purpose; one that is must not hold a connection for ever.
STATEMENT_TIMEOUT: Final = timedelta(seconds=30)

# What passes by itself, by the classes and codes of SQLSTATE (Postgres manual, appendix A).
_PASSING_CLASSES: Final = ("08",)  # the connection was lost
_FAULT_CLASSES: Final = ("22", "23", "42")  # never pass by themselves
_PASSING_CODES: Final = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53300",  # too many connections
        "55P03",  # a lock was not to be had in time
        "57014",  # canceled, by statement_timeout
        "57P01",  # shut down by the administrator
        "57P02",  # shut down by a crash
        "57P03",  # starting up
    }
)

_AWAY: Final = (
    ConnectionError,
    TimeoutError,
    gaierror,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke between taking it and using it
)


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the same call may succeed later: the database was away, or someone stood in the way."""
    if isinstance(error, _AWAY):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = str(getattr(cause, "sqlstate", None) or "")
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_cut or code in _PASSING_CODES or code.startswith(_PASSING_CLASSES)


def is_fault(error: BaseException) -> bool:
    """Tell whether the statement itself was wrong: its data, a constraint, its syntax or a missing grant."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "").startswith(_FAULT_CLASSES)


# Starts a statement of `fetch_in`, whose first argument is the environment. Whatever reads or writes rows has
# to take the environment from `scope`, so that it comes after; if it came before, it would be refused.
SCOPE: Final = "WITH scope AS MATERIALIZED (SELECT set_config('affidavit.environment_id', $1, true) AS id)"


def scoped(select: str, *, order: str | None = None) -> str:
    """Make a SELECT that compares with `scope.id` a statement of `fetch_in`.

    LATERAL takes the environment from the scope, and OFFSET 0 keeps the planner from taking them apart.
    """
    ordered = "" if order is None else f" ORDER BY {order}"
    return f"{SCOPE} SELECT found.* FROM scope CROSS JOIN LATERAL ({select} OFFSET 0) AS found{ordered}"  # noqa: S608


class Database:
    """Connections to one Postgres, `pool_size` at most. Whoever takes a Database owns its transactions."""

    def __init__(self, url: str, *, pool_size: int = 10, name: str = "affidavit") -> None:
        self._connections = Connections(
            url.replace("postgresql+asyncpg://", "postgresql://", 1),
            pool_size,
            {
                "application_name": name,
                "lock_timeout": str(int(LOCK_TIMEOUT.total_seconds() * 1000)),
                "statement_timeout": str(int(STATEMENT_TIMEOUT.total_seconds() * 1000)),
                "idle_in_transaction_session_timeout": "60000",
                "timezone": "UTC",
            },
        )

    async def open(self) -> None:
        """Connect once, to know that it can be done. Raises OSError or asyncpg errors."""
        await self.fetch_row("SELECT 1")

    async def close(self) -> None:
        """Close every connection; waits for those in use."""
        await self._connections.close()

    @asynccontextmanager
    async def begin(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """Open one transaction for an environment, or for SYSTEM; commit at the end of the block.

        It sees the rows of that environment alone: it acts as a role that row-level security holds for.
        """
        link = await self._connections.take(Role.APP if isinstance(scope, str) else Role.SYSTEM)
        session = AsyncSession(link.session, expire_on_commit=False, autoflush=False)
        try:
            async with session, session.begin():
                if isinstance(scope, str):
                    await session.execute(_SET_SCOPE, {"environment_id": scope})
                yield session
        finally:
            self._connections.give(link)

    async def fetch(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run one statement as its own transaction, for SYSTEM."""
        async with self._single(Role.SYSTEM) as connection:
            return await connection.fetch(statement, *args)

    async def fetch_row(self, statement: str, *args: object) -> asyncpg.Record | None:
        """Run one statement as its own transaction, for SYSTEM, and return its first row."""
        async with self._single(Role.SYSTEM) as connection:
            return await connection.fetchrow(statement, *args)

    async def fetch_in(self, environment_id: str, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run one statement that starts with SCOPE as its own transaction, for an environment ($1)."""
        async with self._single(Role.APP) as connection:
            return await connection.fetch(statement, environment_id, *args)

    async def fetch_row_in(self, environment_id: str, statement: str, *args: object) -> asyncpg.Record | None:
        """Do the same and return the first row."""
        async with self._single(Role.APP) as connection:
            return await connection.fetchrow(statement, environment_id, *args)

    @asynccontextmanager
    async def _single(self, role: Role) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        link = await self._connections.take(role)
        try:
            yield link.raw
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            raise  # it was answered, or never sent: whether it is closed can be seen
        except BaseException:
            link.raw.terminate()  # nobody knows what it is still doing
            raise
        finally:
            self._connections.give(link)


_SET_SCOPE: Final = text("SELECT set_config('affidavit.environment_id', :environment_id, true)")
