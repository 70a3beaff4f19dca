"""What the database refuses, whoever asks: the state machine once more, as triggers."""

from __future__ import annotations

from itertools import product

import asyncpg
import pytest

from affidavit.infra.db import Database
from affidavit.jobs import execution
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import (
    JOB_TRANSITIONS,
    TASK_TRANSITIONS,
    TERMINAL,
    JobStatus,
    TaskStatus,
)
from tests.jobs.conftest import ENV, LEASE, Rewrite, submission

REFUSED = asyncpg.CheckViolationError
FROZEN = ("result_sha256 = 'other'", "result_size_bytes = 9", "error = '{}'", "completed_at = now()")
FREE = (
    "purged_at = now()",
    "deleted_at = now()",
    "result_expires_at = now()",
    "bundle_id = 'ev_1'",
    "manifest_sha256 = 'f'",
    "legal_hold = true",
)


@pytest.fixture
async def job_id(jobs: Jobs) -> str:
    return (await jobs.submit(ENV, submission())).job.id


async def moves(db: Database, table: str, to: str) -> bool:
    try:
        await db.fetch(f"UPDATE {table} SET status = $1", to)
    except REFUSED:
        return False
    return True


@pytest.mark.parametrize(
    ("source", "target"), [pair for pair in product(JobStatus, JobStatus) if len({*pair}) > 1]
)
async def test_a_job_moves_as_designed_and_not_otherwise(
    db: Database, rewrite: Rewrite, job_id: str, source: JobStatus, target: JobStatus
) -> None:
    await rewrite(f"UPDATE jobs SET status = '{source}' WHERE id = '{job_id}'")
    assert await moves(db, "jobs", target) == (target in JOB_TRANSITIONS[source])


async def test_a_task_moves_as_designed_and_not_otherwise(
    db: Database, rewrite: Rewrite, job_id: str
) -> None:
    for source, target in product(TaskStatus, TaskStatus):
        if source is not target:
            await rewrite(f"UPDATE job_tasks SET status = '{source}' WHERE job_id = '{job_id}'")
            assert await moves(db, "job_tasks", target) == (target in TASK_TRANSITIONS[source])


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_what_came_of_a_job_stays_as_it_is(
    db: Database, rewrite: Rewrite, job_id: str, status: str
) -> None:
    await rewrite(f"UPDATE jobs SET status = '{status}', result_sha256 = 'a' WHERE id = '{job_id}'")
    for change in FROZEN:
        with pytest.raises(REFUSED):
            await db.fetch(f"UPDATE jobs SET {change}")
    for change in FREE:
        await db.fetch(f"UPDATE jobs SET {change}")


async def test_a_purge_takes_the_text_of_an_error_and_leaves_its_code(
    db: Database, rewrite: Rewrite, job_id: str
) -> None:
    error = '{"code": "ENCRYPTED", "message": "secret"}'
    await rewrite(
        f"UPDATE jobs SET status = 'failed', error = '{error}', purged_at = now() WHERE id = '{job_id}'"
    )
    await db.fetch("""UPDATE jobs SET error = error - 'message'""")
    with pytest.raises(REFUSED):
        await db.fetch("""UPDATE jobs SET error = '{"code": "OTHER"}'""")


@pytest.mark.parametrize("status", ["processing", "completed", "review_required"])
async def test_a_job_is_born_queued(db: Database, status: str) -> None:
    with pytest.raises(REFUSED):
        await db.fetch(
            "INSERT INTO jobs (id, environment_id, operation, status) VALUES ('job_x', 'env', 'parse', $1)",
            status,
        )


async def test_an_attempt_never_falls(db: Database, job_id: str) -> None:
    await execution.claim(db, "w", LEASE)
    with pytest.raises(REFUSED):
        await db.fetch("UPDATE job_tasks SET attempt = attempt - 1")


async def test_what_happened_cannot_be_rewritten(database_url: str, job_id: str) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        with pytest.raises(REFUSED):
            await owner.execute("UPDATE job_events SET status = 'completed'")
        with pytest.raises(REFUSED):
            await owner.execute("DELETE FROM job_events")
        await owner.execute("DELETE FROM jobs")
        assert await owner.fetch("SELECT FROM job_events") == []
    finally:
        await owner.close()
