"""Tell who still needs a document."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.jobs.models import Job
from affidavit.jobs.status import TERMINAL


async def is_document_in_use(session: AsyncSession, environment_id: str, document_id: str) -> bool:
    """Tell whether a job that is not at its end reads this document."""
    needed = exists().where(
        Job.environment_id == environment_id,
        Job.document_id == document_id,
        Job.status.not_in(sorted(TERMINAL)),
    )
    return bool(await session.scalar(select(needed)))
