"""Postgres: one MetaData, transactions with a scope, and single statements for the hot paths."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from socket import gaierror
from typing import Any, Final

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

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
CONNECT_TIMEOUT: Final = timedelta(seconds=10)

# What passes by itself, by the classes and codes of SQLSTATE (Postgres manual, appendix A).
_PASSING_CLASSES: Final = ("08",)  # the connection was lost
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


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the same call may succeed later: the database was away, or someone stood in the way."""
    if isinstance(error, (ConnectionError, TimeoutError, gaierror, PoolTimeout, asyncpg.InterfaceError)):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = str(getattr(cause, "sqlstate", None) or "")
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_cut or code in _PASSING_CODES or code.startswith(_PASSING_CLASSES)


class Database:
    """Connections to one Postgres. Whoever takes a Database owns the transactions that it opens."""

    def __init__(self, url: str, *, pool_size: int = 10, name: str = "affidavit") -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._settings = {
            "application_name": name,
            "lock_timeout": str(int(LOCK_TIMEOUT.total_seconds() * 1000)),
            "statement_timeout": str(int(STATEMENT_TIMEOUT.total_seconds() * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
        }
        self._pool_size = pool_size
        # asyncpg's pool lets whoever has just released a connection take it again before those who wait:
        # with 64 callers on 10 connections the slowest hundredth waited 190 ms, and in turn 50 ms.
        self._turn = asyncio.Semaphore(pool_size)
        self._engine = create_async_engine(
            self._url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT.total_seconds(),
            pool_pre_ping=False,
            json_serializer=_dump_json,
            hide_parameters=True,  # an error's text is logged, and what a document says is not
            connect_args={"server_settings": self._settings, "timeout": CONNECT_TIMEOUT.total_seconds()},
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False, autoflush=False)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Open the pool of the single statements. Raises OSError or asyncpg errors."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self._pool_size,
            timeout=CONNECT_TIMEOUT.total_seconds(),
            server_settings=self._settings,
            init=_use_json,
            # RESET after each statement costs a round trip and we leave nothing behind to reset.
            reset=_keep_session,
        )

    async def close(self) -> None:
        """Close every connection; waits for those in use."""
        if self._pool is not None:
            await self._pool.close()
        await self._engine.dispose()

    @asynccontextmanager
    async def begin(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """Open one transaction for an environment, or for SYSTEM; commit at the end of the block."""
        async with self._sessions() as session, session.begin():
            if isinstance(scope, str):
                await session.execute(_SET_SCOPE, {"environment_id": scope})
            yield session

    async def fetch(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run one statement as its own transaction. Its scope is in its arguments."""
        async with self._turn:
            return await self._single().fetch(statement, *args)

    async def fetch_row(self, statement: str, *args: object) -> asyncpg.Record | None:
        """Run one statement as its own transaction and return its first row."""
        async with self._turn:
            return await self._single().fetchrow(statement, *args)

    def _single(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            raise RuntimeError("Database.open() was not awaited")
        return self._pool


_SET_SCOPE: Final = text("SELECT set_config('affidavit.environment_id', :environment_id, true)")


def _dump_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


async def _use_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=_dump_json, decoder=json.loads, schema="pg_catalog")


async def _keep_session(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Do nothing: see `open`."""
