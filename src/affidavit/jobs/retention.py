"""What is kept for how long: results, sources, pages, files, keys and rows, and then the blobs of all these.

Any number of workers may do this at once: each takes rows with SKIP LOCKED, a few in a transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.models import Document
from affidavit.documents.repository import bury
from affidavit.infra import metrics
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import SYSTEM, Database
from affidavit.jobs import ending
from affidavit.jobs.erasure import erase

log = structlog.get_logger()

BATCH: Final = 100
# Longer than anyone takes between putting a blob and committing its reference: a commit that finds the
# database away or a row locked is tried 60 times, for up to 3 s each.
YOUNG: Final = timedelta(minutes=5)
# A collector that dies in the middle leaves its blobs to the next one after this.
COLLECTING: Final = timedelta(minutes=10)
# What a job with store=false keeps of its request, so that its caller can see how it ended.
UNSTORED: Final = timedelta(hours=1)

_EXPIRED: Final = text("""
SELECT id, environment_id, store FROM jobs
WHERE result_expires_at < now() AND purged_at IS NULL AND NOT legal_hold
LIMIT 1 FOR UPDATE SKIP LOCKED
""")

_ENDED: Final = text("""
SELECT id, environment_id, store FROM jobs
WHERE completed_at < now() - CAST(:ttl AS interval)
AND result_expires_at IS NULL AND purged_at IS NULL AND NOT legal_hold
LIMIT 1 FOR UPDATE SKIP LOCKED
""")

_UNSTORED: Final = text("""
SELECT id, environment_id FROM jobs
WHERE NOT store AND deleted_at IS NULL AND completed_at < now() - CAST(:ttl AS interval) AND NOT legal_hold
ORDER BY completed_at LIMIT 20 FOR UPDATE SKIP LOCKED
""")

# A document goes as a whole, when its newest page is old. The oldest pages are looked at first, by index.
_OLD_PAGES: Final = text("""
WITH oldest AS (
    SELECT environment_id, document_sha256, reading_key FROM page_checkpoints
    WHERE created_at < now() - CAST(:ttl AS interval) ORDER BY created_at LIMIT 1000
), old AS (
    SELECT DISTINCT environment_id, document_sha256, reading_key FROM oldest o
    WHERE NOT EXISTS (
        SELECT FROM page_checkpoints p
        WHERE (p.environment_id, p.document_sha256, p.reading_key)
            = (o.environment_id, o.document_sha256, o.reading_key)
          AND p.created_at >= now() - CAST(:ttl AS interval))
    AND NOT EXISTS (
        SELECT FROM jobs j JOIN documents d ON d.id = j.document_id
        WHERE j.legal_hold AND d.environment_id = o.environment_id AND d.sha256 = o.document_sha256)
    LIMIT 20
)
DELETE FROM page_checkpoints p USING old
WHERE (p.environment_id, p.document_sha256, p.reading_key)
    = (old.environment_id, old.document_sha256, old.reading_key)
RETURNING p.environment_id, p.document_sha256, p.reading_key
""")

_OLD_FILE: Final = text("""
SELECT id, environment_id FROM documents d
WHERE NOT inline AND deleted_at IS NULL AND created_at < now() - CAST(:ttl AS interval)
  AND NOT EXISTS (
    SELECT FROM jobs j WHERE j.document_id = d.id
      AND (j.legal_hold OR j.status IN ('queued', 'processing', 'review_required')))
ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")

# A key that has expired answers 410 for as long again, so that a late repetition is no second job.
_OLD_KEYS: Final = text("""
DELETE FROM idempotency_keys WHERE (environment_id, scope, key) IN (
    SELECT environment_id, scope, key FROM idempotency_keys k
    WHERE expires_at < now() - CAST(:ttl AS interval) AND NOT EXISTS (
        SELECT FROM jobs j WHERE j.id = k.resource_id
          AND j.status IN ('queued', 'processing', 'review_required'))
    ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
""")

# Tasks and events go with their job. A batch goes after the last of its items.
_OLD_JOBS: Final = text("""
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs j
    WHERE purged_at IS NOT NULL AND NOT legal_hold AND completed_at < now() - CAST(:ttl AS interval)
      AND NOT EXISTS (SELECT FROM jobs c WHERE c.parent_id = j.id)
    ORDER BY completed_at LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING document_id
""")

_THEIR_SOURCES: Final = text("""
DELETE FROM documents d WHERE id = ANY(CAST(:document_ids AS text[])) AND inline AND deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM jobs j WHERE j.document_id = d.id)
""")

_OLD_TOMBSTONES: Final = text("""
DELETE FROM documents WHERE id IN (
    SELECT id FROM documents d
    WHERE deleted_at < now() - CAST(:ttl AS interval)
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.document_id = d.id)
    ORDER BY deleted_at LIMIT 100 FOR UPDATE SKIP LOCKED)
""")

_TAKE_GARBAGE: Final = """
UPDATE blob_garbage SET erase_at = now() + $2::interval WHERE (environment_id, sha256) IN (
    SELECT environment_id, sha256 FROM blob_garbage WHERE erase_at <= now()
    ORDER BY erase_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING environment_id, sha256
"""

_IS_NEEDED: Final = "SELECT FROM blob_refs WHERE environment_id = $1 AND sha256 = $2 LIMIT 1"

_IS_DONE: Final = "DELETE FROM blob_garbage WHERE environment_id = $1 AND sha256 = $2"

_LATER: Final = """
UPDATE blob_garbage SET erase_at = now() + $3::interval WHERE environment_id = $1 AND sha256 = $2
"""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept; None for ever.

    `results` also bounds what jobs without a result hold. `jobs` is for rows that hold nothing any more.
    """

    results: timedelta
    pages: timedelta
    idempotency_keys: timedelta
    files: timedelta | None = None
    jobs: timedelta | None = None


async def purge(db: Database, kept: Retention) -> int:
    """Drop all that has expired; return how many jobs lost what they kept."""
    await _all(lambda: _purge_pages(db, kept.pages))
    await _all(lambda: _delete(db, _OLD_KEYS, kept.idempotency_keys))
    if kept.files is not None:
        ttl = kept.files
        await _all(lambda: _bury_file(db, ttl))
    purged = 0
    while await _purge_job(db, _EXPIRED, {}) or await _purge_job(db, _ENDED, {"ttl": kept.results}):
        purged += 1
    await _all(lambda: _forget_unstored(db))
    if kept.jobs is not None:
        ttl = kept.jobs
        await _all(lambda: _forget_jobs(db, ttl))
        await _all(lambda: _delete(db, _OLD_TOMBSTONES, ttl))
    return purged


async def collect(db: Database, blobs: BlobStore, *, spare: timedelta = YOUNG) -> int:
    """Erase all blobs that nobody has needed for their grace; return how many.

    One that was put within `spare` stays: its reference may be on the way.
    """
    erased = 0
    while rows := await db.fetch(_TAKE_GARBAGE, BATCH, COLLECTING):
        for row in rows:
            erased += await _erase(db, blobs, row["environment_id"], row["sha256"], spare)
    metrics.BLOBS_COLLECTED.inc(erased)
    return erased


async def _all(some: Callable[[], Awaitable[bool]]) -> None:
    while await some():
        pass


async def _delete(db: Database, which: TextClause, ttl: timedelta) -> bool:
    async with db.begin(SYSTEM) as session:
        done: CursorResult[Any] = await session.execute(which, {"ttl": ttl})  # type: ignore[assignment]
        return done.rowcount > 0


async def _forget_jobs(db: Database, ttl: timedelta) -> bool:
    """Delete the rows of some jobs with the tombstones of what came with them; tell if there were any."""
    async with db.begin(SYSTEM) as session:
        forgotten = (await session.execute(_OLD_JOBS, {"ttl": ttl})).scalars().all()
        sources = sorted({document_id for document_id in forgotten if document_id is not None})
        await session.execute(_THEIR_SOURCES, {"document_ids": sources})
    return bool(forgotten)


async def _purge_pages(db: Database, ttl: timedelta) -> bool:
    """Drop the pages of some documents; tell whether there were any."""
    async with db.begin(SYSTEM) as session:
        old = {tuple(row) for row in (await session.execute(_OLD_PAGES, {"ttl": ttl})).all()}
        for environment_id, document_sha256, reading_key in sorted(old):
            owner = references.pages_owner(document_sha256, reading_key)
            await references.drop(session, environment_id, owner)
    return bool(old)


async def _purge_job(db: Database, which: TextClause, values: Mapping[str, object]) -> bool:
    """Drop what one such job keeps; tell whether there was one."""
    async with db.begin(SYSTEM) as session:
        row = (await session.execute(which, values)).one_or_none()
        if row is None:
            return False
        grace = references.GRACE if row.store else timedelta(0)
        await ending.purge_result(session, row.environment_id, row.id, grace=grace)
    return True


async def _forget_unstored(db: Database) -> bool:
    """Erase what jobs with store=false still say of their request; tell whether there were any."""
    async with db.begin(SYSTEM) as session:
        ended = (await session.execute(_UNSTORED, {"ttl": UNSTORED})).all()
        for environment_id in sorted({row.environment_id for row in ended}):
            await erase(session, environment_id, _ids_of(ended, environment_id), by=None)
    return bool(ended)


def _ids_of(rows: Any, environment_id: str) -> list[str]:
    return [row.id for row in rows if row.environment_id == environment_id]


async def _bury_file(db: Database, ttl: timedelta) -> bool:
    """Delete a file whose time is over; tell whether there was one."""
    async with db.begin(SYSTEM) as session:
        row = (await session.execute(_OLD_FILE, {"ttl": ttl})).one_or_none()
        if row is None:
            return False
        await bury(session, await _document(session, row.id), by=None)
    log.info("file.expired", environment_id=row.environment_id, file_id=row.id)
    return True


async def _document(session: AsyncSession, document_id: str) -> Document:
    found = await session.get(Document, document_id)
    assert found is not None, "its row is locked"
    return found


async def _erase(db: Database, blobs: BlobStore, environment_id: str, sha256: str, spare: timedelta) -> bool:
    if await db.fetch_row(_IS_NEEDED, environment_id, sha256) is not None:
        await db.fetch(_IS_DONE, environment_id, sha256)
        return False
    is_erased = await blobs.delete(environment_id, sha256, older_than=spare)
    if not is_erased and await blobs.exists(environment_id, sha256):
        await db.fetch(_LATER, environment_id, sha256, spare)
        return False
    await db.fetch(_IS_DONE, environment_id, sha256)
    return is_erased
