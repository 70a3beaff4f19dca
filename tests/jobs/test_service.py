"""The promises of submission, batches, expiry and waiting, on a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from affidavit.engine.spec import Operation, Options
from affidavit.errors import Conflict, Gone, IdempotencyKeyReused, NotFound
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database
from affidavit.infra.idempotency import Fingerprint, fingerprint
from affidavit.jobs import execution, retention
from affidavit.jobs.claim import Report
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from affidavit.jobs.submission import FileRef, Priority
from affidavit.jobs.views import JobFilter
from tests.jobs.conftest import ENV, LEASE, OTHER, POLICY, Rewrite, submission

KEPT = retention.Retention(
    results=timedelta(days=7), pages=timedelta(days=7), idempotency_keys=timedelta(days=30)
)


def key(name: str = "k", **request: object) -> Fingerprint:
    return fingerprint("POST /v1/parse", name, request)


async def complete(db: Database, sha256: str = "f" * 64) -> None:
    held = await execution.claim(db, "w", LEASE)
    assert held is not None
    await execution.complete(
        db,
        held,
        news=Report(),
        reading_key="r",
        result_sha256=sha256,
        result_size_bytes=1,
        pages=1,
        policy=POLICY,
    )


async def test_fifty_submits_with_one_key_make_one_job(db: Database, jobs: Jobs) -> None:
    made = await asyncio.gather(*(jobs.submit(ENV, submission(), key(source="x")) for _ in range(50)))
    assert len({each.job.id for each in made}) == 1
    assert sum(not each.replayed for each in made) == 1
    for table in ("jobs", "job_tasks", "job_events", "documents", "idempotency_keys"):
        assert len(await db.fetch(f"SELECT FROM {table}")) == 1, table


async def test_a_key_for_another_request_names_what_differs(jobs: Jobs) -> None:
    await jobs.submit(ENV, submission(), key(source="x", options={"dpi": 200}))
    with pytest.raises(IdempotencyKeyReused) as caught:
        await jobs.submit(ENV, submission(), key(source="x", options={"dpi": 300}, metadata={"a": "b"}))
    assert [error.pointer for error in caught.value.errors] == ["/metadata", "/options"]


async def test_a_key_belongs_to_its_environment(jobs: Jobs) -> None:
    one = await jobs.submit(ENV, submission(), key(source="x"))
    two = await jobs.submit(OTHER, submission(), key(source="y"))
    assert one.job.id != two.job.id


async def test_an_expired_key_is_refused(db: Database, jobs: Jobs) -> None:
    await jobs.submit(ENV, submission(), key())
    await db.fetch("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    with pytest.raises(Gone) as caught:
        await jobs.submit(ENV, submission(), key())
    assert caught.value.specific_code == "IDEMPOTENCY_KEY_EXPIRED"


async def test_an_unknown_file_writes_nothing(db: Database, jobs: Jobs) -> None:
    other = (await jobs.submit(OTHER, submission())).job
    assert other.file_id is not None
    for file_id in ("file_none", other.file_id):
        with pytest.raises(NotFound):
            await jobs.submit(ENV, submission(source=FileRef(file_id)), key())
    assert await db.fetch("SELECT FROM idempotency_keys") == []
    assert await db.fetch("SELECT FROM jobs WHERE environment_id = $1", ENV) == []


async def test_another_environments_job_is_not_there(jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    for call in (jobs.get, jobs.cancel, jobs.result):
        with pytest.raises(NotFound):
            await call(OTHER, made.id)


async def test_higher_priority_is_claimed_first(db: Database, jobs: Jobs) -> None:
    ids = {}
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
        ids[(await jobs.submit(ENV, submission(priority=priority))).job.id] = priority
    order = []
    while (held := await execution.claim(db, "w", LEASE)) is not None:
        order.append(ids[held.job_id])
    assert order == [Priority.HIGH, Priority.NORMAL, Priority.LOW]


async def test_a_password_is_kept_sealed_and_forgotten_at_the_end(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission(options=Options(password="geheim")))).job
    (row,) = await db.fetch("SELECT spec, sealed_password FROM jobs")
    assert "geheim" not in str(row["spec"])
    assert row["sealed_password"] == f"{made.id}|geheim".encode()
    await complete(db)
    (row,) = await db.fetch("SELECT sealed_password FROM jobs")
    assert row["sealed_password"] is None


async def test_a_batch_completes_with_its_last_item(db: Database, jobs: Jobs) -> None:
    items = [submission(seed) for seed in "abc"]
    batch = (await jobs.submit_batch(ENV, items, {"run": "7"})).job
    assert (batch.status, batch.pages_total) == (JobStatus.PROCESSING, 3)
    await asyncio.gather(*(complete(db) for _ in items))
    found = await jobs.get(ENV, batch.id)
    assert (found.status, found.percent, found.children) == (JobStatus.COMPLETED, 100, {"completed": 3})


async def test_canceling_a_batch_cancels_what_has_not_ended(db: Database, jobs: Jobs) -> None:
    batch = (await jobs.submit_batch(ENV, [submission(seed) for seed in "abc"], {})).job
    await complete(db)
    found = await jobs.cancel(ENV, batch.id)
    assert (found.status, found.children) == (JobStatus.CANCELED, {"completed": 1, "canceled": 2})
    assert await db.fetch("SELECT FROM job_tasks WHERE status = 'queued'") == []
    events = await db.fetch("SELECT FROM job_events WHERE type = 'job.canceled'")
    assert len(events) == 3
    with pytest.raises(Conflict):
        children = await jobs.list(ENV, JobFilter(parent_id=batch.id, status=JobStatus.COMPLETED), 10)
        await jobs.cancel(ENV, children.items[0].id)


async def test_canceling_a_batch_of_unstored_jobs_erases_their_sources(db: Database, jobs: Jobs) -> None:
    batch = (await jobs.submit_batch(ENV, [submission(seed, store=False) for seed in "ab"], {})).job
    await jobs.cancel(ENV, batch.id)
    assert await db.fetch("SELECT FROM blob_refs") == []


async def test_a_listing_goes_through_all_pages_newest_first(jobs: Jobs) -> None:
    made = [(await jobs.submit(ENV, submission(metadata={"n": str(n % 2)}))).job.id for n in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await jobs.list(ENV, JobFilter(), 3, cursor)
        seen += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]
    odd = await jobs.list(ENV, JobFilter(metadata={"n": "1"}), 10)
    assert [job.id for job in odd.items] == [made[5], made[3], made[1]]


async def test_waiting_ends_with_the_job(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    waiting = asyncio.create_task(jobs.wait(ENV, made.id, 20))
    await complete(db)
    assert (await waiting).status is JobStatus.COMPLETED


async def test_waiting_is_over_at_its_timeout(jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    assert (await jobs.wait(ENV, made.id, 0.01)).status is JobStatus.QUEUED


async def test_an_expired_result_answers_gone_and_is_purged(
    db: Database, jobs: Jobs, blobs: BlobStore
) -> None:
    sha256 = await blobs.put_bytes(ENV, b"result")
    made = (await jobs.submit(ENV, submission())).job
    await complete(db, sha256)
    await db.fetch("UPDATE jobs SET result_expires_at = now() - interval '1 second'")
    with pytest.raises(Gone):
        await jobs.result(ENV, made.id)
    assert await retention.purge(db, KEPT) == 1
    found = await jobs.get(ENV, made.id)
    assert (found.status, found.result_available) == (JobStatus.COMPLETED, False)
    await db.fetch("UPDATE blob_garbage SET erase_at = now()")
    await retention.collect(db, blobs)
    # Young blobs are spared: someone may be putting the same bytes right now.
    assert await blobs.exists(ENV, sha256)
    assert len(await db.fetch("SELECT FROM blob_garbage WHERE sha256 = $1", sha256)) == 1


async def test_an_unstored_job_leaves_no_source_and_no_result(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission(store=False))).job
    await complete(db)
    assert await db.fetch("SELECT FROM blob_refs WHERE owner = $1", made.file_id) == []
    await jobs.result_read(ENV, made.id)
    with pytest.raises(Gone):
        await jobs.result(ENV, made.id)
    assert await db.fetch("SELECT FROM blob_refs") == []
    assert len(await db.fetch("SELECT FROM blob_garbage WHERE erase_at <= now()")) == 2


async def test_the_order_of_a_schemas_properties_is_kept(db: Database, jobs: Jobs) -> None:
    schema = {"type": "object", "properties": {"zebra": {}, "ant": {}, "longest_name": {}, "b": {}}}
    await jobs.submit(ENV, submission(operation=Operation.EXTRACT, json_schema=schema))
    held = await execution.claim(db, "w", LEASE)
    assert held is not None
    assert list(held.spec["json_schema"]["properties"]) == ["zebra", "ant", "longest_name", "b"]


async def test_a_key_answers_for_its_job_also_when_the_file_was_deleted(db: Database, jobs: Jobs) -> None:
    file_id = (await jobs.submit(ENV, submission())).job.file_id
    assert file_id is not None
    first = await jobs.submit(ENV, submission(source=FileRef(file_id)), key("again", file=file_id))
    await db.fetch("UPDATE documents SET deleted_at = now() WHERE id = $1", file_id)
    again = await jobs.submit(ENV, submission(source=FileRef(file_id)), key("again", file=file_id))
    assert (again.job.id, again.replayed) == (first.job.id, True)
    with pytest.raises(NotFound):
        await jobs.submit(ENV, submission(source=FileRef(file_id)), key("new", file=file_id))


async def test_an_unstored_result_that_nobody_read_is_erased_when_it_expires(
    db: Database, jobs: Jobs
) -> None:
    await jobs.submit(ENV, submission(store=False))
    await complete(db)
    await db.fetch("UPDATE jobs SET result_expires_at = now() - interval '1 second'")
    assert await retention.purge(db, KEPT) == 1
    assert await db.fetch("SELECT FROM blob_refs") == []
    assert len(await db.fetch("SELECT FROM blob_garbage WHERE erase_at <= now()")) == 2


async def test_the_source_of_a_job_without_a_result_goes_when_a_result_would(
    db: Database, jobs: Jobs, rewrite: Rewrite
) -> None:
    made = (await jobs.submit(ENV, submission())).job
    await jobs.cancel(ENV, made.id)
    assert await retention.purge(db, KEPT) == 0
    await rewrite("UPDATE jobs SET completed_at = now() - interval '8 days'")
    assert await retention.purge(db, KEPT) == 1
    assert await db.fetch("SELECT FROM blob_refs") == []
    assert await retention.purge(db, KEPT) == 0


async def test_a_sweep_takes_all_that_expired_however_much(
    db: Database, jobs: Jobs, blobs: BlobStore, rewrite: Rewrite
) -> None:
    await jobs.submit_batch(ENV, [submission(f"{n:04x}") for n in range(retention.BATCH + 1)], {})
    await rewrite("UPDATE jobs SET status = 'completed', result_expires_at = now() - interval '1 hour'")
    assert await retention.purge(db, KEPT) > retention.BATCH
    await db.fetch("UPDATE blob_garbage SET erase_at = now()")
    await retention.collect(db, blobs)
    assert await db.fetch("SELECT FROM blob_garbage") == []


async def test_old_pages_go_and_pages_of_a_document_still_in_use_stay(db: Database) -> None:
    await db.fetch(
        """
        INSERT INTO page_checkpoints
            (environment_id, document_sha256, reading_key, page, sha256, size_bytes, source, created_at)
        SELECT 'env_one', d, 'key', p, 'x', 1, 'ocr',
            now() - CASE WHEN d = 'new' AND p = 2 THEN interval '1 hour' ELSE interval '8 days' END
        FROM unnest(ARRAY['old', 'new']) d, generate_series(1, 2) p
        """
    )
    await retention.purge(db, KEPT)
    left = await db.fetch("SELECT document_sha256, page FROM page_checkpoints ORDER BY 1, 2")
    assert [tuple(row) for row in left] == [("new", 1), ("new", 2)]


async def test_a_job_that_ends_leaves_nothing_queued(db: Database, jobs: Jobs) -> None:
    made = (await jobs.submit(ENV, submission())).job
    await jobs.cancel(ENV, made.id)
    (task,) = await db.fetch("SELECT status FROM job_tasks")
    assert task["status"] == "canceled"


async def test_the_place_in_the_queue_counts_what_is_claimed_before(jobs: Jobs) -> None:
    order = (Priority.LOW, Priority.NORMAL, Priority.NORMAL, Priority.HIGH)
    made = [(await jobs.submit(ENV, submission(priority=priority))).job.id for priority in order]
    assert [(await jobs.get(ENV, job_id)).queue_position for job_id in made] == [3, 1, 2, 0]
