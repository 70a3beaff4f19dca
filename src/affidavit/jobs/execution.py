"""The life of a task under lease: claim, heartbeat, report, complete, fail, give back.

Each function is one short transaction, fenced by the claim's attempt. Locks go task first, then
parent, then job. The clock is the database's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.accounts.models import UsageRecord
from affidavit.documents import references
from affidavit.documents.models import PageCheckpoint
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.ids import new_id
from affidavit.jobs.claim import (
    FAILURE_BACKOFF,
    Beat,
    Claim,
    ExecutionPolicy,
    Fenced,
    JobError,
    Report,
    SourceDocument,
    backoff,
)
from affidavit.jobs.ending import end
from affidavit.jobs.models import Job, Task
from affidavit.jobs.status import JobStatus, TaskKind, TaskStatus
from affidavit.jobs.transitions import move, move_task

# Shares of the progress bar: opening and fetching, reading, and finishing.
READ_FROM: Final = 5
READ_TO: Final = 90

_NEXT: Final = text("""
SELECT t.id AS task_id, t.job_id, t.environment_id, t.kind, t.n, t.attempt, t.failures, t.crashes, t.pages,
    t.priority, j.status AS job_status, j.operation, j.spec, j.source, j.store, j.sealed_password,
    j.media_type, j.page_count, d.id AS document_id, d.sha256, d.size_bytes, d.filename,
    d.media_type AS document_media_type
FROM job_tasks t JOIN jobs j ON j.id = t.job_id LEFT JOIN documents d ON d.id = j.document_id
WHERE t.status = 'queued' AND t.run_after <= now() AND j.status IN ('queued', 'processing')
ORDER BY t.priority DESC, t.created_at, t.id
LIMIT 1 FOR UPDATE OF t SKIP LOCKED
""")

_BEAT: Final = """
UPDATE job_tasks t SET lease_until = now() + $3 FROM jobs j
WHERE t.id = $1 AND t.attempt = $2 AND t.status = 'running' AND j.id = t.job_id
RETURNING j.status
"""

_REPORT: Final = text("""
UPDATE job_tasks SET pages_done = :done, pages_read = pages_read + :read, failed_pages = :failed
WHERE id = :task_id AND attempt = :attempt AND status = 'running' RETURNING id
""").bindparams(bindparam("failed", type_=JSONB))

_PROGRESS: Final = text(f"""
UPDATE jobs j SET
    pages_done = s.done, pages_failed = s.failed, stage = :stage, message = :message, updated_at = now(),
    percent = greatest(j.percent, CASE WHEN j.pages_total > 0
        THEN {READ_FROM} + ({READ_TO} - {READ_FROM}) * least(s.done + s.failed, j.pages_total) / j.pages_total
        ELSE {READ_FROM} END)
FROM (
    SELECT coalesce(sum(pages_done), 0) AS done, coalesce(sum(jsonb_array_length(failed_pages)), 0) AS failed
    FROM job_tasks WHERE job_id = :job_id
) s
WHERE j.id = :job_id
""")  # noqa: S608 - constants of ours

_LOCK_JOB: Final = text("SELECT id FROM jobs WHERE id = :job_id AND status = 'processing' FOR UPDATE")

_OPENED: Final = text("""
UPDATE jobs SET media_type = :media_type, page_count = :page_count, pages_total = :selected,
    deadline_at = created_at + CAST(:deadline AS interval), updated_at = now(),
    percent = greatest(percent, 5)
WHERE id = :job_id AND status = 'processing' RETURNING id
""")

_HOLD: Final = text(
    "SELECT id FROM job_tasks WHERE id = :task_id AND attempt = :attempt AND status = 'running' FOR UPDATE"
)

_READING: Final = text("""
SELECT count(*) FILTER (WHERE status IN ('queued', 'running')) AS unfinished, max(n) AS last,
    count(*) FILTER (WHERE kind = 'finish') AS finishing
FROM job_tasks WHERE job_id = :job_id
""")

_FAILED_PAGES: Final = text(
    "SELECT failed_pages FROM job_tasks WHERE job_id = :job_id AND kind = 'read' ORDER BY n"
)

_OUTCOME: Final = "SELECT status FROM job_tasks WHERE id = $1 AND attempt = $2"

_TASK_PAGES: Final = (
    "SELECT pages, failed_pages FROM job_tasks WHERE job_id = $1 AND kind = 'read' ORDER BY n"
)

_PAGES: Final = """
SELECT page, sha256, size_bytes FROM page_checkpoints
WHERE environment_id = $1 AND document_sha256 = $2 AND reading_key = $3 ORDER BY page
"""


async def claim(db: Database, worker: str, lease: timedelta) -> Claim | None:
    """Take the next due task for this worker, or None when there is none to take.

    The attempt rises here, before any work, so that a document that kills its worker cannot do
    so for ever. The first claim of a job moves it to processing.
    """
    async with db.begin(SYSTEM) as session:
        row = (await session.execute(_NEXT)).one_or_none()
        if row is None:
            return None
        await move_task(
            session,
            row.task_id,
            TaskStatus.RUNNING,
            attempt=row.attempt,
            lease_until=func.now() + lease,
            lease_owner=worker,
            started_at=func.now(),
        )
        if row.job_status == JobStatus.QUEUED:
            moved = await move(session, row.job_id, JobStatus.PROCESSING, started_at=func.now())
            if moved is None:  # canceled between our look and our lock
                await session.rollback()
                return None
    return _claimed(row)


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
) -> bool:
    """Write what opening the document taught; plan the other batches when one is not enough.

    Returns whether batches were planned. Raises Fenced.
    """
    deadline = policy.deadline_base + policy.deadline_page * len(selected)
    batches = [selected[at : at + policy.batch_pages] for at in range(0, len(selected), policy.batch_pages)]
    async with db.begin(SYSTEM) as session:
        await _hold(session, held)
        if len(batches) > 1:
            await _plan(session, held, batches)
        values = {
            "job_id": held.job_id,
            "media_type": media_type,
            "page_count": page_count,
            "selected": len(selected),
            "deadline": deadline,
        }
        if (await session.execute(_OPENED, values)).first() is None:
            raise Fenced
    return len(batches) > 1


async def report(db: Database, held: Claim, news: Report, reading_key: str) -> None:
    """Checkpoint pages and show progress. Raises Fenced."""
    async with db.begin(SYSTEM) as session:
        await _report(session, held, news, reading_key)


async def finish_reading(
    db: Database, held: Claim, news: Report, reading_key: str, *, allow_partial: bool
) -> None:
    """End a task of reading; the last of a job queues its finish, or fails it for lost pages."""
    async with db.begin(SYSTEM) as session:
        await _report(session, held, news, reading_key)
        if not await move_task(session, held.task_id, TaskStatus.DONE, attempt=held.attempt):
            raise Fenced
        # The report has locked the job's row: of two last batches one comes second
        # here and sees the other one done.
        reading = (await session.execute(_READING, {"job_id": held.job_id})).one()
        if reading.unfinished == 0 and reading.finishing == 0:
            await _queue_finish(session, held, reading.last + 1, allow_partial=allow_partial)


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
) -> None:
    """Commit the result, which lies in the blob store already: once, or not at all. Raises Fenced."""
    ttl = policy.result_ttl if held.store else policy.unstored_ttl
    async with db.begin(SYSTEM) as session:
        await _report(session, held, news, reading_key)
        if not await move_task(session, held.task_id, TaskStatus.DONE, attempt=held.attempt):
            raise Fenced
        await references.add(session, held.environment_id, held.job_id, [result_sha256])
        await session.execute(
            insert(UsageRecord).values(
                job_id=held.job_id,
                environment_id=held.environment_id,
                operation=held.operation,
                pages=pages,
                size_bytes=held.document.size_bytes if held.document else 0,
            )
        )
        moved = await end(
            session,
            held.job_id,
            JobStatus.COMPLETED,
            percent=100,
            result_sha256=result_sha256,
            result_size_bytes=result_size_bytes,
            result_expires_at=func.now() + ttl,
        )
        if moved is None:
            raise Fenced


async def fail(db: Database, held: Claim, error: JobError, policy: ExecutionPolicy, *, tries: int) -> bool:
    """Spend one of the task's `tries`; queue it again, or fail it and its job. Tell if it is over.

    Raises Fenced.
    """
    spent = held.failures + 1
    retry = error.retryable and spent < min(tries, policy.max_failures)
    async with db.begin(SYSTEM) as session:
        if retry:
            columns = {"run_after": func.now() + backoff(FAILURE_BACKOFF, spent)}
            to = TaskStatus.QUEUED
        else:
            columns, to = {}, TaskStatus.FAILED
        moved = await move_task(
            session, held.task_id, to, attempt=held.attempt, failures=spent, error=error.to_json(), **columns
        )
        if not moved:
            raise Fenced
        if not retry:
            await end(
                session, held.job_id, JobStatus.FAILED, error=error.to_json(), detail={"code": error.code}
            )
    return not retry


async def release(db: Database, held: Claim) -> None:
    """Give a task back without spending any budget: this worker is going away."""
    async with db.begin(SYSTEM) as session:
        await move_task(session, held.task_id, TaskStatus.QUEUED, attempt=held.attempt, run_after=func.now())


async def abandon(db: Database, held: Claim) -> None:
    """Cancel a task whose job has ended while it ran."""
    async with db.begin(SYSTEM) as session:
        await move_task(session, held.task_id, TaskStatus.CANCELED, attempt=held.attempt)


async def document_arrived(db: Database, held: Claim, document: SourceDocument) -> None:
    """Write the document that a URL gave, and queue the reading of it. Raises Fenced."""
    async with db.begin(SYSTEM) as session:
        if not await move_task(session, held.task_id, TaskStatus.DONE, attempt=held.attempt):
            raise Fenced
        await session.execute(_ADD_DOCUMENT, _document_values(held, document))
        await references.add(session, held.environment_id, document.id, [document.sha256])
        statement = (
            update(Job)
            .where(Job.id == held.job_id, Job.status == JobStatus.PROCESSING)
            .values(
                document_id=document.id, percent=READ_FROM, stage="open", message=None, updated_at=func.now()
            )
            .returning(Job.id)
        )
        if (await session.execute(statement)).first() is None:
            raise Fenced
        await _add_task(session, held, held.n + 1, TaskKind.READ)


async def is_done(db: Database, held: Claim) -> bool:
    """Tell whether this very attempt was committed: settles a commit whose answer was lost."""
    row = await db.fetch_row(_OUTCOME, held.task_id, held.attempt)
    return row is not None and row["status"] == TaskStatus.DONE


async def checkpoints(db: Database, held: Claim, reading_key: str) -> dict[int, tuple[str, int]]:
    """Return the pages of the document that were read with this key: number to (SHA-256, bytes)."""
    if held.document is None:
        return {}
    rows = await db.fetch(_PAGES, held.environment_id, held.document.sha256, reading_key)
    return {row["page"]: (row["sha256"], row["size_bytes"]) for row in rows}


async def batches(db: Database, held: Claim) -> tuple[list[int], list[dict[str, Any]]]:
    """Return all pages that the job's tasks were to read, and those that failed with why."""
    rows = await db.fetch(_TASK_PAGES, held.job_id)
    pages = sorted(page for row in rows for page in row["pages"] or ())
    failed = [page for row in rows for page in row["failed_pages"]]
    return pages, failed


def _claimed(row: Any) -> Claim:
    document = None
    if row.document_id is not None:
        document = SourceDocument(
            row.document_id, row.sha256, row.size_bytes, row.filename, row.document_media_type
        )
    return Claim(
        task_id=row.task_id,
        job_id=row.job_id,
        environment_id=row.environment_id,
        kind=TaskKind(row.kind),
        n=row.n,
        attempt=row.attempt + 1,
        failures=row.failures,
        crashes=row.crashes,
        pages=None if row.pages is None else tuple(row.pages),
        operation=row.operation,
        spec=row.spec,
        source=row.source,
        store=row.store,
        priority=row.priority,
        document=document,
        sealed_password=row.sealed_password,
        media_type=row.media_type,
        page_count=row.page_count,
    )


async def _hold(session: AsyncSession, held: Claim) -> None:
    found = await session.execute(_HOLD, {"task_id": held.task_id, "attempt": held.attempt})
    if found.first() is None:
        raise Fenced


async def _plan(session: AsyncSession, held: Claim, batches: list[list[int]]) -> None:
    statement = update(Task).where(Task.id == held.task_id).values(pages=batches[0])
    await session.execute(statement)
    for n, pages in enumerate(batches[1:], start=held.n + 1):
        await _add_task(session, held, n, TaskKind.READ, pages)


async def _add_task(
    session: AsyncSession, held: Claim, n: int, kind: TaskKind, pages: list[int] | None = None
) -> None:
    # A second attempt plans the same tasks again; those that are there stay as they are.
    statement = insert(Task).on_conflict_do_nothing(index_elements=["job_id", "n"])
    values = {
        "id": new_id("task"),
        "job_id": held.job_id,
        "environment_id": held.environment_id,
        "n": n,
        "kind": kind,
        "status": TaskStatus.QUEUED,
        "priority": held.priority,
        "pages": pages,
    }
    await session.execute(statement.values(values))


async def _report(session: AsyncSession, held: Claim, news: Report, reading_key: str) -> None:
    values = {"done": news.pages_done, "read": len(news.read), "failed": list(news.failed)}
    fence = {"task_id": held.task_id, "attempt": held.attempt}
    if (await session.execute(_REPORT, values | fence)).first() is None:
        raise Fenced
    await _checkpoint(session, held, news, reading_key)
    # The sum over the tasks must be of a snapshot that begins after the lock: an UPDATE that has
    # waited for its row would still add up what was there before it waited.
    if (await session.execute(_LOCK_JOB, {"job_id": held.job_id})).first() is None:
        raise Fenced
    shown = {"job_id": held.job_id, "stage": news.stage, "message": news.message}
    await session.execute(_PROGRESS, shown)


async def _checkpoint(session: AsyncSession, held: Claim, news: Report, reading_key: str) -> None:
    if held.document is None or not news.read:
        return
    rows = [
        {
            "environment_id": held.environment_id,
            "document_sha256": held.document.sha256,
            "reading_key": reading_key,
            "page": page.number,
            "sha256": page.sha256,
            "size_bytes": page.size_bytes,
            "source": page.source,
            "image_sha256": page.image_sha256,
            "image_size_bytes": page.image_size_bytes,
            "image_width": page.image_width,
            "image_height": page.image_height,
        }
        for page in news.read
    ]
    await session.execute(insert(PageCheckpoint).on_conflict_do_nothing(), rows)
    owner = references.pages_owner(held.document.sha256, reading_key)
    digests = [page.sha256 for page in news.read]
    digests += [page.image_sha256 for page in news.read if page.image_sha256 is not None]
    await references.add(session, held.environment_id, owner, digests)


async def _queue_finish(session: AsyncSession, held: Claim, n: int, *, allow_partial: bool) -> None:
    rows = (await session.execute(_FAILED_PAGES, {"job_id": held.job_id})).scalars().all()
    failed = [page["page"] for pages in rows for page in pages]
    if not failed or allow_partial:
        await _add_task(session, held, n, TaskKind.FINISH)
        return
    error = pages_failed(failed)
    await end(session, held.job_id, JobStatus.FAILED, error=error.to_json(), detail={"code": error.code})


def pages_failed(pages: list[int]) -> JobError:
    """Return the error of a job that lost pages and was not told to go on without them."""
    shown = ", ".join(str(page) for page in pages[:20])
    more = f" and {len(pages) - 20} more" if len(pages) > 20 else ""
    return JobError(
        code="PAGES_FAILED",
        message=f"Pages {shown}{more} could not be read. Submit the job again to read only those anew, "
        "or set options.allow_partial to take the others.",
        category="engine",
        phase="read",
        page=pages[0],
        retryable=True,
    )


_ADD_DOCUMENT: Final = text("""
INSERT INTO documents (id, environment_id, filename, media_type, size_bytes, sha256, inline)
VALUES (:id, :environment_id, :filename, :media_type, :size_bytes, :sha256, true)
""")


def _document_values(held: Claim, document: SourceDocument) -> dict[str, object]:
    return {
        "id": document.id,
        "environment_id": held.environment_id,
        "filename": document.filename,
        "media_type": document.media_type,
        "size_bytes": document.size_bytes,
        "sha256": document.sha256,
    }
