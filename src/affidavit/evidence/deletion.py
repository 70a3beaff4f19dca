"""Delete bundles: their bytes and the words of callers go, a signed tombstone says that they were there.

What stays are ids, times, sizes, the digest of the manifest, places in the log, and which kinds of things
happened when. Names of files go, since they are the caller's words, and so do digests of single artifacts,
from which a short text could be guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.envelope import TOMBSTONE, Signer, seal_envelope, statement
from affidavit.evidence.events import BundleEventType, note
from affidavit.evidence.manifest import moment

_LOCK: Final = text("""
SELECT id, job_id, operation, parent_id, relation, sealed_at, manifest_sha256, artifact_count, size_bytes,
    now() AS now
FROM bundles
WHERE environment_id = :environment_id AND id = ANY(CAST(:bundle_ids AS text[])) AND deleted_at IS NULL
ORDER BY id FOR NO KEY UPDATE
""")

_OF_JOBS: Final = text("""
SELECT id FROM bundles
WHERE environment_id = :environment_id AND job_id = ANY(CAST(:job_ids AS text[])) AND deleted_at IS NULL
ORDER BY id FOR NO KEY UPDATE
""")

_BURY: Final = text("""
UPDATE bundles SET deleted_at = now(), deleted_by = :by, manifest = NULL, envelope = NULL,
    tombstone = :tombstone, tombstone_sha256 = :tombstone_sha256,
    timestamp_token = NULL, timestamp_due_at = NULL, timestamp_error = NULL
WHERE id = :bundle_id
""")

_OURS: Final = "environment_id = :environment_id AND bundle_id = ANY(CAST(:bundle_ids AS text[]))"
_FORGET: Final = (
    text(f"DELETE FROM bundle_artifacts WHERE {_OURS}"),  # noqa: S608 - constants of ours
    text(f"""
UPDATE bundle_events SET detail = '{{}}', agent_id = NULL
WHERE {_OURS} AND (detail <> '{{}}' OR agent_id IS NOT NULL)
"""),  # noqa: S608
    # A receipt that names an agent has that name signed: it goes as a whole. The others say nothing but ids.
    text(f"UPDATE receipts SET envelope = NULL, agent_id = NULL WHERE {_OURS} AND agent_id IS NOT NULL"),  # noqa: S608
)

REASONS: Final = {BundleEventType.DELETED: "requested", BundleEventType.EXPIRED: "expired"}


@dataclass(frozen=True, slots=True)
class Buried:
    """A bundle that was deleted just now; `size_bytes` of all artifacts, as they stood in it."""

    id: str
    job_id: str
    manifest_sha256: str
    size_bytes: int


async def bundles_of(session: AsyncSession, environment_id: str, job_ids: Sequence[str]) -> list[str]:
    """Return the bundles of these jobs that are not deleted, locked."""
    ours = {"environment_id": environment_id, "job_ids": list(job_ids)}
    return list((await session.execute(_OF_JOBS, ours)).scalars().all())


async def bury(
    session: AsyncSession, environment_id: str, bundle_ids: Sequence[str], signer: Signer, *, by: str | None
) -> list[Buried]:
    """Delete bundles and leave tombstones; those that are deleted already stay as they are.

    `by` is the key that asked, None when their time was over. Whoever calls gives up their blobs.
    """
    ours = {"environment_id": environment_id, "bundle_ids": list(bundle_ids)}
    held = (await session.execute(_LOCK, ours)).all()
    for row in held:
        type_ = BundleEventType.EXPIRED if by is None else BundleEventType.DELETED
        await note(session, row.id, type_, key_id=by)
        await session.execute(_BURY, {"bundle_id": row.id, "by": by, **_signed(row, signer, type_, by)})
    emptied = {**ours, "bundle_ids": [row.id for row in held]}
    for statement_ in _FORGET if held else ():
        await session.execute(statement_, emptied)
    return [Buried(row.id, row.job_id, row.manifest_sha256, row.size_bytes) for row in held]


def _signed(row: Row[Any], signer: Signer, type_: BundleEventType, by: str | None) -> dict[str, Any]:
    tombstone = seal_envelope(
        statement(TOMBSTONE, row.manifest_sha256, _predicate(row, REASONS[type_], by)), signer
    )
    return {"tombstone": tombstone, "tombstone_sha256": hashlib.sha256(tombstone).hexdigest()}


def _predicate(row: Row[Any], reason: str, by: str | None) -> dict[str, Any]:
    parent = None if row.parent_id is None else {"bundle_id": row.parent_id, "relation": row.relation}
    return {
        "bundle_id": row.id,
        "job_id": row.job_id,
        "operation": row.operation,
        "parent": parent,
        "sealed_at": moment(row.sealed_at),
        "deleted_at": moment(row.now),
        "reason": reason,
        "deleted_by": by,
        "artifacts": {"count": row.artifact_count, "size_bytes": row.size_bytes},
    }
