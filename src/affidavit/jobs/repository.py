"""Read jobs: one, many, and how the queue stands."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from affidavit.errors import FieldError, RequestInvalid
from affidavit.infra.db import Database, scoped
from affidavit.jobs.order import QUEUE_POSITION
from affidavit.jobs.status import JobKind, JobStatus
from affidavit.jobs.views import (
    Glance,
    JobFilter,
    JobPage,
    JobView,
    Progress,
    Transition,
    retry_after_ms,
)

_COLUMNS: Final = f"""
    j.id, j.kind, j.operation, j.status, j.percent, j.stage, j.message, j.pages_total, j.pages_done,
    j.pages_failed, j.created_at, j.started_at, j.updated_at, j.completed_at, j.result_sha256,
    j.result_size_bytes, j.result_expires_at, j.purged_at, j.deleted_at, j.deleted_by, j.purged, j.store,
    j.spec -> 'template' AS template,
    j.bundle_id, j.manifest_sha256, j.review, j.child_batch_id,
    j.error, j.retry_of, j.parent_id, j.document_id, j.metadata, j.event_seq,
    j.result_expires_at <= now() AS expired,
    extract(epoch FROM now() - j.started_at) * 1000 AS running_ms,
    CASE WHEN j.status = 'queued' THEN {QUEUE_POSITION}
    END AS queue_position,
    CASE WHEN j.status = 'completed' AND j.purged_at IS NULL THEN (
        SELECT json_agg(json_build_object('name', a.name, 'media_type', a.media_type,
            'size_bytes', a.size_bytes, 'sha256', a.sha256) ORDER BY a.n)
        FROM job_artifacts a WHERE a.job_id = j.id)
    END AS artifacts
"""  # noqa: S608 - constants of ours

_ONE: Final = scoped(f"SELECT {_COLUMNS} FROM jobs j WHERE j.environment_id = scope.id AND j.id = $2")  # noqa: S608

_MANY: Final = scoped(
    f"""
SELECT {_COLUMNS} FROM jobs j
WHERE j.environment_id = scope.id
  AND ($2::text IS NULL OR j.id < $2)
  AND ($3::text IS NULL OR j.status = $3)
  AND ($4::text IS NULL OR j.operation = $4)
  AND ($5::timestamptz IS NULL OR j.created_at >= $5)
  AND ($6::timestamptz IS NULL OR j.created_at < $6)
  AND ($7::text IS NULL OR j.parent_id = $7)
  AND ($8::jsonb IS NULL OR j.metadata @> $8)
ORDER BY j.id DESC LIMIT $9
""",  # noqa: S608
    order="id DESC",
)

_CHILDREN: Final = scoped("""
SELECT parent_id, status, count(*) AS n FROM jobs
WHERE environment_id = scope.id AND parent_id = ANY($2) GROUP BY parent_id, status
""")

# For the poller, which looks for jobs of all environments at once; $2 are batches to count.
_GLANCES: Final = """
SELECT j.id, j.status, j.event_seq, j.percent, j.stage, j.message,
    j.pages_total, j.pages_done, j.pages_failed,
    CASE WHEN j.id = ANY($2) THEN (
        SELECT jsonb_object_agg(k.status, k.n)
        FROM (SELECT c.status, count(*) AS n FROM jobs c WHERE c.parent_id = j.id GROUP BY c.status) k)
    END AS children
FROM jobs j WHERE j.id = ANY($1)
"""

_TRANSITIONS: Final = scoped(
    """
SELECT seq, type, status, detail, created_at FROM job_events
WHERE environment_id = scope.id AND job_id = $2 AND seq > $3
""",
    order="seq",
)

_QUEUE: Final = """
SELECT count(*) AS queued, extract(epoch FROM now() - min(created_at)) AS oldest
FROM job_tasks WHERE status = 'queued'
"""


async def find(db: Database, environment_id: str, job_id: str) -> asyncpg.Record | None:
    """Return a job's row with what its view needs, in one statement; None when there is none."""
    return await db.fetch_row_in(environment_id, _ONE, job_id)


async def find_view(db: Database, environment_id: str, job_id: str) -> JobView | None:
    """Return a job as the outside sees it; a batch with the counts of its items."""
    row = await find(db, environment_id, job_id)
    if row is None:
        return None
    if row["kind"] == JobKind.JOB:
        return view(row)
    children = await _count_children(db, environment_id, [job_id])
    return view(row, children.get(job_id, {}))


async def find_page(
    db: Database, environment_id: str, wanted: JobFilter, limit: int, cursor: str | None
) -> JobPage:
    """Return up to `limit` jobs, newest first. Raises RequestInvalid for a cursor that is not ours."""
    rows = await db.fetch_in(
        environment_id,
        _MANY,
        None if cursor is None else _parse_cursor(cursor),
        wanted.status,
        wanted.operation,
        wanted.created_after,
        wanted.created_before,
        wanted.parent_id,
        dict(wanted.metadata) if wanted.metadata else None,
        limit + 1,
    )
    shown = rows[:limit]
    batches = [row["id"] for row in shown if row["kind"] == JobKind.BATCH]
    children = await _count_children(db, environment_id, batches) if batches else {}
    return JobPage(
        items=[
            view(row, children.get(row["id"], {}) if row["kind"] == JobKind.BATCH else None) for row in shown
        ],
        next_cursor=_render_cursor(shown[-1]["id"]) if len(rows) > limit else None,
    )


async def find_glances(db: Database, job_ids: list[str], batches: list[str]) -> dict[str, Glance]:
    """Look at these jobs, of whatever environment, in one statement; count the items of `batches`."""
    return {row["id"]: _glance(row) for row in await db.fetch(_GLANCES, job_ids, batches)}


def _glance(row: asyncpg.Record) -> Glance:
    progress = (
        Progress(
            row["percent"],
            row["stage"],
            row["message"],
            row["pages_total"],
            row["pages_done"],
            row["pages_failed"],
        )
        if row["children"] is None
        else Progress.of_batch(row["children"])
    )
    return Glance(JobStatus(row["status"]), row["event_seq"], progress)


async def find_transitions(db: Database, environment_id: str, job_id: str, after: int) -> list[Transition]:
    """Return a job's transitions later than the one of that number, in order."""
    return [
        Transition(row["seq"], row["type"], JobStatus(row["status"]), row["detail"], row["created_at"])
        for row in await db.fetch_in(environment_id, _TRANSITIONS, job_id, after)
    ]


async def count_queue(db: Database) -> tuple[int, float | None]:
    """Return how many tasks are queued and the age of the oldest in seconds."""
    row = await db.fetch_row(_QUEUE)
    if row is None:
        return 0, None
    return row["queued"], None if row["oldest"] is None else float(row["oldest"])


def view(row: asyncpg.Record, children: dict[str, int] | None = None) -> JobView:
    """Build the view of a row of `find`; `children` are a batch's items by status."""
    status = JobStatus(row["status"])
    total, done, failed, percent = _progress(row, children)
    position = row["queue_position"]
    return JobView(
        id=row["id"],
        kind=JobKind(row["kind"]),
        operation=row["operation"],
        status=status,
        percent=percent,
        stage=row["stage"],
        message=row["message"],
        pages_total=total,
        pages_done=done,
        pages_failed=failed,
        queue_position=position,
        created_at=row["created_at"],
        started_at=row["started_at"],
        updated_at=row["updated_at"],
        completed_at=row["completed_at"],
        result_available=is_available(row),
        result_expires_at=row["result_expires_at"],
        bundle_id=row["bundle_id"],
        manifest_sha256=row["manifest_sha256"],
        review=row["review"],
        template=row["template"],
        error=row["error"],
        retry_of=row["retry_of"],
        parent_id=row["parent_id"],
        file_id=row["document_id"],
        metadata=row["metadata"],
        retry_after_ms=retry_after_ms(
            status=status,
            stage=row["stage"],
            queue_position=position,
            pages_total=total,
            pages_done=done,
            running_ms=float(row["running_ms"] or 0),
        ),
        event_seq=row["event_seq"],
        children=children,
        deleted_at=row["deleted_at"],
        deleted_by=row["deleted_by"],
        purged=row["purged"],
        artifacts=row["artifacts"] or [],
        child_batch_id=row["child_batch_id"],
    )


def is_available(row: asyncpg.Record) -> bool:
    """Tell whether a job's result can be read now."""
    return row["result_sha256"] is not None and row["purged_at"] is None and not row["expired"]


def _progress(row: asyncpg.Record, children: dict[str, int] | None) -> tuple[int | None, int, int, int]:
    if children is None:
        return row["pages_total"], row["pages_done"], row["pages_failed"], row["percent"]
    counted = Progress.of_batch(children)
    return counted.pages_total, counted.pages_done, counted.pages_failed, counted.percent


async def _count_children(db: Database, environment_id: str, parents: list[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in await db.fetch_in(environment_id, _CHILDREN, parents):
        counts.setdefault(row["parent_id"], {})[row["status"]] = row["n"]
    return counts


def _render_cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(job_id.encode()).decode().rstrip("=")


def _parse_cursor(cursor: str) -> str:
    try:
        job_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        job_id = ""
    if not job_id.startswith("job_") or "\x00" in job_id:
        raise RequestInvalid(
            "cursor is not one that this API gave out. Start again without it.",
            code="CURSOR_INVALID",
            errors=[FieldError("/cursor", "is not a cursor of this API")],
        )
    return job_id


def queued_view(job: dict[str, Any], created_at: datetime | None = None) -> JobView:
    """Build the view of a job that was written this moment, without asking the database again."""
    now = created_at or datetime.now(UTC)
    status = JobStatus(job["status"])
    return JobView(
        id=job["id"],
        kind=JobKind(job["kind"]),
        operation=job["operation"],
        status=status,
        percent=0,
        stage=None,
        message=None,
        pages_total=None,
        pages_done=0,
        pages_failed=0,
        queue_position=None,
        created_at=now,
        started_at=None,
        updated_at=now,
        completed_at=None,
        result_available=False,
        result_expires_at=None,
        bundle_id=None,
        manifest_sha256=None,
        review=None,
        template=(job.get("spec") or {}).get("template"),
        error=None,
        retry_of=job.get("retry_of"),
        parent_id=job.get("parent_id"),
        file_id=job.get("document_id"),
        metadata=job["metadata"],
        retry_after_ms=retry_after_ms(
            status=status, stage=None, queue_position=0, pages_total=None, pages_done=0, running_ms=0
        ),
        event_seq=1,
    )
