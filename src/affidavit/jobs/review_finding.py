"""Find reviews, what was done about them, and the pages that they are about."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents.models import Document, PageCheckpoint
from affidavit.errors import Conflict, NotFound
from affidavit.jobs.models import Job
from affidavit.jobs.review_models import Review, ReviewAction


async def find_review(
    session: AsyncSession, environment_id: str, job_id: str, *, lock: bool = False
) -> tuple[Job, Review]:
    """Return a job with its review. Raises NotFound; Conflict REVIEW_NOT_PENDING when it never had one."""
    mine = Job.environment_id == environment_id
    wanted = (
        select(Job, Review).join(Review, Review.job_id == Job.id, isouter=True).where(Job.id == job_id, mine)
    )
    if lock:
        wanted = wanted.with_for_update(of=Job)
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("job")
    if row.Review is None:
        raise not_pending()
    return row.Job, row.Review


async def find_actions(session: AsyncSession, environment_id: str, job_id: str) -> list[ReviewAction]:
    """Return what was done, oldest first."""
    mine = ReviewAction.environment_id == environment_id
    wanted = select(ReviewAction).where(mine, ReviewAction.job_id == job_id).order_by(ReviewAction.version)
    return list((await session.scalars(wanted)).all())


async def find_pages(session: AsyncSession, job: Job, review: Review) -> dict[int, str]:
    """Return the pages that the result was made from, by number; those that are gone are left out."""
    wanted = (
        select(PageCheckpoint.page, PageCheckpoint.sha256)
        .join(Document, Document.sha256 == PageCheckpoint.document_sha256)
        .where(
            Document.id == job.document_id,
            Document.environment_id == job.environment_id,
            PageCheckpoint.environment_id == job.environment_id,
            PageCheckpoint.reading_key == review.reading_key,
        )
    )
    return {row.page: row.sha256 for row in (await session.execute(wanted)).all()}


def not_pending() -> Conflict:
    """Return the refusal of a decision that nobody waits for."""
    return Conflict("This job waits for no review.", code="REVIEW_NOT_PENDING")
