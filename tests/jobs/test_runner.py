"""Tasks driven to their ends with real walled children, whose engine does what the document says."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from affidavit.infra.db import SYSTEM
from affidavit.jobs import execution
from affidavit.jobs.claim import ExecutionPolicy
from affidavit.jobs.runner import Runner, Workshop
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from affidavit.jobs.submission import Upload
from affidavit.jobs.views import JobView
from tests.jobs.conftest import ENV, submission, work


async def submit(shop: Workshop, jobs: Jobs, store: bool = True, **script: object) -> str:
    """Submit a document that is this script, and return the job's id."""
    data = json.dumps(script).encode()
    upload = Upload(await shop.blobs.put_bytes(ENV, data), len(data), "application/pdf", "a.pdf")
    return (await jobs.submit(ENV, submission(source=upload, store=store))).job.id


async def result(shop: Workshop, jobs: Jobs, job_id: str) -> str:
    found = await jobs.result(ENV, job_id)
    return (await (await shop.blobs.open(ENV, found.sha256)).read()).decode()


def words(*pages: int) -> str:
    return " ".join(f"page {page}" for page in pages)


def code(job: JobView) -> str:
    assert job.error is not None
    return str(job.error["code"])


async def test_a_long_document_is_read_in_batches_and_put_together(shop: Workshop, jobs: Jobs) -> None:
    job_id = await submit(shop, jobs, pages=20)
    await work(shop)
    assert await result(shop, jobs, job_id) == words(*range(1, 21))
    assert list(shop.scratch.iterdir()) == []


async def test_a_document_submitted_again_is_not_read_again(shop: Workshop, jobs: Jobs) -> None:
    for _ in range(2):
        job_id = await submit(shop, jobs, pages=20)
        await work(shop)
        assert await result(shop, jobs, job_id) == words(*range(1, 21))
    (row,) = await shop.db.fetch("SELECT sum(pages_read) AS pages FROM job_tasks")
    assert row["pages"] == 20


@pytest.mark.parametrize("pages", [3, 20])
async def test_lost_pages_fail_a_job_at_once_and_are_counted(shop: Workshop, jobs: Jobs, pages: int) -> None:
    job_id = await submit(shop, jobs, pages=pages, fail=[2])
    await work(shop)
    found = await jobs.get(ENV, job_id)
    assert (code(found), found.pages_done, found.pages_failed) == ("PAGES_FAILED", pages - 1, 1)
    assert len(await shop.db.fetch("SELECT FROM page_checkpoints")) == pages - 1
    assert await shop.db.fetch("SELECT FROM job_tasks WHERE attempt > 1") == []


@pytest.mark.parametrize(
    "lie",
    [{"stray": [9]}, {"stray": [1]}, {"skip": [2]}, {"pages": 20, "skip": [12]}, {"pages": 20, "stray": [9]}],
)
async def test_an_engine_that_does_not_account_for_its_pages_is_not_believed(
    shop: Workshop, jobs: Jobs, lie: dict[str, object]
) -> None:
    job_id = await submit(shop, jobs, **{"pages": 3, **lie})
    for _ in range(2):
        await work(shop)
        await shop.db.fetch("UPDATE job_tasks SET run_after = now()")
    assert code(await jobs.get(ENV, job_id)) == "ENGINE_CRASHED"


async def test_an_engine_cannot_plan_more_pages_than_are_allowed(shop: Workshop, jobs: Jobs) -> None:
    job_id = await submit(shop, jobs, pages=101)
    await work(shop)
    assert code(await jobs.get(ENV, job_id)) == "TOO_MANY_PAGES"
    assert len(await shop.db.fetch("SELECT FROM job_tasks")) == 1


@pytest.mark.parametrize("pages", [3, 20])
async def test_pages_whose_blobs_are_gone_are_read_again(shop: Workshop, jobs: Jobs, pages: int) -> None:
    await submit(shop, jobs, pages=pages)
    await work(shop)
    lost = hashlib.sha256(b"page 2").hexdigest()
    await shop.blobs.delete(ENV, lost)
    job_id = await submit(shop, jobs, pages=pages)
    await work(shop)
    assert (await jobs.get(ENV, job_id)).status is JobStatus.COMPLETED
    assert await shop.blobs.exists(ENV, lost)


async def test_workers_of_two_versions_finish_a_document_between_them(shop: Workshop, jobs: Jobs) -> None:
    job_id = await submit(shop, jobs, pages=20)
    await work(shop, tasks=2)
    newer = replace(shop, engine_versions={"engine": "2"})
    await work(newer)
    assert await result(shop, jobs, job_id) == words(*range(1, 21))
    found = await jobs.get(ENV, job_id)
    assert (found.pages_total, found.pages_done) == (20, 20)
    pages = await shop.db.fetch("SELECT reading_key, count(*) AS n FROM page_checkpoints GROUP BY 1")
    assert sorted(row["n"] for row in pages) == [16, 20]


async def test_a_canceled_unstored_job_leaves_no_page_that_is_never_erased(
    shop: Workshop, jobs: Jobs
) -> None:
    job_id = await submit(shop, jobs, store=False, pages=3, hang=3)
    running = asyncio.create_task(work(replace(shop, policy=BRISK)))
    page = hashlib.sha256(b"page 2").hexdigest()
    while not await shop.blobs.exists(ENV, page):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await jobs.cancel(ENV, job_id)
    await running
    assert await shop.db.fetch("SELECT FROM blob_refs") == []
    marked = {row["sha256"] for row in await shop.db.fetch("SELECT sha256 FROM blob_garbage")}
    assert {entry.sha256 async for entry in shop.blobs.entries()} <= marked


BRISK = ExecutionPolicy(lease=timedelta(seconds=3), heartbeat=timedelta(seconds=1.2))


async def test_a_worker_without_its_database_stops_the_child_before_the_lease_ends(
    shop: Workshop, jobs: Jobs
) -> None:
    await submit(shop, jobs, pages=3, hang=2)
    held = await execution.claim(shop.db, "worker", BRISK.lease)
    assert held is not None
    async with shop.db.begin(SYSTEM) as session:
        await execution.tasks.hold(session, held)  # every heartbeat waits for this
        await Runner(replace(shop, policy=BRISK)).run(held)
    (row,) = await shop.db.fetch("SELECT lease_until > now() AS is_held FROM job_tasks")
    assert row["is_held"]
