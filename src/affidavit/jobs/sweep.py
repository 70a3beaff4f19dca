"""What time does to jobs: leases that died, deadlines, and bells that nobody heard.

Any number of workers may sweep at once; each row is taken with SKIP LOCKED and moved by a guard.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.infra import metrics
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.queue import Doorbell
from affidavit.jobs import ending
from affidavit.jobs.claim import CRASH_BACKOFF, ExecutionPolicy, JobError, backoff
from affidavit.jobs.order import PLACE, TURNS
from affidavit.jobs.status import TERMINAL, JobStatus, TaskStatus
from affidavit.jobs.transitions import cancel_leftovers, lock_parent, move_task, repair_parents

BATCH: Final = 100
# A ring that found every slot busy is not repeated by Redis; this is how long its task waits at
# most for the next one. A worker with a free slot looks for itself long before.
RING_AGAIN: Final = timedelta(seconds=10)

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

# When many leases died at once it was something that they share, which may happen again: they come back
# in parts, at least so many and at most a quarter of what runs in one round.
REAP_AT_LEAST: Final = 10
REAP_SHARE: Final = 4

# A lease that was last renewed before the database came up died of that, and not of its document: its
# worker may be there yet. It is left alone until it must have heard from the database again, or have
# stopped, and then taken back without counting it against the document.
_DEAD: Final = text("""
SELECT t.id, t.job_id, t.attempt, t.crashes, j.status AS job_status,
    t.renewed_at < pg_postmaster_start_time() AS is_excused,
    (SELECT count(*) FROM job_tasks WHERE status = 'running') AS running
FROM job_tasks t JOIN jobs j ON j.id = t.job_id
WHERE t.status = 'running' AND t.lease_until < now()
    AND (t.renewed_at >= pg_postmaster_start_time()
        OR pg_postmaster_start_time() + CAST(:lease AS interval) < now())
ORDER BY t.lease_until LIMIT 1 FOR UPDATE OF t SKIP LOCKED
""")

_LATE: Final = "SELECT id FROM jobs WHERE status IN ('queued', 'processing') AND deadline_at < now() LIMIT $1"

_IS_LATE: Final = text("""
SELECT id FROM jobs WHERE id = :job_id AND status IN ('queued', 'processing') AND deadline_at < now()
FOR NO KEY UPDATE SKIP LOCKED
""")

# The first tasks in fair order, some of each environment when there are few of these, and of them those
# that were not rung for lately: so at most $1 rings are ever ahead of the claims.
_RING: Final = f"""
WITH RECURSIVE {TURNS}, turn AS (SELECT environment_id, tag FROM turns LIMIT $1), heads AS (
    SELECT h.id, h.rung_at FROM turn u CROSS JOIN LATERAL (
        SELECT t.id, t.rung_at, row_number() OVER () AS nth FROM (
            SELECT t.id, t.rung_at FROM job_tasks t
            WHERE t.environment_id = u.environment_id AND t.status = 'queued' AND t.run_after <= now()
            ORDER BY {PLACE.format("t")} LIMIT $1 / (SELECT count(*) FROM turn) + 1) t
    ) h ORDER BY h.nth, u.tag LIMIT $1
)
UPDATE job_tasks SET rung_at = now(), rings = rings + 1 WHERE id IN (
    SELECT t.id FROM job_tasks t JOIN heads h ON h.id = t.id
    WHERE t.status = 'queued' AND (h.rung_at IS NULL OR h.rung_at < now() - $2::interval)
    FOR UPDATE OF t SKIP LOCKED
) AND status = 'queued' RETURNING id, attempt, rings
"""  # noqa: S608 - constants of ours


async def reap(db: Database, policy: ExecutionPolicy) -> int:
    """Take back tasks whose lease died; return how many. Three deaths make a document poison."""
    count, most = 0, 1
    while count < most:
        async with db.begin(SYSTEM) as session:
            dead = (await session.execute(_DEAD, {"lease": policy.lease})).one_or_none()
            if dead is None:
                return count
            if count == 0:
                most = max(REAP_AT_LEAST, dead.running // REAP_SHARE)
            await _reap_one(session, dead, policy)
            count += 1
    return count


async def expire_late(db: Database) -> int:
    """Fail jobs that are past their deadline; return how many there were."""
    late = await db.fetch(_LATE, BATCH)
    for row in late:
        async with db.begin(SYSTEM) as session:
            await lock_parent(session, row["id"])
            if (await session.execute(_IS_LATE, {"job_id": row["id"]})).first() is not None:
                metrics.LATE.inc()
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
    """Ring for the `ahead` tasks that are next in fair order, unless they were rung for lately."""
    rung = await db.fetch(_RING, ahead, RING_AGAIN)
    for row in rung:
        doorbell.ring(f"{row['id']}.{row['attempt']}.{row['rings']}")
    return len(rung)


async def _reap_one(session: AsyncSession, dead: Row[Any], policy: ExecutionPolicy) -> None:
    if JobStatus(dead.job_status) in TERMINAL:
        await move_task(session, dead.id, TaskStatus.CANCELED, attempt=dead.attempt)
        return
    crashes = dead.crashes + (0 if dead.is_excused else 1)
    # The second bound is for a document that takes its database down with it.
    if crashes < policy.max_crashes and dead.attempt < policy.max_attempts:
        wait = timedelta(0) if dead.is_excused else backoff(CRASH_BACKOFF, crashes)
        columns = {"crashes": crashes, "run_after": func.now() + wait}
        await move_task(session, dead.id, TaskStatus.QUEUED, attempt=dead.attempt, **columns)
        metrics.REAPS.inc()
        return
    metrics.POISONED.inc()
    error = POISON.to_json()
    await move_task(session, dead.id, TaskStatus.FAILED, attempt=dead.attempt, crashes=crashes, error=error)
    await ending.end(session, dead.job_id, JobStatus.FAILED, error=error, detail={"code": POISON.code})
