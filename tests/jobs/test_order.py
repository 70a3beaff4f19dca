"""Whose turn it is: between environments by pages served, and inside one of them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from affidavit.infra.db import Database
from affidavit.infra.queue import Doorbell
from affidavit.jobs import execution, sweep
from affidavit.jobs.claim import Claim, Report
from affidavit.jobs.order import BURST
from affidavit.jobs.service import Jobs
from affidavit.jobs.submission import Priority
from tests.jobs.conftest import ENV, LEASE, OTHER, POLICY, submission

BATCH = POLICY.batch_pages


async def claim(db: Database, *, short_only: bool = False) -> Claim | None:
    return await execution.claim(db, "w", LEASE, short_only=short_only)


async def claimed(db: Database) -> Claim:
    held = await claim(db)
    assert held is not None
    return held


async def open_pages(db: Database, held: Claim, count: int) -> None:
    pages = list(range(1, count + 1))
    await execution.opened(
        db, held, media_type="application/pdf", page_count=count, selected=pages, policy=POLICY
    )


async def submit(jobs: Jobs, environment_id: str, count: int = 1) -> list[str]:
    return [(await jobs.submit(environment_id, submission())).job.id for _ in range(count)]


async def served(db: Database, claims: int) -> list[str]:
    return [(await claimed(db)).environment_id for _ in range(claims)]


async def level(db: Database) -> None:
    """Let both environments have been served alike, so that neither has a burst to make up for."""
    alike = "INSERT INTO queue_shares (environment_id) SELECT unnest($1::text[])"
    await db.fetch(alike, [ENV, OTHER])


async def test_environments_take_turns_however_much_one_has_waiting(db: Database, jobs: Jobs) -> None:
    await level(db)
    await submit(jobs, ENV, 20)
    await submit(jobs, OTHER, 3)
    assert Counter(await served(db, 6)) == {ENV: 3, OTHER: 3}


async def test_turns_are_counted_in_pages_not_in_tasks(db: Database, jobs: Jobs) -> None:
    await level(db)
    await submit(jobs, ENV)
    await submit(jobs, OTHER, 30)
    held = await claimed(db)
    pages = Counter({OTHER: 0})
    if held.environment_id == OTHER:
        pages[OTHER] += 1
        held = await claimed(db)
    await open_pages(db, held, 3 * BATCH)
    pages[ENV] = BATCH
    for _ in range(20):
        held = await claimed(db)
        pages[held.environment_id] += len(held.pages or (1,))
        assert abs(pages[ENV] - pages[OTHER]) <= BATCH
    assert pages[ENV] == 3 * BATCH


async def test_an_environment_that_was_idle_makes_up_for_one_burst_and_has_hoarded_no_more(
    db: Database, jobs: Jobs
) -> None:
    await level(db)
    await submit(jobs, ENV, 3 * BURST)
    await served(db, 2 * BURST)
    await submit(jobs, OTHER, BURST + 20)
    first = Counter(await served(db, BURST))
    assert first[OTHER] >= BURST - 1  # the claim at this moment has begun
    later = Counter(await served(db, 10))
    assert abs(later[ENV] - later[OTHER]) <= 2


async def test_a_heavier_environment_gets_more_turns(db: Database, jobs: Jobs) -> None:
    await level(db)
    for environment_id in (ENV, OTHER):
        await submit(jobs, environment_id, 30)
    await db.fetch("UPDATE queue_shares SET weight = 3 WHERE environment_id = $1", OTHER)
    assert Counter(await served(db, 16)) == {ENV: 4, OTHER: 12}


async def test_an_environment_runs_no_more_tasks_than_it_may(db: Database, jobs: Jobs) -> None:
    await submit(jobs, ENV, 5)
    await claimed(db)
    await db.fetch("UPDATE queue_shares SET max_running = 2")
    await claimed(db)
    assert await claim(db) is None
    await submit(jobs, OTHER)
    assert (await claimed(db)).environment_id == OTHER


async def test_priority_orders_an_environment_and_does_not_reach_beyond(db: Database, jobs: Jobs) -> None:
    await submit(jobs, ENV, 4)
    (low, high) = [
        (await jobs.submit(OTHER, submission(priority=priority))).job.id
        for priority in (Priority.LOW, Priority.HIGH)
    ]
    order = [await claimed(db) for _ in range(4)]
    assert [held.job_id for held in order if held.environment_id == OTHER] == [high, low]
    assert Counter(held.environment_id for held in order) == {ENV: 2, OTHER: 2}


async def test_a_small_job_goes_between_the_batches_of_a_long_one(db: Database, jobs: Jobs) -> None:
    (long,) = await submit(jobs, ENV)
    await open_pages(db, await claimed(db), 500)
    await claimed(db)
    (small,) = await submit(jobs, ENV)
    order = [(await claimed(db)).job_id for _ in range(2)]
    assert order == [small, long]


async def test_many_small_jobs_do_not_hold_a_long_one_up_for_ever(db: Database, jobs: Jobs) -> None:
    (long,) = await submit(jobs, ENV)
    await open_pages(db, await claimed(db), 2 * BATCH)
    order = []
    for _ in range(2 * BATCH):
        await submit(jobs, ENV, 2)
        order.append((await claimed(db)).job_id)
    assert long in order


async def test_a_batch_of_jobs_lets_a_single_one_in(db: Database, jobs: Jobs) -> None:
    await jobs.submit_batch(ENV, [submission() for _ in range(10)], {})
    await served(db, 3)
    (single,) = await submit(jobs, ENV)
    order = [(await claimed(db)).job_id for _ in range(2)]
    assert single in order


async def test_a_task_that_is_given_back_keeps_its_place(db: Database, jobs: Jobs) -> None:
    await submit(jobs, ENV, 3)
    held = await claimed(db)
    await execution.release(db, held)
    assert (await claimed(db)).task_id == held.task_id


async def test_batches_of_long_documents_can_be_passed_over(db: Database, jobs: Jobs) -> None:
    await submit(jobs, ENV)
    await open_pages(db, await claimed(db), 2 * BATCH)
    assert await claim(db, short_only=True) is None
    (short,) = await submit(jobs, OTHER)
    held = await claim(db, short_only=True)
    assert held is not None
    assert held.job_id == short
    assert (await claimed(db)).pages == tuple(range(BATCH + 1, 2 * BATCH + 1))


async def test_many_who_claim_at_once_take_each_task_once_and_turns_are_kept(
    db: Database, jobs: Jobs
) -> None:
    environments = [f"env_{n}" for n in range(10)]
    for environment_id in environments:
        await submit(jobs, environment_id, 12)
    start, taken = asyncio.Barrier(5), []

    async def claim_ten() -> None:
        await start.wait()
        taken.extend([await claimed(db) for _ in range(10)])

    await asyncio.gather(*(claim_ten() for _ in range(5)))
    assert len({held.task_id for held in taken}) == 50
    shares = Counter(held.environment_id for held in taken)
    assert set(shares) == set(environments)
    # One for each of the five who saw the same turn, and what they saw may be older than their locks.
    assert max(shares.values()) - min(shares.values()) <= 7


async def test_rings_are_few_and_for_the_tasks_whose_turn_is_next(
    db: Database, jobs: Jobs, doorbell: Doorbell
) -> None:
    await level(db)
    await submit(jobs, ENV, 10)
    await submit(jobs, OTHER, 10)
    assert await sweep.ring_due(db, doorbell, 4) == 4
    assert await sweep.ring_due(db, doorbell, 4) == 0  # nobody has come for those
    rung = await db.fetch("SELECT id, environment_id FROM job_tasks WHERE rung_at IS NOT NULL")
    assert Counter(row["environment_id"] for row in rung) == {ENV: 2, OTHER: 2}
    taken = {(await claimed(db)).task_id for _ in range(4)}
    assert taken == {row["id"] for row in rung}
    assert await sweep.ring_due(db, doorbell, 4) == 4


@pytest.mark.parametrize("ahead", [0, 3])
async def test_the_place_in_the_queue_is_that_in_ones_own_environment(
    db: Database, jobs: Jobs, ahead: int
) -> None:
    await submit(jobs, OTHER, 5)
    await submit(jobs, ENV, ahead)
    (mine,) = await submit(jobs, ENV)
    assert (await jobs.get(ENV, mine)).queue_position == ahead


async def test_reading_the_last_batch_does_not_lose_the_finish_its_place(db: Database, jobs: Jobs) -> None:
    (long,) = await submit(jobs, ENV)
    first = await claimed(db)
    await open_pages(db, first, 2 * BATCH)
    second = await claimed(db)
    await submit(jobs, ENV, 3)
    for held in (first, second):
        await execution.finish_reading(db, held, Report(), "r", allow_partial=True)
    assert (await claimed(db)).job_id == long
