"""Statements about bundles, in the caller's transaction."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.evidence.events import BundleEventType
from affidavit.evidence.manifest import Artifact
from affidavit.evidence.sealing import SealedBundle
from affidavit.infra.ids import new_id

# One statement, and so one round trip: it is on the way of every job to its end. What is sealed after its job
# was put under hold, by a review, is under hold too.
_ADD: Final = text("""
WITH bundle AS (
    INSERT INTO bundles (id, environment_id, job_id, parent_id, relation, operation, sealed_at, manifest,
        envelope, manifest_sha256, merkle_root, chunk_count, source_sha256, artifact_count, size_bytes,
        signing_key_id, event_seq, legal_hold)
    VALUES (:id, :environment_id, :job_id, :parent_id, :relation, :operation, :sealed_at, :manifest,
        :envelope, :manifest_sha256, :merkle_root, :chunk_count, :source_sha256, :artifact_count, :size_bytes,
        :signing_key_id, 1, coalesce((SELECT legal_hold FROM jobs
            WHERE environment_id = :environment_id AND id = :job_id), false))
), artifact AS (
    INSERT INTO bundle_artifacts (bundle_id, n, environment_id, name, media_type, size_bytes, sha256, crc32,
        blob_sha256, encoding)
    SELECT :id, a.n, :environment_id, a.name, a.media_type, a.size_bytes, a.sha256, a.crc32, a.blob_sha256,
        a.encoding
    FROM jsonb_to_recordset(:artifacts) AS a(n int, name text, media_type text, size_bytes bigint,
        sha256 text, crc32 bigint, blob_sha256 text, encoding text)
)
INSERT INTO bundle_events (bundle_id, seq, environment_id, id, type, key_id)
VALUES (:id, 1, :environment_id, :event_id, :event_type, :key_id)
""").bindparams(bindparam("artifacts", type_=JSONB))


async def add(session: AsyncSession, sealed: SealedBundle, *, key_id: str | None = None) -> None:
    """Write a bundle with its artifacts, and that it was sealed, by an API key or by the service itself.

    The caller references the blobs in the name of the bundle, in the same transaction.
    """
    contents, parent = sealed.contents, sealed.contents.parent
    await session.execute(
        _ADD,
        {
            "id": contents.bundle_id,
            "environment_id": contents.environment_id,
            "job_id": contents.job_id,
            "parent_id": None if parent is None else parent.bundle_id,
            "relation": None if parent is None else parent.relation.value,
            "operation": contents.operation,
            "sealed_at": contents.sealed_at,
            "manifest": sealed.manifest,
            "envelope": sealed.envelope,
            "manifest_sha256": sealed.manifest_sha256,
            "merkle_root": contents.chunks.root,
            "chunk_count": contents.chunks.count,
            "source_sha256": None if contents.source is None else contents.source.sha256,
            "artifact_count": len(contents.artifacts),
            "size_bytes": contents.size_bytes,
            "signing_key_id": sealed.signing_key_id,
            "artifacts": [_row(n, artifact) for n, artifact in enumerate(contents.artifacts, start=1)],
            "event_id": new_id("prov"),
            "event_type": BundleEventType.SEALED.value,
            "key_id": key_id,
        },
    )


def _row(n: int, artifact: Artifact) -> dict[str, Any]:
    return {
        "n": n,
        "name": artifact.name,
        "media_type": artifact.media_type,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "crc32": artifact.crc32,
        "blob_sha256": artifact.blob_sha256,
        "encoding": artifact.encoding.value,
    }
