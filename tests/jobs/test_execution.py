"""Claims, fences and endings on a real Postgres, with handles that went stale."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from affidavit.infra.db import Database
from affidavit.jobs import execution, sweep, transitions
from affidavit.jobs.claim import Beat, Claim, ExecutionPolicy, Fenced, JobError, ReadPage, Report
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus, TaskKind
from tests.jobs.conftest import ENV, LEASE, POLICY, WAITING, submission

KEY = "reading"
NOTHING = Report()
SHA = "f" * 64


async def claimed(db: Database, lease: timedelta = LEASE) -> Claim:
    held = await execution.claim(db, "worker", lease)
    assert held is not None
    return held


async def finish(db: Database, held: Claim, sha256: str = SHA) -> None:
    await execution.complete(
        db,
        held,
        news=NOTHING,
        reading_key=KEY,
        result_sha256=sha256,
        result_size_bytes=7,
        pages=1,
        policy=POLICY,
    )


def page(number: int) -> ReadPage:
    return ReadPage(number=number, sha256=f"{number:064x}", size_bytes=3, source="native")


async def open_pages(db: Database, held: Claim, count: int) -> bool:
    return await execution.opened(
        db,
        held,
        media_type="application/pdf",
        page_count=count,
        selected=list(range(1, count + 1)),
        policy=POLICY,
    )


async def test_claim_moves_the_job_to_processing(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    held = await claimed(db)
    assert (held.job_id, held.attempt, held.kind) == (made.id, 1, TaskKind.READ)
    assert (await jobs.get(ENV, made.id)).status is JobStatus.PROCESSING


async def test_a_task_is_claimed_once_however_many_ask(db: Database, jobs: Jobs) -> None:
    for seed in "abc":
        await jobs.submit(ENV, submission(seed))
    found = await asyncio.gather(*(execution.claim(db, f"w{n}", LEASE) for n in range(5)))
    taken = [held.task_id for held in found if held is not None]
    assert len(taken) == len(set(taken)) == 3


async def test_a_completed_job_has_its_result_once(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    held = await claimed(db)
    await finish(db, held)
    with pytest.raises(Fenced):
        await finish(db, held, "e" * 64)
    assert (await jobs.result(ENV, made.id)).sha256 == SHA


async def test_a_stale_attempt_commits_nothing(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    stale = await claimed(db, timedelta(0))
    assert await sweep.reap(db, POLICY) == 1
    fresh = await claimed(db)
    assert fresh.attempt == stale.attempt + 1
    with pytest.raises(Fenced):
        await finish(db, stale, "e" * 64)
    with pytest.raises(Fenced):
        await execution.report(db, stale, Report(read=(page(1),)), KEY)
    assert await execution.heartbeat(db, stale, LEASE) is Beat.LOST
    await finish(db, fresh)
    assert (await jobs.result(ENV, made.id)).sha256 == SHA
    assert await execution.checkpoints(db, fresh, KEY) == {}


async def test_an_answer_lost_after_the_commit_is_settled_by_the_row(db: Database, jobs: Jobs) -> None:
    await jobs.submit(ENV, submission())
    held = await claimed(db)
    assert not await execution.is_done(db, held)
    await finish(db, held)
    assert await execution.is_done(db, held)


async def test_heartbeat_keeps_the_lease(db: Database, jobs: Jobs) -> None:
    await jobs.submit(ENV, submission())
    held = await claimed(db, timedelta(0))
    assert await execution.heartbeat(db, held, LEASE) is Beat.HELD
    assert await sweep.reap(db, POLICY) == 0


async def test_a_canceled_job_is_learned_at_the_heartbeat(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    held = await claimed(db)
    assert (await jobs.cancel(ENV, made.id)).status is JobStatus.CANCELED
    assert await execution.heartbeat(db, held, LEASE) is Beat.ENDED
    with pytest.raises(Fenced):
        await finish(db, held)
    assert (await jobs.get(ENV, made.id)).status is JobStatus.CANCELED


async def test_cancel_and_complete_at_once_leave_one_end(db: Database, jobs: Jobs) -> None:
    for seed in "abcdefgh":
        made = (await jobs.submit(ENV, submission(seed))).job
        held = await claimed(db)
        await asyncio.gather(jobs.cancel(ENV, made.id), finish(db, held), return_exceptions=True)
        ends = await db.fetch(
            "SELECT type FROM job_events WHERE job_id = $1 AND type IN ('job.canceled', 'job.completed')",
            made.id,
        )
        assert [row["type"] for row in ends] == [f"job.{(await jobs.get(ENV, made.id)).status}"]


async def test_three_dead_leases_are_poison(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    policy = ExecutionPolicy(max_crashes=3)
    for _ in range(3):
        await db.fetch("UPDATE job_tasks SET run_after = now()")
        await claimed(db, timedelta(0))
        assert await sweep.reap(db, policy) == 1
    found = await jobs.get(ENV, made.id)
    assert found.status is JobStatus.FAILED
    assert found.error is not None
    assert found.error["code"] == "POISON_DOCUMENT"


async def test_a_retryable_error_is_tried_again_until_the_budget_is_spent(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    error = JobError("OCR_FAILED", "It failed.", "engine", retryable=True)
    overs = []
    for _ in range(3):
        await db.fetch("UPDATE job_tasks SET run_after = now()")
        overs.append(await execution.fail(db, await claimed(db), error, POLICY, tries=3))
    assert overs == [False, False, True]
    assert (await jobs.get(ENV, made.id)).error == error.to_json()


async def test_giving_back_spends_no_budget(db: Database, jobs: Jobs) -> None:
    await jobs.submit(ENV, submission())
    for _ in range(5):
        await execution.release(db, await claimed(db))
    held = await claimed(db)
    assert (held.attempt, held.failures, held.crashes) == (6, 0, 0)


async def test_a_long_document_is_planned_once_and_finished_once(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    first = await claimed(db)
    assert await open_pages(db, first, 20)
    assert await open_pages(db, first, 20)
    others = [await claimed(db), await claimed(db)]
    assert await execution.claim(db, "w", LEASE) is None
    assert [held.pages for held in others] == [tuple(range(9, 17)), tuple(range(17, 21))]
    reports = [
        Report(pages_done=n, read=tuple(page(p) for p in pages))
        for n, pages in ((8, range(1, 9)), (8, range(9, 17)), (4, range(17, 21)))
    ]
    await asyncio.gather(
        *(
            execution.finish_reading(db, held, news, KEY, allow_partial=False)
            for held, news in zip([first, *others], reports, strict=True)
        )
    )
    last = await claimed(db)
    assert last.kind is TaskKind.FINISH
    assert await execution.claim(db, "w", LEASE) is None
    pages, failed = await execution.batches(db, last)
    assert (pages, failed) == (list(range(1, 21)), [])
    assert sorted(await execution.checkpoints(db, last, KEY)) == pages
    found = await jobs.get(ENV, made.id)
    assert (found.pages_total, found.pages_done, found.percent) == (20, 20, 90)
    await finish(db, last)
    assert (await jobs.get(ENV, made.id)).percent == 100


@pytest.mark.parametrize("allow_partial", [False, True])
async def test_lost_pages_fail_the_job_unless_partial_results_are_allowed(
    db: Database, jobs: Jobs, allow_partial: bool
) -> None:
    made = (await jobs.submit(ENV, submission())).job
    first = await claimed(db)
    await open_pages(db, first, 9)
    second = await claimed(db)
    lost = {"page": 9, "code": "PAGE_FAILED", "message": "It failed."}
    await execution.finish_reading(db, first, Report(pages_done=8), KEY, allow_partial=allow_partial)
    await execution.finish_reading(db, second, Report(failed=(lost,)), KEY, allow_partial=allow_partial)
    found = await jobs.get(ENV, made.id)
    if allow_partial:
        last = await claimed(db)
        assert await execution.batches(db, last) == (list(range(1, 10)), [lost])
    else:
        assert found.error is not None
        assert (found.error["code"], found.error["page"]) == ("PAGES_FAILED", 9)
    assert (found.pages_done, found.pages_failed) == (8, 1)


async def test_a_late_job_fails_with_its_own_code(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    await db.fetch("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    assert await sweep.expire_late(db) == 1
    found = await jobs.get(ENV, made.id)
    assert found.error is not None
    assert (found.status, found.error["code"]) == (JobStatus.FAILED, "DEADLINE_EXCEEDED")
    await sweep.tidy(db)
    assert await execution.claim(db, "w", LEASE) is None


async def test_a_cancel_that_comes_first_leaves_nothing_to_claim(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    async with db.begin(ENV) as session:
        await transitions.move(session, made.id, JobStatus.CANCELED)
        claiming = asyncio.create_task(execution.claim(db, "w", LEASE))
        while not await db.fetch(WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert await claiming is None
    (task,) = await db.fetch("SELECT status, attempt FROM job_tasks")
    assert (task["status"], task["attempt"]) == ("queued", 0)
    await sweep.tidy(db)
    (task,) = await db.fetch("SELECT status FROM job_tasks")
    assert task["status"] == "canceled"


async def test_a_finish_does_not_wait_behind_jobs_that_came_later(db: Database, jobs: Jobs) -> None:
    long = (await jobs.submit(ENV, submission("a"))).job
    first = await claimed(db)
    await jobs.submit(ENV, submission("b"))
    await open_pages(db, first, 9)
    await execution.finish_reading(db, first, NOTHING, KEY, allow_partial=True)
    short = await claimed(db)
    assert short.job_id != long.id  # batches of a long document let shorter ones pass
    second = await claimed(db)
    await jobs.submit(ENV, submission("c"))
    await execution.finish_reading(db, second, NOTHING, KEY, allow_partial=True)
    last = await claimed(db)
    assert (last.job_id, last.kind) == (long.id, TaskKind.FINISH)
