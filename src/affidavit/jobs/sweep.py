"""What time does to jobs: leases that died, deadlines, expiry, and bells that nobody heard.

Any number of workers may sweep at once; each row is taken with SKIP LOCKED and moved by a guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, TextClause, func, text

from affidavit.documents import references
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.queue import Doorbell
from affidavit.jobs import ending
from affidavit.jobs.claim import CRASH_BACKOFF, ExecutionPolicy, JobError, backoff
from affidavit.jobs.status import TERMINAL, JobStatus, TaskStatus
from affidavit.jobs.transitions import cancel_leftovers, lock_parent, move_task, repair_parents

BATCH: Final = 100
# A ring that found every slot busy is not repeated by Redis; this is how long its task waits at
# most for the next one. A worker with a free slot looks for itself long before.
RING_AGAIN: Final = timedelta(seconds=10)
# Longer than any upload may take between putting a blob and committing its reference.
YOUNG: Final = timedelta(minutes=1)

POISON: Final = JobError(
    code="POISON_DOCUMENT",
    message="Every worker that took this document died. Check the file, or send it in smaller parts.",
    category="engine",
)
LATE: Final = JobError(
    code="DEADLINE_EXCEEDED",
    message="The job was not done before its deadline. Submit it again, or ask for fewer pages.",
    category="deadline",
    retryable=True,
)

_DEAD: Final = text("""
SELECT t.id, t.job_id, t.attempt, t.crashes, j.status AS job_status
FROM job_tasks t JOIN jobs j ON j.id = t.job_id
WHERE t.status = 'running' AND t.lease_until < now()
ORDER BY t.lease_until LIMIT 1 FOR UPDATE OF t SKIP LOCKED
""")

_LATE: Final = "SELECT id FROM jobs WHERE status IN ('queued', 'processing') AND deadline_at < now() LIMIT $1"

_IS_LATE: Final = text("""
SELECT id FROM jobs WHERE id = :job_id AND status IN ('queued', 'processing') AND deadline_at < now()
FOR NO KEY UPDATE SKIP LOCKED
""")

_RING: Final = """
UPDATE job_tasks SET rung_at = now(), rings = rings + 1 WHERE id IN (
    SELECT id FROM job_tasks
    WHERE status = 'queued' AND run_after <= now() AND (rung_at IS NULL OR rung_at < now() - $2::interval)
    ORDER BY -priority, created_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING id, attempt, rings
"""

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
    LIMIT 20
)
DELETE FROM page_checkpoints p USING old
WHERE (p.environment_id, p.document_sha256, p.reading_key)
    = (old.environment_id, old.document_sha256, old.reading_key)
RETURNING p.environment_id, p.document_sha256, p.reading_key
""")

_GARBAGE: Final = """
DELETE FROM blob_garbage g WHERE (environment_id, sha256) IN (
    SELECT environment_id, sha256 FROM blob_garbage WHERE erase_at <= now()
    LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING environment_id, sha256, EXISTS (
    SELECT FROM blob_refs r WHERE r.environment_id = g.environment_id AND r.sha256 = g.sha256) AS needed
"""

_OLD_KEYS: Final = """
DELETE FROM idempotency_keys k WHERE expires_at < now() - $1::interval
AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = k.resource_id
    AND j.status IN ('queued', 'processing', 'review_required'))
"""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept: results and what ended jobs hold, pages that were read, and keys."""

    results: timedelta
    pages: timedelta
    idempotency_keys: timedelta


async def reap(db: Database, policy: ExecutionPolicy) -> int:
    """Take back tasks whose lease died; return how many. Three deaths make a document poison."""
    for count in range(BATCH):
        async with db.begin(SYSTEM) as session:
            dead = (await session.execute(_DEAD)).one_or_none()
            if dead is None:
                return count
            await _reap_one(session, dead, policy)
    return BATCH


async def expire_late(db: Database) -> int:
    """Fail jobs that are past their deadline; return how many there were."""
    late = await db.fetch(_LATE, BATCH)
    for row in late:
        async with db.begin(SYSTEM) as session:
            await lock_parent(session, row["id"])
            if (await session.execute(_IS_LATE, {"job_id": row["id"]})).first() is not None:
                detail = {"code": LATE.code}
                await ending.end(session, row["id"], JobStatus.FAILED, error=LATE.to_json(), detail=detail)
    return len(late)


async def tidy(db: Database) -> None:
    """Repair what races left: queued tasks of ended jobs, and batches that nobody completed."""
    async with db.begin(SYSTEM) as session:
        await cancel_leftovers(session)
    async with db.begin(SYSTEM) as session:
        await repair_parents(session)


async def ring_due(db: Database, doorbell: Doorbell, ahead: int) -> int:
    """Ring for due tasks that were never rung for, or long ago; `ahead` at most."""
    rung = await db.fetch(_RING, ahead, RING_AGAIN)
    for row in rung:
        doorbell.ring(f"{row['id']}.{row['attempt']}.{row['rings']}")
    return len(rung)


async def purge(db: Database, kept: Retention) -> int:
    """Drop all expired results, old pages and old keys; return how many jobs lost what they kept."""
    while await _purge_pages(db, kept.pages):
        pass
    await db.fetch(_OLD_KEYS, kept.idempotency_keys)
    purged = 0
    while await _purge_job(db, _EXPIRED, {}) or await _purge_job(db, _ENDED, {"ttl": kept.results}):
        purged += 1
    return purged


async def collect(db: Database, blobs: BlobStore) -> int:
    """Erase all blobs that nobody has needed for their grace; return how many."""
    erased = 0
    while rows := await db.fetch(_GARBAGE, BATCH):
        for row in rows:
            if not row["needed"]:
                erased += await _erase(db, blobs, row["environment_id"], row["sha256"])
    return erased


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


async def _erase(db: Database, blobs: BlobStore, environment_id: str, sha256: str) -> bool:
    if await blobs.delete(environment_id, sha256, older_than=YOUNG):
        return True
    if await blobs.exists(environment_id, sha256):
        # Put again a moment ago: its reference may be on the way. Look again later.
        await db.fetch(references.EXPECT, environment_id, sha256, YOUNG)
    return False


async def _reap_one(session: Any, dead: Row[Any], policy: ExecutionPolicy) -> None:
    if JobStatus(dead.job_status) in TERMINAL:
        await move_task(session, dead.id, TaskStatus.CANCELED, attempt=dead.attempt)
        return
    crashes = dead.crashes + 1
    if crashes < policy.max_crashes:
        wait = backoff(CRASH_BACKOFF, crashes)
        await move_task(
            session,
            dead.id,
            TaskStatus.QUEUED,
            attempt=dead.attempt,
            crashes=crashes,
            run_after=func.now() + wait,
        )
        return
    error = POISON.to_json()
    await move_task(session, dead.id, TaskStatus.FAILED, attempt=dead.attempt, crashes=crashes, error=error)
    await ending.end(session, dead.job_id, JobStatus.FAILED, error=error, detail={"code": POISON.code})
