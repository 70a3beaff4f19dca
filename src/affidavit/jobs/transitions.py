"""The only writer of the status of jobs and tasks.

Each move is one guarded UPDATE in the caller's transaction. No row back means that someone else
moved first: the answer is None and the caller stops quietly. Locks are taken in one order
everywhere, at most one task, then the parent, then the job, and last of all the share of the queue,
so that no two moves can deadlock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Interval,
    Result,
    Row,
    Select,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from affidavit.jobs.models import Job, JobEvent, Task
from affidavit.jobs.order import PLACE, TURNS
from affidavit.jobs.status import TERMINAL, JobKind, JobStatus, TaskStatus, job_sources, task_sources

TASK_ENDS: Final = frozenset({TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELED})

# Claim the task that is next in fair order: one statement, and so one transaction of one round trip. The
# attempt rises here, before any work, so that a document that kills its worker cannot do so for ever; the
# first claim of a job moves it to processing, and one that was canceled meanwhile is not claimed. Args:
# worker, lease, and whether batches of long documents are to be passed over.
#
# Turns are tried in their order until one has a task that nobody else is claiming at this moment: the
# inner LIMIT 1 goes on behind locked rows, the outer one stops at the first that was found.
CLAIM: Final = f"""
WITH RECURSIVE {TURNS}, next AS MATERIALIZED (
    SELECT u.tag, t.*, CASE WHEN t.kind = 'read' THEN coalesce(cardinality(t.pages), 1) ELSE 1 END AS cost
    FROM turns u CROSS JOIN LATERAL (
        SELECT t.id, t.job_id, t.environment_id, t.kind, t.pages, t.attempt, j.status AS job_status
        FROM job_tasks t JOIN jobs j ON j.id = t.job_id
        WHERE t.environment_id = u.environment_id AND t.status = 'queued' AND t.run_after <= now()
            AND j.status IN ('queued', 'processing') AND NOT ($3 AND t.pages IS NOT NULL)
        ORDER BY {PLACE.format("t")} LIMIT 1 FOR UPDATE OF t SKIP LOCKED
    ) t LIMIT 1
), started AS (
    UPDATE jobs j SET status = 'processing', started_at = now(), updated_at = now(), event_seq = event_seq + 1
    FROM next WHERE j.id = next.job_id AND next.job_status = 'queued' AND j.status = 'queued'
    RETURNING j.id, j.environment_id, j.event_seq
), event AS (
    INSERT INTO job_events (job_id, seq, environment_id, type, status)
    SELECT id, event_seq, environment_id, 'job.processing', 'processing' FROM started
), task AS (
    UPDATE job_tasks t SET status = 'running', attempt = t.attempt + 1, lease_until = now() + $2::interval,
        renewed_at = now(), lease_owner = $1, started_at = now()
    FROM next WHERE t.id = next.id AND t.status = 'queued' AND t.attempt = next.attempt
        AND (next.job_status = 'processing' OR EXISTS (SELECT FROM started))
    RETURNING t.*, next.tag, next.cost
), share AS (
    INSERT INTO queue_shares AS s (environment_id, served, tag, vtime)
    SELECT environment_id, cost, tag, tag + cost FROM task
    ON CONFLICT (environment_id) DO UPDATE SET served = s.served + excluded.served,
        tag = greatest(s.tag, excluded.tag),
        vtime = greatest(s.vtime, excluded.tag) + excluded.served / s.weight
)
SELECT t.id AS task_id, t.job_id, t.environment_id, t.kind, t.n, t.attempt, t.failures, t.crashes, t.pages,
    t.priority, t.vstart, j.operation, j.spec, j.source, j.store, j.sealed_password, j.media_type,
    j.page_count, j.request_id, j.traceparent, j.parent_id, j.created_at AS submitted_at,
    j.metadata, j.webhook_url, j.retry_of, e.bundle_id AS earlier_bundle_id,
    e.manifest_sha256 AS earlier_manifest_sha256,
    extract(epoch FROM now() - j.created_at)::float8 AS age_seconds,
    extract(epoch FROM j.deadline_at - now())::float8 AS left_seconds,
    d.id AS document_id, d.sha256, d.size_bytes, d.filename, d.media_type AS document_media_type
FROM task t JOIN jobs j ON j.id = t.job_id LEFT JOIN documents d ON d.id = j.document_id
LEFT JOIN jobs e ON e.id = coalesce(j.retry_of, j.source ->> 'job_id') AND e.environment_id = j.environment_id
"""  # noqa: S608 - constants of ours


_END: Final = {"completed_at": timedelta(0), "sealed_password": None}


async def move(
    session: AsyncSession,
    job_id: str,
    to: JobStatus,
    *,
    detail: Mapping[str, object] | None = None,
    is_parent_locked: bool = False,
    **columns: Any,
) -> Row[Any] | None:
    """Move a job and write its event; return (id, environment_id, parent_id, store, seq) or None.

    A job that ends forgets its password, and the last child to end completes its parent. A timedelta among
    the columns counts from now, by the database's clock.
    """
    if to in TERMINAL:
        if not is_parent_locked:
            await lock_parent(session, job_id)
        columns = {**_END, **columns}
    moved: Row[Any] | None = (await _move(session, "id", job_id, to, detail or {}, columns)).one_or_none()
    if moved is not None and to in TERMINAL and moved.parent_id is not None:
        await _complete_parent(session, moved.parent_id)
    return moved


async def cancel_children(session: AsyncSession, parent_id: str) -> list[str]:
    """Cancel what has not ended of a batch whose row is locked already; return the ids of those jobs."""
    columns = {**_END, "stage": None, "message": None}
    canceled = await _move(session, "parent_id", parent_id, JobStatus.CANCELED, {}, columns)
    return [row.id for row in canceled.all()]


async def move_task(
    session: AsyncSession, task_id: str, to: TaskStatus, *, attempt: int, **columns: Any
) -> bool:
    """Move a task, fenced by the attempt that claimed it; tell whether it moved."""
    if to is TaskStatus.RUNNING:
        columns = {"attempt": attempt + 1, **columns}
    elif to in TASK_ENDS:
        columns = {"finished_at": func.now(), "lease_until": None, **columns}
    else:
        columns = {"lease_until": None, "rung_at": None, **columns}
    statement = (
        update(Task)
        .where(Task.id == task_id, Task.attempt == attempt, Task.status.in_(task_sources(to)))
        .values(status=to, **columns)
        .returning(Task.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).one_or_none() is not None


async def _move(
    session: AsyncSession,
    by: str,
    value: str,
    to: JobStatus,
    detail: Mapping[str, object],
    columns: Mapping[str, Any],
) -> Result[Any]:
    shape = tuple((name, isinstance(value, timedelta)) for name, value in sorted(columns.items()))
    values = {f"new_{name}": value for name, value in columns.items()}
    values |= {"which": value, "detail": dict(detail)}
    moved: Result[Any] = await session.execute(_move_statement(by, to, shape), values)
    return moved


@cache
def _move_statement(by: str, to: JobStatus, shape: tuple[tuple[str, bool], ...]) -> Select[Any]:
    """Build it once for each shape: to build it takes longer than to run it."""
    which = Job.__table__.c[by] == bindparam("which")
    moved = (
        update(Job)
        .where(which, Job.status.in_(job_sources(to)))
        .values(
            status=to,
            event_seq=Job.event_seq + 1,
            updated_at=func.now(),
            **{name: _new(name, is_from_now=is_from_now) for name, is_from_now in shape},
        )
        .returning(Job.id, Job.environment_id, Job.parent_id, Job.store, Job.event_seq.label("seq"))
        .cte("moved")
    )
    event = (
        insert(JobEvent)
        .from_select(
            ["job_id", "seq", "environment_id", "type", "status", "detail"],
            select(
                moved.c.id,
                moved.c.seq,
                moved.c.environment_id,
                literal(f"job.{to}"),
                literal(str(to)),
                bindparam("detail", type_=JSONB),
            ),
        )
        .cte("event")
    )
    return select(moved).add_cte(event)


def _new(name: str, *, is_from_now: bool) -> ColumnElement[Any]:
    if is_from_now:
        return func.now() + bindparam(f"new_{name}", type_=Interval)
    return bindparam(f"new_{name}", type_=Job.__table__.c[name].type)


# Built once: an alias made anew for each call costs 2 ms, thirty times the statement's own cost.
_child = aliased(Job)
_LOCK_PARENT: Final = (
    select(Job.id)
    .join(_child, _child.parent_id == Job.id)
    .where(_child.id == bindparam("job_id"))
    .with_for_update(of=Job)
)
_SETTLED_BATCHES: Final = (
    select(Job.id)
    .where(
        Job.kind == JobKind.BATCH,
        Job.status == JobStatus.PROCESSING,
        ~select(_child.id).where(_child.parent_id == Job.id, _child.status.not_in(sorted(TERMINAL))).exists(),
    )
    .limit(100)
)


async def lock_parent(session: AsyncSession, job_id: str) -> None:
    """Lock the job's parent, if it has one, before anything locks the job itself.

    Without this, two children that end at the same moment each see the other still running, and nobody
    completes the parent.
    """
    await session.execute(_LOCK_PARENT, {"job_id": job_id})


async def _complete_parent(session: AsyncSession, parent_id: str) -> None:
    unfinished = select(Job.id).where(Job.parent_id == parent_id, Job.status.not_in(sorted(TERMINAL)))
    if (await session.execute(unfinished.limit(1))).first() is None:
        await move(session, parent_id, JobStatus.COMPLETED, percent=100, stage=None, message=None)


async def repair_parents(session: AsyncSession) -> int:
    """Complete batches whose children have all ended; return how many there were."""
    parents = (await session.execute(_SETTLED_BATCHES)).scalars().all()
    for parent_id in parents:
        await move(session, parent_id, JobStatus.COMPLETED, percent=100, stage=None, message=None)
    return len(parents)


async def cancel_queued(session: AsyncSession, job_ids: Sequence[str]) -> None:
    """Cancel the queued tasks of jobs that have just ended.

    A task that someone claims at this moment is skipped, since its lock comes before the job's; its
    worker, or the sweep, finds the job ended.
    """
    await _cancel(session, select(Task.id).where(Task.job_id.in_(job_ids)))


async def cancel_leftovers(session: AsyncSession) -> None:
    """Cancel some queued tasks of jobs that have ended."""
    ended = select(Job.id).where(Job.id == Task.job_id, Job.status.in_(sorted(TERMINAL))).exists()
    await _cancel(session, select(Task.id).where(ended).limit(500))


async def _cancel(session: AsyncSession, which: Select[str]) -> None:
    due = which.where(Task.status == TaskStatus.QUEUED).with_for_update(of=Task, skip_locked=True)
    statement = (
        update(Task)
        .where(Task.id.in_(due))
        .values(status=TaskStatus.CANCELED, finished_at=func.now())
        .execution_options(synchronize_session=False)
    )
    await session.execute(statement)
