"""A retry reads what is missing and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from affidavit.jobs.runner import Workshop
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from tests.jobs.conftest import ENV, work, workshop
from tests.jobs.test_runner import code, result, submit, words


@pytest.mark.parametrize("pages", [3, 20])
async def test_retry_of_a_job_that_lost_pages_reads_those_alone(
    shop: Workshop, jobs: Jobs, tmp_path: Path, pages: int
) -> None:
    lost = await submit(shop, jobs, pages=pages, fail=[2])
    await work(shop)
    first = await jobs.get(ENV, lost)

    again = (await jobs.retry(ENV, lost, None)).job
    (tmp_path / "mended").mkdir()
    async with workshop(shop.db, shop.blobs, shop.doorbell, tmp_path / "mended", MENDED="1") as mended:
        await work(mended)

    found = await jobs.get(ENV, again.id)
    (row,) = await shop.db.fetch("SELECT sum(pages_read) AS n FROM job_tasks WHERE job_id = $1", again.id)
    assert (code(first), first.pages_failed) == ("PAGES_FAILED", 1)
    assert (found.status, found.retry_of, found.pages_failed) == (JobStatus.COMPLETED, lost, 0)
    assert row["n"] == 1
    if pages > 8:  # shorter ones are finished by the child that reads, whose double writes no pages
        assert await result(mended, jobs, again.id) == words(*range(1, pages + 1))
