"""Erase what ended jobs hold: result, files, source, pages, and every text of the caller's in their rows.

What stays is the row as a tombstone, its events, and the record of its usage: none of them says anything
of the document. Blobs that another job of the environment needs stay too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.repository import NO_GRACE, drop_pages
from affidavit.documents.tombstone import Kind, Purged, tally
from affidavit.evidence.deletion import Buried
from affidavit.jobs.review_gate import forget_reviews
from affidavit.webhooks import erasure as webhooks

_Found = dict[str, list[Purged]]  # by the job in whose name it was purged

ERASED: Final = "The text of this error was erased with the content of its job."

# A job needs its document and pages until they are purged; it keeps neither for another that is erased.
_HELD: Final = text("""
SELECT j.id AS job_id, j.result_sha256, j.result_size_bytes, j.purged_at IS NULL AS has_result,
    v.machine_sha256, v.machine_size_bytes,
    d.id AS document_id, d.sha256, d.size_bytes,
    d.inline AND d.deleted_at IS NULL AND NOT EXISTS (
        SELECT FROM jobs o
        WHERE o.environment_id = :environment_id AND o.document_id = d.id
          AND o.purged_at IS NULL AND o.id <> ALL(CAST(:job_ids AS text[]))) AS has_source,
    j.store AND NOT EXISTS (
        SELECT FROM documents e JOIN jobs o ON o.document_id = e.id
        WHERE e.environment_id = :environment_id AND e.sha256 = d.sha256
          AND o.purged_at IS NULL AND o.id <> ALL(CAST(:job_ids AS text[]))) AS has_pages
FROM jobs j LEFT JOIN documents d ON d.id = j.document_id AND d.environment_id = j.environment_id
    LEFT JOIN reviews v ON v.job_id = j.id AND v.environment_id = j.environment_id
WHERE j.environment_id = :environment_id AND j.id = ANY(CAST(:job_ids AS text[]))
ORDER BY j.id
""")

_BURY_SOURCES: Final = text("""
UPDATE documents d SET deleted_at = now(), deleted_by = :by, filename = NULL,
    purged = jsonb_build_array(jsonb_build_object('kind', 'source', 'count', 1,
        'size_bytes', d.size_bytes, 'sha256', jsonb_build_array(d.sha256)))
WHERE environment_id = :environment_id AND id = ANY(CAST(:document_ids AS text[]))
""")

# An inline source that expired before has lost its bytes, and still had its name.
_FORGET_NAMES: Final = text("""
UPDATE documents SET filename = NULL
WHERE environment_id = :environment_id AND id = ANY(CAST(:document_ids AS text[]))
  AND inline AND deleted_at IS NOT NULL AND filename IS NOT NULL
""")

_BURY_JOBS: Final = text("""
UPDATE jobs j SET
    deleted_at = now(), deleted_by = :by, purged = CAST(:purged AS jsonb) -> j.id,
    purged_at = coalesce(purged_at, now()), updated_at = now(),
    metadata = '{}', spec = '{}', dialect_context = '{}', sealed_password = NULL, review = NULL,
    webhook_url = NULL, sealed_webhook_secret = NULL, stage = NULL, message = NULL,
    source = CASE WHEN source ? 'type' THEN jsonb_build_object('type', source -> 'type') ELSE '{}' END,
    error = jsonb_set(error, '{message}', to_jsonb(CAST(:erased AS text)))
WHERE environment_id = :environment_id AND id = ANY(CAST(:job_ids AS text[]))
""").bindparams(bindparam("purged", type_=JSONB))

_DROP_ARTIFACTS: Final = text("""
DELETE FROM job_artifacts
WHERE environment_id = :environment_id AND job_id = ANY(CAST(:job_ids AS text[]))
RETURNING job_id, sha256, size_bytes
""")

_FORGET_TASKS: Final = text("""
UPDATE job_tasks SET failed_pages = '[]', error = NULL
WHERE environment_id = :environment_id AND job_id = ANY(CAST(:job_ids AS text[]))
  AND (failed_pages <> '[]' OR error IS NOT NULL)
""")


async def erase(
    session: AsyncSession,
    environment_id: str,
    job_ids: Sequence[str],
    *,
    by: str | None,
    buried: Sequence[Buried] = (),
) -> None:
    """Erase the content of jobs that have ended, whose rows the caller has locked, and leave tombstones.

    `by` is the key that asked, None when their time was over. `buried` are bundles of theirs that the caller
    has deleted just now.
    """
    ours = {"environment_id": environment_id, "job_ids": list(job_ids)}
    held = (await session.execute(_HELD, ours)).all()
    purged = {row.job_id: _result(row) for row in held}
    for row in (await session.execute(_DROP_ARTIFACTS, ours)).all():
        purged[row.job_id].append(Purged(Kind.ARTIFACT, row.sha256, row.size_bytes))
    for bundle in buried:
        purged[bundle.job_id].append(Purged(Kind.BUNDLE, bundle.manifest_sha256, bundle.size_bytes))
    await _drop_sources(session, environment_id, held, purged, by)
    await _drop_pages(session, environment_id, held, purged)
    await references.drop_all(session, environment_id, job_ids, grace=NO_GRACE)
    tombstones = {job_id: tally(blobs) for job_id, blobs in purged.items()}
    await session.execute(_BURY_JOBS, {**ours, "by": by, "purged": tombstones, "erased": ERASED})
    await session.execute(_FORGET_TASKS, ours)
    await forget_reviews(session, environment_id, job_ids)
    await webhooks.erase(session, environment_id, job_ids)


async def _drop_sources(
    session: AsyncSession, environment_id: str, held: Sequence[Row[Any]], purged: _Found, by: str | None
) -> None:
    """Give up the documents that came with these jobs and that nobody else needs."""
    sources = {row.document_id: row for row in held if row.has_source}
    for row in sources.values():
        purged[row.job_id].append(Purged(Kind.SOURCE, row.sha256, row.size_bytes))
    buried = {"environment_id": environment_id, "document_ids": sorted(sources), "by": by}
    await session.execute(_BURY_SOURCES, buried)
    used = sorted({row.document_id for row in held if row.document_id is not None})
    await session.execute(_FORGET_NAMES, {"environment_id": environment_id, "document_ids": used})
    await references.drop_all(session, environment_id, sorted(sources), grace=NO_GRACE)


async def _drop_pages(
    session: AsyncSession, environment_id: str, held: Sequence[Row[Any]], purged: _Found
) -> None:
    """Give up the pages that were read for these jobs alone, each in the name of one of them."""
    owners = {row.sha256: row.job_id for row in reversed(held) if row.has_pages and row.sha256 is not None}
    for sha256, page in await drop_pages(session, environment_id, owners):
        purged[owners[sha256]].append(page)


def _result(row: Row[Any]) -> list[Purged]:
    if not row.has_result:
        return []
    held = {row.machine_sha256: row.machine_size_bytes, row.result_sha256: row.result_size_bytes}
    return [Purged(Kind.RESULT, sha256, size) for sha256, size in held.items() if sha256 is not None]
