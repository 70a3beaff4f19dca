"""Keep what was sealed for as long as somebody must, and delete it when somebody may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.envelope import Signers
from affidavit.errors import BundleDeleted, Conflict, NotFound
from affidavit.evidence.events import BundleEventType, note
from affidavit.infra.db import Database, scoped
from affidavit.jobs import burial, deletion
from affidavit.jobs.status import TERMINAL, JobStatus
from affidavit.jobs.usage import on_hold

_TOMBSTONE: Final = scoped(
    "SELECT b.tombstone FROM bundles b WHERE b.environment_id = scope.id AND b.id = $2"
)

# Locks go job first, then its bundles in the order of their ids, so that no two of us wait for each other.
_JOB: Final = text("""
SELECT j.id, j.status, j.legal_hold FROM jobs j
JOIN bundles b ON b.job_id = j.id AND b.environment_id = j.environment_id
WHERE b.environment_id = :environment_id AND b.id = :bundle_id FOR NO KEY UPDATE OF j
""")

_BUNDLE: Final = text("""
SELECT id, job_id, legal_hold, deleted_at, deleted_by, tombstone FROM bundles
WHERE environment_id = :environment_id AND id = :bundle_id FOR NO KEY UPDATE
""")

_FAMILY: Final = text("""
SELECT b.id, b.legal_hold, h.detail ->> 'reason' AS reason
FROM bundles b LEFT JOIN LATERAL (
    SELECT detail FROM bundle_events e WHERE e.bundle_id = b.id AND e.type = 'held' ORDER BY seq DESC LIMIT 1
) h ON true
WHERE b.environment_id = :environment_id AND b.job_id = :job_id AND b.deleted_at IS NULL
ORDER BY b.id FOR NO KEY UPDATE OF b
""")

_SET_JOB: Final = text("""
UPDATE jobs SET legal_hold = :held WHERE environment_id = :environment_id AND id = :job_id
""")

_SET_BUNDLES: Final = text("""
UPDATE bundles SET legal_hold = :held
WHERE environment_id = :environment_id AND id = ANY(CAST(:bundle_ids AS text[]))
""")

_NOW: Final = text("SELECT now()")


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether a job with all its bundles is under legal hold, why, and since whose call."""

    bundle_id: str
    job_id: str
    is_held: bool
    reason: str | None
    changed_at: datetime
    key_id: str
    bundles: Sequence[str]


class Keeping:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(self, db: Database, keys: Signers) -> None:
        self._db = db
        self._keys = keys

    async def delete_job(self, environment_id: str, job_id: str, by: str) -> None:
        """Erase what an ended job holds, with its bundles; of a batch, all its items.

        `by` is the key that asks. Raises NotFound; Conflict JOB_NOT_FINISHED, LEGAL_HOLD.
        """
        await deletion.delete_content(self._db, environment_id, job_id, by, self._keys.current())

    async def delete_bundle(self, environment_id: str, bundle_id: str, by: str) -> bytes:
        """Delete a bundle and return its tombstone, a DSSE envelope; what it said before if it is deleted.

        The result of its job stays. Raises NotFound; Conflict JOB_NOT_FINISHED, LEGAL_HOLD.
        """
        signer = self._keys.current()
        async with self._db.begin(environment_id) as session:
            job, bundle = await _lock(session, environment_id, bundle_id)
            if bundle.deleted_at is None:
                _refuse_kept(job, bundle)
                await burial.bury(session, environment_id, [bundle_id], signer, by=by)
        return await self.tombstone(environment_id, bundle_id)

    async def tombstone(self, environment_id: str, bundle_id: str) -> bytes:
        """Return what a deleted bundle left. Raises NotFound; Conflict BUNDLE_NOT_DELETED."""
        row = await self._db.fetch_row_in(environment_id, _TOMBSTONE, bundle_id)
        if row is None:
            raise NotFound("bundle")
        if row["tombstone"] is None:
            raise Conflict("This bundle is there, so it has no tombstone.", code="BUNDLE_NOT_DELETED")
        return bytes(row["tombstone"])

    async def hold(self, environment_id: str, bundle_id: str, reason: str, by: str) -> Hold:
        """Keep a bundle from deletion and expiry, with its job and all bundles of that.

        Doing so again changes the reason. Raises NotFound; Gone BUNDLE_DELETED.
        """
        return await self._change(environment_id, bundle_id, by, reason)

    async def release(self, environment_id: str, bundle_id: str, by: str) -> Hold:
        """Lift the hold of a job and all its bundles. Raises NotFound; Gone BUNDLE_DELETED."""
        return await self._change(environment_id, bundle_id, by, None)

    async def _change(self, environment_id: str, bundle_id: str, by: str, reason: str | None) -> Hold:
        is_held = reason is not None
        async with self._db.begin(environment_id) as session:
            job, bundle = await _lock(session, environment_id, bundle_id)
            if bundle.deleted_at is not None:
                raise BundleDeleted(bundle.id, bundle.deleted_at, bundle.deleted_by)
            ours = {"environment_id": environment_id, "job_id": bundle.job_id, "held": is_held}
            if job is not None and job.legal_hold is not is_held:
                await session.execute(_SET_JOB, ours)
            family = (await session.execute(_FAMILY, ours)).all()
            changed = [row.id for row in family if _is_news(row, reason)]
            await session.execute(_SET_BUNDLES, {**ours, "bundle_ids": changed})
            for each in changed:
                await _note(session, each, by, reason)
            now = await session.scalar(_NOW)
        assert isinstance(now, datetime)
        return Hold(bundle_id, bundle.job_id, is_held, reason, now, by, [row.id for row in family])


def _refuse_kept(job: Row[Any] | None, bundle: Row[Any]) -> None:
    """Raise Conflict when a bundle may not be deleted now."""
    if job is not None and JobStatus(job.status) not in TERMINAL:
        raise Conflict(
            "The job of this bundle has not ended. Decide its review or cancel it first.",
            code="JOB_NOT_FINISHED",
        )
    if bundle.legal_hold or (job is not None and job.legal_hold):
        raise on_hold("This bundle")


def _is_news(row: Row[Any], reason: str | None) -> bool:
    if reason is None:
        return bool(row.legal_hold)
    return not row.legal_hold or row.reason != reason


async def _note(session: AsyncSession, bundle_id: str, by: str, reason: str | None) -> None:
    if reason is None:
        await note(session, bundle_id, BundleEventType.RELEASED, key_id=by)
    else:
        await note(session, bundle_id, BundleEventType.HELD, key_id=by, detail={"reason": reason})


async def _lock(
    session: AsyncSession, environment_id: str, bundle_id: str
) -> tuple[Row[Any] | None, Row[Any]]:
    """Return the bundle and its job, both locked; no job when its row is gone. Raises NotFound."""
    ours = {"environment_id": environment_id, "bundle_id": bundle_id}
    job = (await session.execute(_JOB, ours)).one_or_none()
    bundle = (await session.execute(_BUNDLE, ours)).one_or_none()
    if bundle is None:
        raise NotFound("bundle")
    return job, bundle
