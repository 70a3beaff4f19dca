"""Delete the content of jobs on request, with their bundles: one job, or a batch with all its items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.envelope import Signer
from affidavit.errors import Conflict, NotFound
from affidavit.infra.db import Database
from affidavit.jobs.burial import bury_of_jobs
from affidavit.jobs.erasure import erase
from affidavit.jobs.status import TERMINAL, JobKind, JobStatus
from affidavit.jobs.usage import on_hold

ITEMS_AT_ONCE: Final = 100

_JOB: Final = text("""
SELECT id, kind, status, deleted_at, legal_hold OR EXISTS (
    SELECT FROM jobs c WHERE c.parent_id = j.id AND c.legal_hold) AS is_held
FROM jobs j WHERE environment_id = :environment_id AND id = :job_id FOR NO KEY UPDATE OF j
""")

_ITEMS: Final = text("""
SELECT id FROM jobs
WHERE environment_id = :environment_id AND parent_id = :job_id AND deleted_at IS NULL AND NOT legal_hold
ORDER BY id LIMIT :limit FOR NO KEY UPDATE
""")


async def delete_content(db: Database, environment_id: str, job_id: str, by: str, signer: Signer) -> None:
    """Erase what a job holds and leave a tombstone; of a batch, of each of its items first.

    Each of its bundles leaves one that is signed. What is deleted already stays as it is. Raises NotFound;
    Conflict JOB_NOT_FINISHED, LEGAL_HOLD.
    """
    async with db.begin(environment_id) as session:
        job = await _lock(session, environment_id, job_id)
    while job.kind == JobKind.BATCH and await _delete_items(db, environment_id, job_id, by, signer):
        pass
    async with db.begin(environment_id) as session:
        job = await _lock(session, environment_id, job_id)
        if job.deleted_at is None:
            await _delete(session, environment_id, [job_id], by, signer)


async def _lock(session: AsyncSession, environment_id: str, job_id: str) -> Row[Any]:
    """Return the job, locked, when its content may be deleted or is deleted already."""
    row = (await session.execute(_JOB, {"environment_id": environment_id, "job_id": job_id})).one_or_none()
    if row is None:
        raise NotFound("job")
    if row.deleted_at is not None:
        return row
    if JobStatus(row.status) not in TERMINAL:
        raise Conflict(
            "The job has not ended. Cancel it first, then delete its content.", code="JOB_NOT_FINISHED"
        )
    if row.is_held:
        raise on_hold("This job" if row.kind == JobKind.JOB else "This batch, or a job of it,")
    return row


async def _delete_items(db: Database, environment_id: str, batch_id: str, by: str, signer: Signer) -> bool:
    """Erase some items of a batch that has ended; tell whether there were any."""
    values = {"environment_id": environment_id, "job_id": batch_id, "limit": ITEMS_AT_ONCE}
    async with db.begin(environment_id) as session:
        items = list((await session.execute(_ITEMS, values)).scalars().all())
        if items:
            await _delete(session, environment_id, items, by, signer)
    return bool(items)


async def _delete(
    session: AsyncSession, environment_id: str, job_ids: Sequence[str], by: str, signer: Signer
) -> None:
    buried = await bury_of_jobs(session, environment_id, job_ids, signer, by=by)
    await erase(session, environment_id, job_ids, by=by, buried=buried)
