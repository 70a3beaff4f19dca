"""Jobs that a split makes are there with its end or not at all, and are what its caller asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from affidavit.engine.spec import Operation
from affidavit.infra.db import Database
from affidavit.jobs import execution
from affidavit.jobs.children import ChildJob
from affidavit.jobs.claim import Claim, Fenced, Report
from affidavit.jobs.gathering import Gathering
from affidavit.jobs.reading import Reading
from affidavit.jobs.runner import Workshop
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import TaskKind
from affidavit.jobs.workspace import OutputRejected, Workspace
from tests.jobs.conftest import ENV, LEASE, POLICY, submission

WISHES = {"child_jobs": {"invoice": {"operation": "extract", "schema": {"type": "object"}}}}
CHILDREN = [ChildJob("invoice", "invoice", number, f"{number}") for number in (1, 2)]


@pytest.fixture
async def held(db: Database, jobs: Jobs) -> Claim:
    """Have a split that was claimed."""
    await jobs.submit(ENV, submission(operation=Operation.SPLIT, parameters=WISHES))
    claim = await execution.claim(db, "worker", LEASE)
    assert claim is not None
    return claim


async def end(db: Database, held: Claim) -> None:
    await execution.complete(
        db,
        held,
        news=Report(),
        reading_key="reading",
        result_sha256="0" * 64,
        result_size_bytes=1,
        pages=2,
        policy=POLICY,
        children=CHILDREN,
    )


async def counts(db: Database) -> tuple[int, int, int, int]:
    (row,) = await db.fetch(
        "SELECT (SELECT count(*) FROM jobs WHERE kind = 'batch') AS batches, "
        "(SELECT count(*) FROM jobs WHERE parent_id IS NOT NULL) AS children, "
        "(SELECT count(*) FROM job_tasks WHERE status = 'queued') AS tasks, "
        "(SELECT count(*) FROM job_artifacts) AS files"
    )
    return row["batches"], row["children"], row["tasks"], row["files"]


async def test_jobs_of_the_parts_are_born_with_the_end_of_the_split(
    db: Database, jobs: Jobs, held: Claim
) -> None:
    await end(db, held)

    job = await jobs.get(ENV, held.job_id)
    assert job.child_batch_id is not None
    batch = await jobs.get(ENV, job.child_batch_id)
    assert (batch.status, batch.children) == ("processing", {"queued": 2})
    first = await execution.claim(db, "worker", LEASE)
    assert first is not None
    assert held.document is not None
    assert first.document == held.document
    assert first.spec == {"options": {"pages": "1"}, "json_schema": {"type": "object"}}


async def test_end_that_is_reported_twice_makes_them_once(db: Database, held: Claim) -> None:
    await end(db, held)
    with pytest.raises(Fenced):
        await end(db, held)

    assert await counts(db) == (1, 2, 2, 0)


async def test_worker_that_lost_its_task_makes_none(db: Database, held: Claim) -> None:
    with pytest.raises(Fenced):
        await end(db, replace(held, attempt=held.attempt - 1))

    assert await counts(db) == (0, 0, 0, 0)


async def test_split_that_was_canceled_meanwhile_makes_none(db: Database, jobs: Jobs, held: Claim) -> None:
    await jobs.cancel(ENV, held.job_id)
    with pytest.raises(Fenced):
        await end(db, held)

    assert await counts(db) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        {"wish": "letter"},
        {"wish": "*"},
        {"pages": "3"},
        {"pages": "x"},
        {"part": -1},
        {"topic": "a\x00"},
    ],
)
async def test_child_that_was_taken_over_chooses_among_what_the_caller_wants(
    shop: Workshop, held: Claim, said: dict[str, Any], tmp_path: Any
) -> None:
    held, workspace = replace(held, kind=TaskKind.FINISH), Workspace(tmp_path)
    reading = Reading(
        db=shop.db,
        blobs=shop.blobs,
        held=held,
        workspace=workspace,
        reading_key="reading",
        policy=POLICY,
        doorbell=shop.doorbell,
        limits=shop.limits,
        gathering=Gathering(shop.db, shop.blobs, held, workspace, shop.limits.output_bytes),
        selected=[1, 2],
    )
    good = {"type": "child", "wish": "invoice", "topic": "invoice", "part": 1, "pages": "1-2"}

    await reading.hear(good)
    with pytest.raises(OutputRejected):
        await reading.hear({**good, **said})
    assert len(reading.children) == 1
