"""Real servers for the tests: one Postgres and one Valkey a test process, one database a test."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from affidavit.infra.blobs import BlobStore, LocalBlobs
from affidavit.infra.db import Database
from affidavit.infra.embedded import EmbeddedServers
from affidavit.infra.login import admit

ROOT = Path(__file__).parent.parent
TEMPLATE = "affidavit_template"
SERVICE = "affidavit_test"
SERVICE_PASSWORD = "of-the-tests"  # of servers that live as long as a test process


@dataclass(frozen=True)
class Servers:
    """Where Postgres and Valkey answer; `database_url` names a migrated database to copy."""

    database_url: str
    redis_url: str


def named(url: str, database: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def as_service(url: str) -> str:
    """Return the URL for the login that API and workers have: neither superuser nor owner."""
    parts = urlsplit(url)
    return urlunsplit(
        parts._replace(netloc=f"{SERVICE}:{SERVICE_PASSWORD}@{parts.netloc.rpartition('@')[2]}")
    )


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def migrate(url: str, revision: str = "head") -> None:
    config = Config(ROOT / "alembic.ini")
    config.attributes["database_url"] = url
    command.upgrade(config, revision)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Start the servers of this test process, or use those that the environment names."""
    given = os.environ.get("AFFIDAVIT_TEST_DATABASE_URL"), os.environ.get("AFFIDAVIT_TEST_REDIS_URL")
    if given[0] and given[1]:
        yield prepared(given[0], given[1])
        return
    with EmbeddedServers(tmp_path_factory.mktemp("servers")) as embedded:
        yield prepared(embedded.database_url, embedded.redis_url)


def prepared(database_url: str, redis_url: str) -> Servers:
    template = f"{TEMPLATE}_{os.getpid()}"
    asyncio.run(execute(database_url, f"CREATE DATABASE {template}"))
    url = named(database_url, template)
    migrate(url)
    asyncio.run(admit(url, as_service(url)))
    return Servers(url, redis_url)


@pytest.fixture
def redis_url(servers: Servers) -> str:
    return servers.redis_url


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """Make a database without tables, and drop it at the end."""
    yield from made(servers, "TEMPLATE template0")


@pytest.fixture
def database_url(servers: Servers) -> Iterator[str]:
    """Make a migrated database of this test's own, and drop it at the end."""
    yield from made(servers, f"TEMPLATE {urlsplit(servers.database_url).path[1:]}")


def made(servers: Servers, how: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    admin = named(servers.database_url, "postgres")
    asyncio.run(execute(admin, f"CREATE DATABASE {name} {how}"))
    yield named(servers.database_url, name)
    asyncio.run(execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(as_service(database_url), pool_size=5, name="test")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "blobs")
