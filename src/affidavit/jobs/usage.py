"""Tell who still needs a document."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.errors import Conflict
from affidavit.jobs.models import Job
from affidavit.jobs.status import TERMINAL


async def why_document_stays(session: AsyncSession, environment_id: str, document_id: str) -> Conflict | None:
    """Return why this document may not be deleted: a job reads it, or one that is on hold has read it."""
    found = select(
        func.bool_or(Job.status.not_in(sorted(TERMINAL))).label("in_use"),
        func.bool_or(Job.legal_hold).label("on_hold"),
    ).where(Job.environment_id == environment_id, Job.document_id == document_id)
    row = (await session.execute(found)).one()
    if row.on_hold:
        return on_hold("A job that used this file")
    if row.in_use:
        return Conflict(
            "An unfinished job uses this file. Cancel the job or wait for its end.", code="FILE_IN_USE"
        )
    return None


def on_hold(what: str) -> Conflict:
    """Return the refusal to erase what is under legal hold."""
    return Conflict(
        f"{what} is under legal hold. Nothing of it can be erased before that is lifted.", code="LEGAL_HOLD"
    )
