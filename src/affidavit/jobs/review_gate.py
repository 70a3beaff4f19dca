"""Hold a result back for a person to look at it, and forget what a review says when its job is erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.jobs.claim import Claim, StoredBlob
from affidavit.jobs.review_models import Review
from affidavit.jobs.status import JobStatus
from affidavit.jobs.transitions import move

PENDING: Final = "pending"


async def open_review(
    session: AsyncSession,
    held: Claim,
    flagged: Sequence[str],
    reading_key: str,
    machine: StoredBlob,
    columns: Mapping[str, Any],
) -> Row[Any] | None:
    """Move a job whose result lies in the store to `review_required`; None when another was first."""
    threshold = int(held.spec["review"]["threshold"])
    row = {
        "job_id": held.job_id,
        "environment_id": held.environment_id,
        "threshold": threshold,
        "flagged": list(flagged),
        "machine_sha256": machine.sha256,
        "machine_size_bytes": machine.size_bytes,
        "reading_key": reading_key,
    }
    moved = await move(
        session,
        held.job_id,
        JobStatus.REVIEW_REQUIRED,
        detail={"flagged": len(flagged)},
        stage="review",
        message=None,
        review=summary(threshold, len(flagged), PENDING, 1),
        **columns,
    )
    if moved is not None:
        await session.execute(insert(Review).values(row))
    return moved


def summary(threshold: int, flagged: int, status: str, version: int, **more: Any) -> dict[str, Any]:
    """Return what a job shows of its review."""
    return {"status": status, "threshold": threshold, "flagged": flagged, "version": version, **more}


async def forget_reviews(session: AsyncSession, environment_id: str, job_ids: Sequence[str]) -> None:
    """Erase what reviews say of documents: corrections, reasons, names; that they were done stays."""
    mine = {"environment_id": environment_id, "job_ids": list(job_ids)}
    await session.execute(_FORGET_ACTIONS, mine)
    await session.execute(_FORGET_FLAGS, mine)


_FORGET_ACTIONS: Final = text("""
UPDATE review_actions SET corrections = '[]', reason = NULL, reviewer = NULL
WHERE environment_id = :environment_id AND job_id = ANY(CAST(:job_ids AS text[]))
""")
_FORGET_FLAGS: Final = text("""
UPDATE reviews SET flagged = '[]'
WHERE environment_id = :environment_id AND job_id = ANY(CAST(:job_ids AS text[]))
""")
