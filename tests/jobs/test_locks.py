"""Two transactions that meet on a job's rows wait for each other; they never deadlock.

The order is one task, then the parent, then the job. Each test stops one transaction in the middle,
lets the other run into its lock, and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from affidavit.infra.db import Database
from affidavit.jobs import ending, execution, sweep
from affidavit.jobs.claim import Claim, Fenced, Report
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from affidavit.jobs.views import JobFilter
from tests.jobs.conftest import ENV, LEASE, POLICY, WAITING, submission


async def blocked(db: Database, other: Awaitable[object]) -> asyncio.Task[object]:
    """Start the other transaction and return once it waits for a lock."""
    task = asyncio.ensure_future(other)
    while not await db.fetch(WAITING):
        assert not task.done(), "it did not wait for the lock"
        await asyncio.sleep(0)
    return task  # type: ignore[return-value]


async def batch_of_one(db: Database, jobs: Jobs) -> tuple[str, str]:
    batch = (await jobs.submit_batch(ENV, [submission()], {})).job
    (child,) = (await jobs.list(ENV, JobFilter(parent_id=batch.id), 10)).items
    return batch.id, child.id


async def finish(db: Database, held: Claim) -> None:
    await execution.complete(
        db,
        held,
        news=Report(pages_done=1),
        reading_key="r",
        result_sha256="f" * 64,
        result_size_bytes=1,
        pages=1,
        policy=POLICY,
    )


async def lose_a_page(db: Database, held: Claim) -> None:
    await execution.opened(db, held, media_type="application/pdf", page_count=1, selected=[1], policy=POLICY)
    lost = {"page": 1, "code": "PAGE_FAILED", "message": "It failed."}
    await execution.finish_reading(db, held, Report(failed=(lost,)), "r", allow_partial=False)


@pytest.mark.parametrize("end", [finish, lose_a_page])
async def test_canceling_a_batch_waits_for_no_item_that_waits_for_the_batch(
    db: Database, jobs: Jobs, end: object
) -> None:
    batch_id, child_id = await batch_of_one(db, jobs)
    held = await execution.claim(db, "w", LEASE)
    assert held is not None
    async with db.begin(ENV) as session:
        assert await ending.end(session, batch_id, JobStatus.CANCELED) is not None
        ended = await blocked(db, end(db, held))  # type: ignore[operator]
        assert await ending.end(session, child_id, JobStatus.CANCELED) is not None
    with pytest.raises(Fenced):
        await ended
    assert (await jobs.get(ENV, child_id)).status is JobStatus.CANCELED


async def test_a_deadline_and_a_cancel_of_the_batch_do_not_deadlock(db: Database, jobs: Jobs) -> None:
    batch_id, child_id = await batch_of_one(db, jobs)
    await db.fetch("UPDATE jobs SET deadline_at = now() - interval '1 second' WHERE id = $1", child_id)
    async with db.begin(ENV) as session:
        assert await ending.end(session, batch_id, JobStatus.CANCELED) is not None
        expired = await blocked(db, sweep.expire_late(db))
        assert await ending.end(session, child_id, JobStatus.CANCELED) is not None
    await expired
    assert (await jobs.get(ENV, child_id)).status is JobStatus.CANCELED


async def test_items_that_end_together_complete_their_batch(db: Database, jobs: Jobs) -> None:
    batch = (await jobs.submit_batch(ENV, [submission(seed) for seed in "abcd"], {})).job
    claims = [await execution.claim(db, "w", LEASE) for _ in range(4)]
    await asyncio.gather(*(finish(db, held) for held in claims if held is not None))
    assert (await jobs.get(ENV, batch.id)).status is JobStatus.COMPLETED
