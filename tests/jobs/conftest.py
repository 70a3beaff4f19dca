"""What tests of jobs share: submissions, claims and handles that may go stale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from affidavit.engine.spec import Operation, Options
from affidavit.infra.db import Database
from affidavit.infra.queue import Doorbell
from affidavit.jobs.claim import ExecutionPolicy
from affidavit.jobs.service import Jobs
from affidavit.jobs.submission import JobPolicy, Submission, Upload

ENV = "env_one"
OTHER = "env_two"
POLICY = ExecutionPolicy()
LEASE = POLICY.lease
# The backends of this test's database that wait for a lock.
WAITING = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class OpenSealer:
    """Seals nothing; the tests of secrets have the real one."""

    def seal(self, plain: bytes, owner: str) -> bytes:
        return owner.encode() + b"|" + plain


@pytest.fixture
async def doorbell(redis_url: str) -> AsyncIterator[Doorbell]:
    bell = Doorbell(redis_url)
    yield bell
    await bell.close()


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
