"""What tests of jobs share: submissions, claims and handles that may go stale."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from affidavit.engine.spec import Limits, Operation, Options
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.keyring import Keyring
from affidavit.infra.queue import Doorbell
from affidavit.infra.sandbox import Identity, SandboxHost, Walls
from affidavit.jobs import execution
from affidavit.jobs.claim import ExecutionPolicy
from affidavit.jobs.runner import Runner, Workshop
from affidavit.jobs.sealing import LogOrigin
from affidavit.jobs.service import Jobs
from affidavit.jobs.submission import JobPolicy, Submission, Upload

ENV = "env_one"
OTHER = "env_two"
POLICY = ExecutionPolicy()
LEASE = POLICY.lease
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
HERE = str(Path(__file__).parent)
# The backends of this test's database that wait for a lock; what they do is not for every role to see.
WAITING = """
SELECT FROM pg_locks WHERE NOT granted
AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


Rewrite = Callable[[str], Awaitable[None]]


class OpenSealer:
    """Seals nothing; the tests of secrets have the real one."""

    def seal(self, plain: bytes, owner: str) -> bytes:
        return owner.encode() + b"|" + plain

    def open(self, sealed: bytes, owner: str) -> bytes:
        return sealed.removeprefix(owner.encode() + b"|")


@pytest.fixture
async def doorbell(redis_url: str) -> AsyncIterator[Doorbell]:
    bell = Doorbell(redis_url)
    yield bell
    await bell.close()


@pytest.fixture
def rewrite(database_url: str) -> Rewrite:
    """Return what runs a statement with no guard in its way, for what no code of ours does."""

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(statement)
        finally:
            await connection.close()

    return run


@pytest.fixture
async def jobs(db: Database, doorbell: Doorbell) -> AsyncIterator[Jobs]:
    policy = JobPolicy(
        deadline_base=timedelta(hours=1),
        deadline_page=timedelta(seconds=30),
        idempotency_ttl=timedelta(days=30),
    )
    service = Jobs(db, doorbell, OpenSealer(), policy)
    yield service
    await service.close()


def submission(seed: str = "a", **changes: object) -> Submission:
    """Return a submission of bytes that need not exist: no test here reads them."""
    upload = Upload(sha256=(seed * 64)[:64], size_bytes=10, media_type="application/pdf", filename="a.pdf")
    values = {"operation": Operation.PARSE, "source": upload, "options": Options(), **changes}
    return Submission(**values)  # type: ignore[arg-type]


@pytest.fixture
async def shop(db: Database, blobs: BlobStore, doorbell: Doorbell, tmp_path: Path) -> AsyncIterator[Workshop]:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)  # what a dropped user must pass through to its own folder
    async with workshop(db, blobs, doorbell, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def workshop(
    db: Database, blobs: BlobStore, doorbell: Doorbell, tmp_path: Path, **environment: str
) -> AsyncIterator[Workshop]:
    """Give what a worker works with; `environment` is that of its children."""
    host = SandboxHost(
        entry="engine_double:run",
        warm_up=None,
        environment=environment,
        user=Identity.named("nobody"),
        scratch=tmp_path / "host",
        modules=[HERE],
    )
    yield Workshop(
        db=db,
        blobs=blobs,
        doorbell=doorbell,
        host=host,
        opener=OpenSealer(),
        policy=ExecutionPolicy(),
        limits=Limits(pages=100),
        walls=Walls(no_progress=timedelta(seconds=30), total=timedelta(seconds=30)),
        fetching=FetchPolicy(max_bytes=1000, allow_http=True, allowed_networks=(LOOPBACK,), total_seconds=5),
        scratch=tmp_path / "scratch",
        engine_versions={"engine": "1"},
        keyring=Keyring(tmp_path / "keys"),
        log_origin=LogOrigin(db, "tests.example/log"),
    )
    await host.close()


async def work(shop: Workshop, tasks: int = 100) -> None:
    """Work on what is due until nothing is, or so many tasks were done."""
    for _ in range(tasks):
        held = await execution.claim(shop.db, "worker", LEASE)
        if held is None:
            return
        await Runner(shop).run(held)
