"""The real application on real servers, called in process; and a worker's hand to end its jobs."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
import uvicorn
import zstandard
from fastapi import FastAPI

from affidavit.accounts.principal import Scope
from affidavit.api.protocol import BoundedHead
from affidavit.api.services import Services
from affidavit.app import Server, create_app
from affidavit.infra.db import Base
from affidavit.jobs import execution
from affidavit.jobs.claim import Claim, ExecutionPolicy, JobError, MadeFile, ReadPage, Report
from affidavit.settings import Settings
from tests.conftest import Servers, as_service, execute, made

POLICY = ExecutionPolicy()
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
TEXT = {"source": {"text": "Total 119.00"}}
SECRET_KEY = "a-secret-key-for-tests-of-the-api-0123456789"


@dataclass
class Api:
    """A caller: the application, a client without a key, and what its keys are made with."""

    app: FastAPI
    client: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.app.state.services

    async def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {**self.headers, **given.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **given)

    async def get(self, path: str, **given: Any) -> httpx.Response:
        return await self.send("GET", path, **given)

    async def post(self, path: str, body: object = None, **given: Any) -> httpx.Response:
        return await self.send("POST", path, **({"json": body} if body is not None else {}), **given)

    async def delete(self, path: str, **given: Any) -> httpx.Response:
        return await self.send("DELETE", path, **given)

    async def upload(self, data: bytes, name: str = "a.txt", **given: Any) -> httpx.Response:
        return await self.send("POST", "/v1/files", files={"file": (name, data)}, **given)

    async def submitted(self, **changes: Any) -> dict[str, Any]:
        answer = await self.post("/v1/parse", {**TEXT, **changes})
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def as_key(self, environment: str, *scopes: Scope) -> Api:
        made = await self.services.accounts.create_key(environment, "test", scopes or tuple(Scope))
        return Api(self.app, self.client, {"Authorization": f"Bearer {made.text}"})


@dataclass
class Hand:
    """Does by hand what a worker does: takes the next task and ends it."""

    services: Services

    async def take(self) -> Claim:
        held = await execution.claim(self.services.db, "hand", POLICY.lease)
        assert held is not None, "there is no task to take"
        return held

    async def arrived(self) -> None:
        """Wait until there is a task to take."""
        async with asyncio.timeout(10):
            while not (await self.services.jobs.queue_health()).queued:
                pass  # each look is a round trip to the database, in which the others go on

    async def complete(
        self, result: object, pages: tuple[ReadPage, ...] = (), files: dict[str, bytes] | None = None
    ) -> bytes:
        held = await self.take()
        data = zstandard.compress(json.dumps(result).encode())
        digest = await self.services.blobs.put_bytes(held.environment_id, data)
        artifacts = [
            MadeFile(
                name,
                "application/pdf",
                await self.services.blobs.put_bytes(held.environment_id, file),
                len(file),
            )
            for name, file in (files or {}).items()
        ]
        await execution.complete(
            self.services.db,
            held,
            news=Report(read=pages),
            reading_key="reading",
            result_sha256=digest,
            result_size_bytes=len(data),
            pages=1,
            policy=POLICY,
            artifacts=artifacts,
        )
        return data

    async def fail(self, code: str = "CORRUPT_DOCUMENT") -> None:
        error = JobError(code, "The file is damaged.", "input")
        await execution.fail(self.services.db, await self.take(), error, POLICY, tries=1)

    async def image(self, environment_id: str, data: bytes) -> str:
        return await self.services.blobs.put_bytes(environment_id, data)


def settings_for(database_url: str, redis_url: str, folder: Path, **changes: Any) -> Settings:
    values = {
        "database_url": as_service(database_url),
        "redis_url": redis_url,
        "secret_key": SECRET_KEY,
        "data_dir": folder,
        "database_pool_size": 4,
        "sync_wait_seconds": 5,
        "min_free_disk_bytes": 1,
        **changes,
    }
    return Settings(**values)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Api]:
    """Serve the application on a socket: for what a call in process does not show."""
    app = create_app(settings)
    config = uvicorn.Config(
        app, http=BoundedHead, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    server = Server(config, app)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(60):
            while not server.started:
                assert not serving.done(), "the server did not start"
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Api(app, client)
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://affidavit") as client:
            yield Api(app, client)


@pytest.fixture(scope="module")
def module_database_url(servers: Servers) -> Iterator[str]:
    """Make one database for the tests of a module: making one for each would take most of the time."""
    yield from made(servers, f"TEMPLATE {urlsplit(servers.database_url).path[1:]}")


@pytest.fixture
async def database_url(module_database_url: str) -> str:
    """Empty the module's database for this test."""
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
    deletions = ";".join(f"DELETE FROM {table}" for table in tables)
    # Past the triggers, which let no event go without its job.
    await execute(module_database_url, f"SET session_replication_role = replica; {deletions}")
    return module_database_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, redis_url, tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    module_database_url: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """Serve one application to all tests of a module, which each take an environment of their own.

    They have to share its event loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
    """
    folder = tmp_path_factory.mktemp("house")
    async with served(settings_for(module_database_url, servers.redis_url, folder)) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(house: Api) -> Api:
    return await house.as_key(secrets.token_hex(6))


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(house: Api) -> Api:
    return await house.as_key(secrets.token_hex(6))


@pytest.fixture
async def anybody(settings: Settings) -> AsyncIterator[Api]:
    async with running(settings) as api:
        yield api


@pytest.fixture
async def api(anybody: Api) -> Api:
    return await anybody.as_key("one")


@pytest.fixture
async def other(anybody: Api) -> Api:
    return await anybody.as_key("two")


@pytest.fixture
def hand(anybody: Api) -> Hand:
    return Hand(anybody.services)
