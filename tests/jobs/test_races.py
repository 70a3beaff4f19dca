"""Two that move the same job at the same moment: one of them wins, whole, and the other one hears of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from affidavit.errors import Conflict
from affidavit.infra.db import Database
from affidavit.jobs import execution, sweep
from affidavit.jobs.claim import Claim, Fenced, JobError, Report
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import TERMINAL, JobStatus
from affidavit.jobs.views import JobFilter
from tests.jobs.conftest import ENV, LEASE, POLICY, submission
from tests.jobs.life import Promises

# From well before to well after, each several times.
LEADS = [lead for lead in range(-5, 6) for _ in range(3)]
Act = Callable[[], Awaitable[object]]
SHA = "f" * 64
HOPELESS = JobError("CORRUPT_DOCUMENT", "It is damaged.", "input")
DEAD = "UPDATE job_tasks SET lease_until = now() - interval '1 s' WHERE status = 'running'"


async def claimed(db: Database) -> Claim:
    held = await execution.claim(db, "w", LEASE)
    assert held is not None
    return held


async def complete(db: Database, held: Claim) -> None:
    await execution.complete(
        db,
        held,
        news=Report(),
        reading_key="r",
        result_sha256=SHA,
        result_size_bytes=1,
        pages=1,
        policy=POLICY,
    )


async def fail(db: Database, held: Claim) -> None:
    await execution.fail(db, held, HOPELESS, POLICY, tries=1)


class Race:
    """Starts both sides at a barrier; one of them looks at the database some times before it acts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def run(self, lead: int, one: Act, *others: Act) -> list[bool]:
        """Act all at once, `one` by so many looks before the others, or after; tell who was not refused."""
        start = asyncio.Barrier(1 + len(others))

        async def act(what: Act, looks: int) -> bool:
            await start.wait()
            for _ in range(looks):
                await self._db.fetch("SELECT 1")
            try:
                await what()
            except (Fenced, Conflict):
                return False
            return True

        return list(await asyncio.gather(act(one, -lead), *(act(each, lead) for each in others)))


@pytest.fixture
def race(db: Database) -> Race:
    return Race(db)


@pytest.mark.parametrize("end", [complete, fail])
async def test_a_cancel_and_an_end_leave_one_of_them(
    db: Database, jobs: Jobs, race: Race, end: Callable[[Database, Claim], Awaitable[None]]
) -> None:
    promises = Promises([ENV])
    outcomes = Counter[JobStatus]()
    for lead in LEADS:
        job_id = (await jobs.submit(ENV, submission())).job.id
        held = await claimed(db)
        canceled, ended = await race.run(lead, partial(jobs.cancel, ENV, job_id), partial(end, db, held))
        status = (await jobs.get(ENV, job_id)).status
        assert status in TERMINAL
        assert (status is not JobStatus.CANCELED) == ended or end is fail
        assert canceled == (status is JobStatus.CANCELED)
        if status is JobStatus.COMPLETED:
            promises.committed[job_id] = SHA
        outcomes[status] += 1
    await sweep.tidy(db)
    await promises.check(db)
    assert len(outcomes) == 2, outcomes  # else the rounds were no race


async def test_a_claim_and_a_cancel_leave_nothing_running_unheard_of(
    db: Database, jobs: Jobs, race: Race
) -> None:
    promises = Promises([ENV])
    for lead in LEADS:
        job_id = (await jobs.submit(ENV, submission())).job.id
        found: list[Claim | None] = []

        async def claim(found: list[Claim | None] = found) -> None:
            found.append(await execution.claim(db, "w", LEASE))

        assert await race.run(lead, partial(jobs.cancel, ENV, job_id), claim) == [True, True]
        assert (await jobs.get(ENV, job_id)).status is JobStatus.CANCELED
        if found[0] is not None:
            await execution.abandon(db, found[0])
    await sweep.tidy(db)
    await promises.check(db)
    await promises.check_quiet(db)


async def test_a_reap_and_an_end_leave_one_commit(db: Database, jobs: Jobs, race: Race) -> None:
    promises = Promises([ENV])
    ends = Counter[bool]()
    for lead in LEADS:
        job_id = (await jobs.submit(ENV, submission())).job.id
        held = await claimed(db)
        await db.fetch(DEAD)
        _, ended = await race.run(lead, partial(sweep.reap, db, POLICY), partial(complete, db, held))
        ends[ended] += 1
        if not ended:
            fresh = await claimed(db)
            assert (fresh.task_id, fresh.attempt) == (held.task_id, held.attempt + 1)
            await complete(db, fresh)
        promises.committed[job_id] = SHA
    assert len(ends) == 2, ends
    await promises.check(db)
    await promises.check_quiet(db)


async def test_many_reapers_take_a_dead_lease_once(db: Database, jobs: Jobs) -> None:
    await jobs.submit_batch(ENV, [submission() for _ in range(8)], {})
    for _ in range(8):
        await claimed(db)
    await db.fetch(DEAD)
    found = await asyncio.gather(*(sweep.reap(db, POLICY) for _ in range(5)))
    assert sum(found) == 8
    assert {row["crashes"] for row in await db.fetch("SELECT crashes FROM job_tasks")} == {1}


async def test_a_canceled_batch_keeps_what_was_done_and_cancels_the_rest(
    db: Database, jobs: Jobs, race: Race
) -> None:
    promises = Promises([ENV])
    done = set()
    for lead in range(-2, 10):
        batch = (await jobs.submit_batch(ENV, [submission() for _ in range(6)], {})).job
        held = [await claimed(db) for _ in range(4)]
        ends = [*(partial(complete, db, each) for each in held[:3]), partial(fail, db, held[3])]
        results = await race.run(lead, partial(jobs.cancel, ENV, batch.id), *ends)
        items = (await jobs.list(ENV, JobFilter(parent_id=batch.id), 10)).items
        promises.committed |= {item.id: SHA for item in items if item.status is JobStatus.COMPLETED}
        statuses = Counter(item.status for item in items)
        found = await jobs.get(ENV, batch.id)
        assert (found.status, found.children) == (JobStatus.CANCELED, statuses)
        assert statuses[JobStatus.COMPLETED] == sum(results[1:4])
        assert statuses[JobStatus.CANCELED] >= 2  # those that nobody had claimed
        done.add(statuses[JobStatus.COMPLETED])
        for each in held:
            await execution.abandon(db, each)
    assert len(done) > 1, done
    await promises.check(db)
    await promises.check_quiet(db)


async def test_a_batch_shows_the_outcome_of_each_item_and_how_far_it_is(db: Database, jobs: Jobs) -> None:
    batch = (await jobs.submit_batch(ENV, [submission() for _ in range(4)], {})).job
    shown = []
    for end in (complete, fail, complete):
        await end(db, await claimed(db))
        found = await jobs.get(ENV, batch.id)
        shown.append((found.status, found.percent, found.pages_done, found.pages_failed))
    await complete(db, await claimed(db))
    found = await jobs.get(ENV, batch.id)
    shown.append((found.status, found.percent, found.pages_done, found.pages_failed))
    going, over = JobStatus.PROCESSING, JobStatus.COMPLETED
    assert shown == [(going, 25, 1, 0), (going, 50, 2, 1), (going, 75, 3, 1), (over, 100, 4, 1)]
    assert found.children == {"completed": 3, "failed": 1}
