"""The life of a task under lease: claim, heartbeat, report, complete, fail, give back.

Each function is one short transaction, fenced by the claim's attempt. Locks go task first, then
parent, then job, then the share of the queue. The clock is the database's.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.accounts.models import UsageRecord
from affidavit.documents import references
from affidavit.documents.models import Document
from affidavit.evidence import repository as bundles
from affidavit.evidence.sealing import SealedBundle
from affidavit.infra.db import SYSTEM, Database
from affidavit.jobs import order, tasks
from affidavit.jobs.children import ChildJob, make
from affidavit.jobs.claim import (
    FAILURE_BACKOFF,
    Beat,
    Claim,
    ExecutionPolicy,
    Fenced,
    JobError,
    MadeFile,
    Report,
    SealedJob,
    SourceDocument,
    StoredBlob,
    StoredImage,
    StoredPage,
    backoff,
)
from affidavit.jobs.ending import end
from affidavit.jobs.models import Job, JobArtifact
from affidavit.jobs.review_gate import open_review
from affidavit.jobs.source import SEALED
from affidavit.jobs.status import JobStatus, TaskKind, TaskStatus
from affidavit.jobs.transitions import CLAIM, lock_parent, move_task

_BEAT: Final = """
UPDATE job_tasks t SET lease_until = now() + $3, renewed_at = now() FROM jobs j
WHERE t.id = $1 AND t.attempt = $2 AND t.status = 'running' AND j.id = t.job_id
RETURNING j.status
"""

_STRAYS: Final = """
SELECT id, attempt FROM job_tasks
WHERE status = 'running' AND lease_owner = $1 AND NOT id = ANY($2::text[])
"""

_USE: Final = insert(UsageRecord)

_OUTCOME: Final = "SELECT status FROM job_tasks WHERE id = $1 AND attempt = $2"

_TASK_PAGES: Final = (
    "SELECT pages, failed_pages FROM job_tasks WHERE job_id = $1 AND kind = 'read' ORDER BY n"
)

_PAGES: Final = """
SELECT page, sha256, size_bytes, image_sha256, image_size_bytes, image_crc32 FROM page_checkpoints
WHERE environment_id = $1 AND document_sha256 = $2 AND reading_key = $3 ORDER BY page
"""


async def claim(db: Database, worker: str, lease: timedelta, *, short_only: bool = False) -> Claim | None:
    """Take the task that is next in fair order for this worker, or None when there is none to take.

    With `short_only` batches of long documents are passed over. None too when a cancel came between: ask
    again.
    """
    asked_at = time.monotonic()
    row = await db.fetch_row(CLAIM, worker, lease, short_only)
    return None if row is None else _claimed(row, asked_at)


async def heartbeat(db: Database, held: Claim, lease: timedelta) -> Beat:
    """Extend the lease, and learn whether the task and its job are still ours to work on."""
    row = await db.fetch_row(_BEAT, held.task_id, held.attempt, lease)
    if row is None:
        return Beat.LOST
    return Beat.HELD if row["status"] == JobStatus.PROCESSING else Beat.ENDED


async def opened(
    db: Database,
    held: Claim,
    *,
    media_type: str,
    page_count: int,
    selected: list[int],
    policy: ExecutionPolicy,
    finishes: bool = True,
) -> bool:
    """Write what opening the document taught; plan the other batches when one is not enough.

    With `finishes` the task of a document of one batch ends the job too; else the finish must find the
    pages in the task's row. Returns whether batches were planned. Raises Fenced.
    """
    planned = _batches(selected, policy.batch_pages)
    async with db.begin(SYSTEM) as session:
        await tasks.hold(session, held)
        if len(planned) > 1 or not finishes:
            await tasks.plan(session, held, planned)
        await tasks.open_job(
            session,
            held,
            media_type=media_type,
            page_count=page_count,
            selected=len(selected),
            deadline=policy.deadline_base + policy.deadline_page * len(selected),
        )
        if len(selected) > 1:
            await order.charge(session, held.environment_id, min(len(selected), policy.batch_pages) - 1)
    return len(planned) > 1


async def report(db: Database, held: Claim, news: Report, reading_key: str) -> None:
    """Checkpoint pages and show progress. Raises Fenced."""
    async with db.begin(SYSTEM) as session:
        await tasks.note(session, held, news, reading_key)
        await tasks.show(session, held, news)


async def finish_reading(
    db: Database, held: Claim, news: Report, reading_key: str, *, allow_partial: bool
) -> None:
    """End a task of reading; the last of a job queues its finish, or fails it for lost pages.

    Raises Fenced.
    """
    async with db.begin(SYSTEM) as session:
        await _report_last(session, held, news, reading_key)
        # The report has locked the job's row: of two last batches one comes second
        # here and sees the other one done.
        if not await tasks.is_all_read(session, held):
            return
        failed = await tasks.failed_pages(session, held.job_id)
        if not failed or allow_partial:
            await tasks.add_finish(session, held)
            return
        await _end_failed(session, held.job_id, pages_failed(failed))


async def read_again(
    db: Database, held: Claim, reading_key: str, pages: Sequence[int], policy: ExecutionPolicy
) -> bool:
    """Turn a finish back whose pages are gone: read those anew, and finish after that.

    It happens when workers of two versions share a document, when old pages were purged meanwhile, and
    when blobs were lost. False when it has happened too often. Raises Fenced.
    """
    async with db.begin(SYSTEM) as session:
        if not await move_task(session, held.task_id, TaskStatus.CANCELED, attempt=held.attempt):
            raise Fenced
        if await tasks.count_turned_back(session, held.job_id) > policy.max_failures:
            await session.rollback()
            return False
        await tasks.show(session, held, Report(stage="read", message="Read lost pages again"))
        await tasks.forget_pages(session, held, reading_key, pages)
        await tasks.add_again(session, held, _batches(pages, policy.batch_pages))
    return True


async def forget_pages(db: Database, held: Claim, reading_key: str, pages: Collection[int]) -> None:
    """Drop checkpoints whose pages are gone or damaged. Raises Fenced."""
    async with db.begin(SYSTEM) as session:
        await tasks.hold(session, held)
        await tasks.forget_pages(session, held, reading_key, pages)


async def complete(
    db: Database,
    held: Claim,
    *,
    news: Report,
    reading_key: str,
    result_sha256: str,
    result_size_bytes: int,
    pages: int,
    policy: ExecutionPolicy,
    artifacts: Sequence[MadeFile] = (),
    flagged: Sequence[str] = (),
    children: Sequence[ChildJob] = (),
    sealed: SealedBundle | None = None,
) -> None:
    """Commit the result, its files and its bundle, which lie in the blob store already: once, or not at all.

    The jobs that it asks for, `children`, are born with it. With fields that are `flagged` a person
    decides first. Raises Fenced.
    """
    async with db.begin(SYSTEM) as session:
        await tasks.note(session, held, news, reading_key)
        if held.parent_id is not None:
            await lock_parent(session, held.job_id)
        await _end_task(session, held)
        digests = {held.job_id: [result_sha256, *(artifact.sha256 for artifact in artifacts)]}
        if sealed is not None:
            digests[sealed.contents.bundle_id] = [each.blob_sha256 for each in sealed.contents.artifacts]
        await references.add_all(session, held.environment_id, digests)
        await _add_artifacts(session, held, artifacts)
        await session.execute(_USE, _usage(held, pages))
        counts: dict[str, Any] = {}
        if held.kind is TaskKind.READ:  # it is all of its document, and has shown nothing of it yet
            counts = {"pages_done": news.pages_done, "pages_failed": len(news.failed)}
        columns = {"percent": 100, **counts, **_sealed_columns(sealed)}
        result = StoredBlob(result_sha256, result_size_bytes)
        if flagged:
            opened = await open_review(session, held, flagged, reading_key, result, columns)
            if opened is None:
                raise Fenced
            await _add_bundle(session, sealed)
            return
        moved = await end(
            session,
            held.job_id,
            JobStatus.COMPLETED,
            is_parent_locked=True,
            **columns,
            child_batch_id=await make(session, held, children, policy.deadline_base),
            result_sha256=result.sha256,
            result_size_bytes=result.size_bytes,
            result_expires_at=policy.result_ttl if held.store else policy.unstored_ttl,
        )
        if moved is None:
            raise Fenced
        await _add_bundle(session, sealed)


async def fail(db: Database, held: Claim, error: JobError, policy: ExecutionPolicy, *, tries: int) -> bool:
    """Spend one of the task's `tries`; queue it again, or fail it and its job. Tell if it is over.

    Raises Fenced.
    """
    spent = held.failures + 1
    retry = error.retryable and spent < min(tries, policy.max_failures)
    to = TaskStatus.QUEUED if retry else TaskStatus.FAILED
    columns: dict[str, Any] = {"failures": spent, "error": error.to_json()}
    if retry:
        columns["run_after"] = func.now() + backoff(FAILURE_BACKOFF, spent)
    async with db.begin(SYSTEM) as session:
        if not await move_task(session, held.task_id, to, attempt=held.attempt, **columns):
            raise Fenced
        if not retry:
            await _end_failed(session, held.job_id, error)
    return not retry


async def release(db: Database, held: Claim) -> None:
    """Give a task back without spending any budget: this worker is going away."""
    async with db.begin(SYSTEM) as session:
        await move_task(session, held.task_id, TaskStatus.QUEUED, attempt=held.attempt, run_after=func.now())


async def release_strays(db: Database, worker: str, running: Collection[str]) -> int:
    """Give back what this worker holds without knowing; return how many tasks that were.

    It happens when the answer to a claim is lost, and when a lease was given up while the database was
    away. `worker` must be a name that no other process ever had.
    """
    strays = await db.fetch(_STRAYS, worker, list(running))
    for row in strays:
        async with db.begin(SYSTEM) as session:
            columns = {"run_after": func.now()}
            await move_task(session, row["id"], TaskStatus.QUEUED, attempt=row["attempt"], **columns)
    return len(strays)


async def abandon(db: Database, held: Claim) -> None:
    """Cancel a task whose job has ended while it ran."""
    async with db.begin(SYSTEM) as session:
        await move_task(session, held.task_id, TaskStatus.CANCELED, attempt=held.attempt)


async def document_arrived(db: Database, held: Claim, document: SourceDocument) -> None:
    """Write the document that a URL gave, and queue the reading of it. Raises Fenced."""
    async with db.begin(SYSTEM) as session:
        if not await move_task(session, held.task_id, TaskStatus.DONE, attempt=held.attempt):
            raise Fenced
        await session.execute(insert(Document).values(_arrival(held, document)))
        await references.add(session, held.environment_id, document.id, [document.sha256])
        statement = (
            update(Job)
            .where(Job.id == held.job_id, Job.status == JobStatus.PROCESSING)
            .values(
                document_id=document.id,
                source=Job.source.op("-")(SEALED),  # the whole URL is needed no more
                percent=tasks.READ_FROM,
                stage="open",
                message=None,
                updated_at=func.now(),
            )
            .returning(Job.id)
        )
        if (await session.execute(statement)).first() is None:
            raise Fenced
        await tasks.add_read(session, held)


async def is_done(db: Database, held: Claim) -> bool:
    """Tell whether this very attempt was committed: settles a commit whose answer was lost."""
    row = await db.fetch_row(_OUTCOME, held.task_id, held.attempt)
    return row is not None and row["status"] == TaskStatus.DONE


async def checkpoints(db: Database, held: Claim, reading_key: str) -> dict[int, StoredPage]:
    """Return the pages of the document that were read with this key, by their numbers."""
    if held.document is None:
        return {}
    rows = await db.fetch(_PAGES, held.environment_id, held.document.sha256, reading_key)
    return {row["page"]: _stored_page(row) for row in rows}


async def batches(db: Database, held: Claim) -> tuple[list[int], list[dict[str, Any]]]:
    """Return all pages that the job's tasks were to read, and those that failed with why."""
    rows = await db.fetch(_TASK_PAGES, held.job_id)
    pages = sorted({page for row in rows for page in row["pages"] or ()})
    failed = {page["page"]: page for row in rows for page in row["failed_pages"]}
    return pages, [failed[page] for page in sorted(failed)]


def _stored_page(row: asyncpg.Record) -> StoredPage:
    image = None
    if row["image_sha256"] is not None:
        image = StoredImage(row["image_sha256"], row["image_size_bytes"], row["image_crc32"])
    return StoredPage(row["sha256"], row["size_bytes"], image)


def pages_failed(pages: list[int]) -> JobError:
    """Return the error of a job that lost pages and was not told to go on without them."""
    shown = ", ".join(str(page) for page in pages[:20])
    more = f" and {len(pages) - 20} more" if len(pages) > 20 else ""
    return JobError(
        code="PAGES_FAILED",
        message=f"Pages {shown}{more} could not be read. Retry the job to read only those anew, "
        "or set options.allow_partial to take the others.",
        category="engine",
        phase="read",
        page=pages[0],
        retryable=True,
    )


async def _report_last(session: AsyncSession, held: Claim, news: Report, reading_key: str) -> None:
    """Report for the last time, in an end of the task that may end the job too. Raises Fenced."""
    await tasks.note(session, held, news, reading_key)
    if held.parent_id is not None:
        await lock_parent(session, held.job_id)
    await tasks.show(session, held, news)
    await _end_task(session, held)


async def _end_task(session: AsyncSession, held: Claim) -> None:
    if not await move_task(session, held.task_id, TaskStatus.DONE, attempt=held.attempt):
        raise Fenced


async def _end_failed(session: AsyncSession, job_id: str, error: JobError) -> None:
    await end(session, job_id, JobStatus.FAILED, error=error.to_json(), detail={"code": error.code})


def _sealed_columns(sealed: SealedBundle | None) -> dict[str, Any]:
    if sealed is None:
        return {}
    return {"bundle_id": sealed.contents.bundle_id, "manifest_sha256": sealed.manifest_sha256}


async def _add_bundle(session: AsyncSession, sealed: SealedBundle | None) -> None:
    """Write the bundle after the move of its job: what is told of it tells of the job as it is then."""
    if sealed is not None:
        await bundles.add(session, sealed)


async def _add_artifacts(session: AsyncSession, held: Claim, artifacts: Sequence[MadeFile]) -> None:
    rows = [
        {
            "job_id": held.job_id,
            "environment_id": held.environment_id,
            "n": n,
            "name": artifact.name,
            "media_type": artifact.media_type,
            "size_bytes": artifact.size_bytes,
            "sha256": artifact.sha256,
        }
        for n, artifact in enumerate(artifacts, start=1)
    ]
    if rows:
        await session.execute(insert(JobArtifact), rows)


def _batches(pages: Sequence[int], size: int) -> list[Sequence[int]]:
    return [pages[at : at + size] for at in range(0, len(pages), size)]


def _claimed(row: asyncpg.Record, asked_at: float) -> Claim:
    document = None
    if row["document_id"] is not None:
        document = SourceDocument(
            row["document_id"],
            row["sha256"],
            row["size_bytes"],
            row["filename"],
            row["document_media_type"],
        )
    return Claim(
        asked_at=asked_at,
        task_id=row["task_id"],
        job_id=row["job_id"],
        environment_id=row["environment_id"],
        kind=TaskKind(row["kind"]),
        n=row["n"],
        attempt=row["attempt"],
        failures=row["failures"],
        crashes=row["crashes"],
        pages=None if row["pages"] is None else tuple(row["pages"]),
        operation=row["operation"],
        spec=row["spec"],
        source=row["source"],
        store=row["store"],
        priority=row["priority"],
        submitted_at=row["submitted_at"],
        parent_id=row["parent_id"],
        document=document,
        sealed_password=row["sealed_password"],
        media_type=row["media_type"],
        page_count=row["page_count"],
        vstart=row["vstart"],
        request_id=row["request_id"],
        traceparent=row["traceparent"],
        age_seconds=row["age_seconds"],
        left_seconds=row["left_seconds"],
        metadata=row["metadata"],
        webhook_url=row["webhook_url"],
        retry_of=row["retry_of"],
        earlier=_earlier(row),
    )


def _earlier(row: asyncpg.Record) -> SealedJob | None:
    if row["earlier_bundle_id"] is None or row["earlier_manifest_sha256"] is None:
        return None
    return SealedJob(row["earlier_bundle_id"], row["earlier_manifest_sha256"])


def _arrival(held: Claim, document: SourceDocument) -> dict[str, object]:
    return {
        "id": document.id,
        "environment_id": held.environment_id,
        "filename": document.filename,
        "media_type": document.media_type,
        "size_bytes": document.size_bytes,
        "sha256": document.sha256,
        "inline": True,
    }


def _usage(held: Claim, pages: int) -> dict[str, object]:
    return {
        "job_id": held.job_id,
        "environment_id": held.environment_id,
        "operation": held.operation,
        "pages": pages,
        "size_bytes": held.document.size_bytes if held.document else 0,
    }
