"""What ends with a job: its hold on the source, and later on its result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.models import Document, PageCheckpoint
from affidavit.infra import metrics
from affidavit.jobs.models import Job, JobArtifact
from affidavit.jobs.review_gate import forget_reviews
from affidavit.jobs.status import JobStatus
from affidavit.jobs.transitions import cancel_children, cancel_queued, move


def private_reading_key(job_id: str, reading_key: str) -> str:
    """Name the pages of a job with store=false, so that no other job can find them."""
    return f"{reading_key}:{job_id}"


async def end(
    session: AsyncSession,
    job_id: str,
    to: JobStatus,
    *,
    detail: Mapping[str, object] | None = None,
    is_parent_locked: bool = False,
    **columns: Any,
) -> Row[Any] | None:
    """Move a job to a terminal state and drop what it must not keep; None when another was first."""
    columns = {"stage": None, "message": None, **columns}
    moved = await move(session, job_id, to, detail=detail, is_parent_locked=is_parent_locked, **columns)
    if moved is not None:
        metrics.JOBS_ENDED.labels(to).inc()
        if to is not JobStatus.COMPLETED:
            await cancel_queued(session, [job_id])
        if not moved.store:
            await _let_go(session, job_id)
    return moved


async def cancel_batch(session: AsyncSession, batch_id: str) -> bool:
    """Cancel a batch and all its jobs that have not ended; False when it has ended itself."""
    if await move(session, batch_id, JobStatus.CANCELED) is None:
        return False
    canceled = await cancel_children(session, batch_id)
    metrics.JOBS_ENDED.labels(JobStatus.CANCELED).inc(len(canceled))
    await cancel_queued(session, canceled)
    unstored = select(Job.id).where(Job.parent_id == batch_id, Job.id.in_(canceled), Job.store.is_(False))
    for job_id in (await session.execute(unstored)).scalars().all():
        await _let_go(session, job_id)
    return True


async def _let_go(session: AsyncSession, job_id: str) -> None:
    """Erase at its end what a job with store=false must not leave behind: source and pages."""
    statement = (
        select(Job.environment_id, Document.id, Document.sha256, Document.inline)
        .outerjoin(Document, Document.id == Job.document_id)
        .where(Job.id == job_id, Job.store.is_(False))
    )
    found = (await session.execute(statement)).one_or_none()
    if found is None or found.id is None:
        return
    await _erase_private_pages(session, job_id, found)
    if found.inline:
        await references.drop(session, found.environment_id, found.id, grace=timedelta(0))
        await _bury(session, found.id)


async def purge_result(
    session: AsyncSession, environment_id: str, job_id: str, *, grace: timedelta = references.GRACE
) -> None:
    """Drop a job's result and files, and its source if that came inline; the result then answers 410."""
    await references.drop(session, environment_id, job_id, grace=grace)
    await forget_reviews(session, environment_id, [job_id])
    await session.execute(delete(JobArtifact).where(JobArtifact.job_id == job_id))
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.purged_at.is_(None))
        .values(purged_at=func.now())
        .returning(Job.document_id)
    )
    document_id = (await session.execute(statement)).scalar_one_or_none()
    if document_id is not None:
        await _release_inline(session, environment_id, document_id, grace)


async def _release_inline(
    session: AsyncSession, environment_id: str, document_id: str, grace: timedelta
) -> None:
    # A retry reads the document of the job before it: whichever is purged last lets it go. Without the lock
    # two that are purged at once would each leave it to the other.
    await session.execute(select(Document.id).where(Document.id == document_id).with_for_update())
    needed = select(Job.id).where(Job.document_id == document_id, Job.purged_at.is_(None)).exists()
    inline = select(Document.id).where(
        Document.id == document_id, Document.inline, Document.deleted_at.is_(None), ~needed
    )
    if (await session.execute(inline)).first() is None:
        return
    await references.drop(session, environment_id, document_id, grace=grace)
    await _bury(session, document_id)


async def _bury(session: AsyncSession, document_id: str) -> None:
    """Mark a document that came inline as gone; its name goes with its bytes."""
    gone = update(Document).where(Document.id == document_id)
    await session.execute(gone.values(deleted_at=func.now(), filename=None))


async def _erase_private_pages(session: AsyncSession, job_id: str, document: Any) -> None:
    private = PageCheckpoint.reading_key.like(f"%:{job_id}")
    mine = (PageCheckpoint.environment_id == document.environment_id) & (
        PageCheckpoint.document_sha256 == document.sha256
    )
    keys = select(PageCheckpoint.reading_key).where(mine, private).distinct()
    for reading_key in (await session.execute(keys)).scalars().all():
        owner = references.pages_owner(document.sha256, reading_key)
        await references.drop(session, document.environment_id, owner, grace=timedelta(0))
    await session.execute(delete(PageCheckpoint).where(mine, private))
