"""Delete bundles with their hold on blobs: on request, with their job, or when their time is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.envelope import Signer
from affidavit.documents import references
from affidavit.documents.repository import NO_GRACE
from affidavit.evidence import deletion
from affidavit.evidence.deletion import Buried
from affidavit.infra.db import SYSTEM, Database

log = structlog.get_logger()

AT_ONCE: Final = 20

# A review seals what follows on the bundle of its job, and only until the job ends: till then it stays.
_EXPIRED: Final = text("""
SELECT b.id, b.environment_id, b.job_id FROM bundles b
WHERE b.sealed_at < now() - CAST(:ttl AS interval) AND b.deleted_at IS NULL AND NOT b.legal_hold
  AND NOT EXISTS (
    SELECT FROM jobs j WHERE j.id = b.job_id
      AND (j.legal_hold OR j.status IN ('queued', 'processing', 'review_required')))
ORDER BY b.sealed_at LIMIT :limit FOR NO KEY UPDATE OF b SKIP LOCKED
""")


async def bury(
    session: AsyncSession, environment_id: str, bundle_ids: Sequence[str], signer: Signer, *, by: str | None
) -> list[Buried]:
    """Delete bundles and give up their blobs, those of an expired one after a grace.

    `by` is the key that asked, None when their time was over. Their job's row, if there is one, is locked.
    """
    buried = await deletion.bury(session, environment_id, bundle_ids, signer, by=by)
    grace = references.GRACE if by is None else NO_GRACE
    await references.drop_all(session, environment_id, [each.id for each in buried], grace=grace)
    return buried


async def bury_of_jobs(
    session: AsyncSession, environment_id: str, job_ids: Sequence[str], signer: Signer, *, by: str
) -> list[Buried]:
    """Do so with all bundles of these jobs, those of their reviews included."""
    found = await deletion.bundles_of(session, environment_id, job_ids)
    return await bury(session, environment_id, found, signer, by=by)


async def expire(db: Database, ttl: timedelta, signer: Signer) -> int:
    """Delete all bundles that were sealed longer ago than this and are not on hold; return how many.

    Any number of workers may do so at once.
    """
    count = 0
    while buried := await _expire_some(db, ttl, signer):
        count += buried
    return count


async def _expire_some(db: Database, ttl: timedelta, signer: Signer) -> int:
    async with db.begin(SYSTEM) as session:
        rows = (await session.execute(_EXPIRED, {"ttl": ttl, "limit": AT_ONCE})).all()
        for environment_id in sorted({row.environment_id for row in rows}):
            theirs = [row.id for row in rows if row.environment_id == environment_id]
            await bury(session, environment_id, theirs, signer, by=None)
    for row in rows:
        log.info("bundle.expired", environment_id=row.environment_id, bundle_id=row.id, job_id=row.job_id)
    return len(rows)
