"""What a worker does when its database is there and does not answer, or answers and is not heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from affidavit.infra.db import Database
from affidavit.jobs import execution, sweep
from affidavit.jobs.claim import Claim, ExecutionPolicy
from affidavit.jobs.runner import Runner, Workshop
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from tests.jobs.conftest import ENV, LEASE, POLICY, submission
from tests.jobs.relay import Relay
from tests.jobs.test_runner import submit

BRISK = ExecutionPolicy(lease=timedelta(seconds=4), heartbeat=timedelta(seconds=1))
LIVE = "SELECT lease_until > now() AS is_held FROM job_tasks"


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    made = Relay(database_url)
    yield made
    await made.close()


@pytest.fixture
async def far(shop: Workshop, relay: Relay) -> AsyncIterator[Workshop]:
    """Return a workshop whose database is behind the relay; `shop` has it directly."""
    database = Database(await relay.open(), pool_size=5, name="far")
    yield replace(shop, db=database, policy=BRISK)
    relay.go_on()
    await database.close()


async def claimed(shop: Workshop) -> Claim:
    held = await execution.claim(shop.db, "far", shop.policy.lease)
    assert held is not None
    return held


async def started(shop: Workshop, page: int) -> None:
    """Wait until the child has read up to this page."""
    while not await shop.db.fetch("SELECT FROM page_checkpoints WHERE page = $1", page):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_silent_database_stops_the_work_before_the_lease_ends(
    shop: Workshop, far: Workshop, relay: Relay, jobs: Jobs
) -> None:
    await submit(shop, jobs, pages=3)
    held = await claimed(far)
    relay.fall_silent()
    await Runner(far).run(held)
    (row,) = await shop.db.fetch(LIVE)
    assert row["is_held"]


@pytest.mark.parametrize("script", [{"hang": 3}, {"slow": 0.25}])
async def test_a_child_is_dead_before_the_lease_ends_also_if_its_news_are_stuck_on_the_way(
    shop: Workshop, far: Workshop, relay: Relay, jobs: Jobs, script: dict[str, float]
) -> None:
    await submit(shop, jobs, pages=8, **{"slow": 0.5, **script})
    held = await claimed(far)
    running = asyncio.create_task(Runner(far).run(held))
    await started(shop, 1)
    relay.fall_silent()
    await running
    (row,) = await shop.db.fetch(LIVE)
    assert row["is_held"]
    assert list(shop.scratch.iterdir()) == []  # which goes when the child is dead


async def test_a_lease_is_renewed_once_the_database_answers_again(
    shop: Workshop, far: Workshop, relay: Relay, jobs: Jobs
) -> None:
    job_id = await submit(shop, jobs, pages=3)
    held = await claimed(far)
    relay.fall_silent()
    running = asyncio.create_task(Runner(far).run(held))
    await asyncio.sleep(1.5)  # one heartbeat is lost
    relay.go_on()
    await running
    assert (await jobs.get(ENV, job_id)).status is JobStatus.COMPLETED


async def test_a_commit_whose_answer_is_lost_is_settled_and_not_repeated(
    shop: Workshop, far: Workshop, relay: Relay, jobs: Jobs
) -> None:
    job_id = await submit(shop, jobs, pages=3)
    held = await claimed(far)
    relay.cut_after = [b"usage_records", b"COMMIT"]
    await Runner(far).run(held)
    assert relay.cuts == 1
    assert (await jobs.get(ENV, job_id)).status is JobStatus.COMPLETED
    (task,) = await shop.db.fetch("SELECT attempt, failures, crashes FROM job_tasks")
    assert (task["attempt"], task["failures"], task["crashes"]) == (1, 0, 0)
    assert len(await shop.db.fetch("SELECT FROM usage_records")) == 1


async def test_a_claim_whose_answer_is_lost_is_given_back_by_its_worker(
    shop: Workshop, far: Workshop, relay: Relay, jobs: Jobs
) -> None:
    await jobs.submit(ENV, submission())
    relay.cut_after = [b"far-away"]
    with pytest.raises(Exception, match=r"connection"):
        await execution.claim(far.db, "far-away", LEASE)
    (task,) = await shop.db.fetch("SELECT status, attempt FROM job_tasks")
    assert (task["status"], task["attempt"]) == ("running", 1)
    assert await execution.release_strays(far.db, "far-away", []) == 1
    assert (await claimed(shop)).crashes == 0


async def test_what_a_worker_knows_that_it_holds_is_no_stray(db: Database, jobs: Jobs) -> None:
    for seed in "ab":
        await jobs.submit(ENV, submission(seed))
    mine, theirs = await execution.claim(db, "w", LEASE), await execution.claim(db, "other", LEASE)
    assert mine is not None
    assert theirs is not None
    assert await execution.release_strays(db, "w", [mine.task_id]) == 0


async def before_the_restart(db: Database) -> None:
    await db.fetch(
        "UPDATE job_tasks SET lease_until = now(), renewed_at = pg_postmaster_start_time() - interval '1 s'"
    )


async def test_a_lease_that_died_with_the_database_is_left_until_its_worker_must_have_come_back(
    db: Database, jobs: Jobs
) -> None:
    await jobs.submit(ENV, submission())
    await execution.claim(db, "w", LEASE)
    await before_the_restart(db)
    assert await sweep.reap(db, ExecutionPolicy(lease=timedelta(days=1000))) == 0


async def test_a_lease_that_died_with_the_database_is_not_counted_against_its_document(
    db: Database, jobs: Jobs
) -> None:
    await jobs.submit(ENV, submission())
    held = await execution.claim(db, "w", LEASE)
    await before_the_restart(db)
    assert await sweep.reap(db, ExecutionPolicy(lease=timedelta(0))) == 1
    again = await execution.claim(db, "w", LEASE)
    assert held is not None
    assert again is not None
    assert (again.task_id, again.attempt, again.crashes) == (held.task_id, 2, 0)


async def test_a_document_that_takes_its_database_down_is_poison_in_the_end(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    policy = ExecutionPolicy(lease=timedelta(0), max_attempts=4)
    for _ in range(4):
        await execution.claim(db, "w", LEASE)
        await before_the_restart(db)
        assert await sweep.reap(db, policy) == 1
    error = (await jobs.get(ENV, made.id)).error
    assert error is not None
    assert error["code"] == "POISON_DOCUMENT"


async def test_leases_that_die_together_come_back_in_parts(db: Database, jobs: Jobs) -> None:
    count = 3 * sweep.REAP_AT_LEAST
    await jobs.submit_batch(ENV, [submission() for _ in range(count)], {})
    for _ in range(count):
        await execution.claim(db, "w", timedelta(0))
    assert await sweep.reap(db, POLICY) == sweep.REAP_AT_LEAST
