"""Write a submission: the one place where a job's row is born, in one statement.

Documents, jobs, first tasks, first events, blob references and the idempotency key are inserted
together or not at all. One statement instead of a transaction of six is what lets an API process
accept as fast as it can parse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from affidavit.errors import Gone, IdempotencyInProgress, IdempotencyKeyReused, NotFound
from affidavit.infra import context, tracing
from affidavit.infra.db import SCOPE, Database, scoped
from affidavit.infra.idempotency import Fingerprint
from affidavit.infra.ids import new_id
from affidavit.jobs.status import JobKind, JobStatus, TaskKind, TaskStatus
from affidavit.jobs.submission import PRIORITY_ORDER, FileRef, JobRef, Priority, Submission, Upload, UrlRef

Row = dict[str, Any]

# OFFSET 0 keeps the look at the documents a subquery for each of them: a join could come before the scope.
_ACCEPT: Final = f"""{SCOPE},
missing AS (
    SELECT j.document_id FROM scope, json_to_recordset($3::json) AS j(document_id text)
    WHERE j.document_id IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM documents d
        WHERE d.id = j.document_id AND d.environment_id = scope.id AND d.deleted_at IS NULL OFFSET 0)
      AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset($2::jsonb) AS n(id text) WHERE n.id = j.document_id)
), key AS (
    INSERT INTO idempotency_keys (environment_id, scope, key, parts, resource_id, expires_at)
    SELECT scope.id, $5, $6, $7::jsonb, $8, now() + $9::interval FROM scope
    WHERE $6::text IS NOT NULL AND NOT EXISTS (SELECT FROM missing)
    ON CONFLICT DO NOTHING
    RETURNING 1
), go AS (
    SELECT scope.id AS environment_id FROM scope
    WHERE NOT EXISTS (SELECT FROM missing) AND ($6::text IS NULL OR EXISTS (SELECT FROM key))
), document AS (
    INSERT INTO documents (id, environment_id, filename, media_type, size_bytes, sha256, inline)
    SELECT d.id, go.environment_id, d.filename, d.media_type, d.size_bytes, d.sha256, true
    FROM go, jsonb_to_recordset($2::jsonb)
        AS d(id text, filename text, media_type text, size_bytes bigint, sha256 text)
), reference AS (
    INSERT INTO blob_refs (environment_id, sha256, owner)
    SELECT go.environment_id, d.sha256, d.id FROM go, jsonb_to_recordset($2::jsonb) AS d(id text, sha256 text)
), job AS (
    INSERT INTO jobs (id, environment_id, kind, operation, status, parent_id, position, retry_of,
        priority, store, spec, source, document_id, sealed_password, metadata, event_seq,
        request_id, traceparent, webhook_url, sealed_webhook_secret, deadline_at, started_at)
    SELECT j.id, go.environment_id, j.kind, j.operation, j.status, j.parent_id, j.position, j.retry_of,
        j.priority, j.store, j.spec, j.source, j.document_id, j.sealed_password, j.metadata, 1,
        $10, $11, j.webhook_url, j.sealed_webhook_secret,
        now() + make_interval(secs => j.deadline_seconds),
        CASE WHEN j.status = 'processing' THEN now() END
    FROM go, json_to_recordset($3::json) AS j(id text, kind text, operation text, status text,
        parent_id text, position int, retry_of text, priority smallint, store bool, spec json,
        source jsonb, document_id text, sealed_password bytea, metadata jsonb, deadline_seconds float8,
        webhook_url text, sealed_webhook_secret bytea)
), event AS (
    INSERT INTO job_events (job_id, seq, environment_id, type, status)
    SELECT j.id, 1, go.environment_id, 'job.' || j.status, j.status
    FROM go, json_to_recordset($3::json) AS j(id text, status text)
), task AS (
    INSERT INTO job_tasks (id, job_id, environment_id, n, kind, status, priority, vstart)
    SELECT t.id, t.job_id, go.environment_id, 1, t.kind, t.status, t.priority,
        coalesce((SELECT s.served FROM queue_shares s WHERE s.environment_id = go.environment_id), 0)
            + t.place - 1
    FROM go, ROWS FROM (jsonb_to_recordset($4::jsonb)
        AS (id text, job_id text, kind text, status text, priority smallint))
        WITH ORDINALITY AS t(id, job_id, kind, status, priority, place)
)
SELECT EXISTS (SELECT FROM go) AS accepted, EXISTS (SELECT FROM missing) AS missing, now() AS now
"""  # noqa: S608 - a constant of ours

_FIRST: Final = scoped("""
SELECT k.parts, k.resource_id, k.expires_at < now() AS expired
FROM idempotency_keys k WHERE k.environment_id = scope.id AND k.scope = $2 AND k.key = $3
""")


@dataclass(frozen=True, slots=True)
class Written:
    """The job that answers for a submission. `at` is None when an earlier request had made it."""

    job_id: str
    at: datetime | None


@dataclass(slots=True)
class Draft:
    """The rows of one submission, not yet written. `resource_id` is the job that answers for it."""

    resource_id: str
    documents: list[Row] = field(default_factory=list)
    jobs: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)


def draft_job(
    submission: Submission,
    *,
    sealed_password: bytes | None,
    deadline: timedelta,
    job_id: str,
    parent_id: str | None = None,
    position: int | None = None,
    retry_of: str | None = None,
) -> Draft:
    """Plan the rows of one job: a URL starts with a fetch, anything else with reading."""
    draft = Draft(job_id)
    document_id, source = _source(submission, draft)
    kind = TaskKind.FETCH if document_id is None else TaskKind.READ
    priority = PRIORITY_ORDER[submission.priority]
    options = submission.options.model_dump(mode="json", exclude={"password"}, exclude_defaults=True)
    own_deadline = submission.deadline
    draft.jobs.append(
        {
            "id": job_id,
            "kind": JobKind.JOB,
            "operation": submission.operation,
            "status": JobStatus.QUEUED,
            "parent_id": parent_id,
            "position": position,
            "retry_of": retry_of,
            "priority": priority,
            "store": submission.store,
            "spec": {"options": options, "json_schema": submission.json_schema}
            | ({"parameters": dict(submission.parameters)} if submission.parameters else {})
            | ({"template": asdict(submission.template)} if submission.template else {})
            | ({"review": submission.review.model_dump()} if submission.review else {})
            # One that the caller chose stays as it is, whatever the page count says later.
            | ({"deadline_seconds": own_deadline.total_seconds()} if own_deadline else {}),
            "source": source,
            "document_id": document_id,
            "sealed_password": None if sealed_password is None else "\\x" + sealed_password.hex(),
            "metadata": dict(submission.metadata),
            "deadline_seconds": (own_deadline or deadline).total_seconds(),
        }
    )
    draft.tasks.append(
        {
            "id": new_id("task"),
            "job_id": job_id,
            "kind": kind,
            "status": TaskStatus.QUEUED,
            "priority": priority,
        }
    )
    return draft


def draft_batch(
    parent_id: str,
    children: Sequence[Draft],
    metadata: dict[str, str],
    priority: Priority,
    *,
    retry_of: str | None = None,
) -> Draft:
    """Plan a parent over its children. It is never claimed, and is processing from its insert."""
    parent = {
        "id": parent_id,
        "kind": JobKind.BATCH,
        "operation": "batch",
        "status": JobStatus.PROCESSING,
        "retry_of": retry_of,
        "priority": PRIORITY_ORDER[priority],
        "store": True,
        "spec": {},
        "source": {},
        "metadata": metadata,
    }
    draft = Draft(parent_id, jobs=[parent])
    for child in children:
        draft.documents += child.documents
        draft.jobs += child.jobs
        draft.tasks += child.tasks
    return draft


async def write(
    db: Database, environment_id: str, draft: Draft, key: Fingerprint | None, ttl: timedelta
) -> Written:
    """Write the draft, or find the job that an earlier request with the same key had made.

    Raises NotFound for an unknown file, IdempotencyKeyReused, IdempotencyInProgress, and Gone when
    the key is too old to be honoured.
    """
    try:
        row = await db.fetch_row_in(
            environment_id,
            _ACCEPT,
            draft.documents,
            draft.jobs,
            draft.tasks,
            key.scope if key else None,
            key.key if key else None,
            dict(key.parts) if key else None,
            draft.resource_id,
            ttl,
            context.request_id(),
            tracing.traceparent(),
        )
    except asyncpg.LockNotAvailableError:
        if key is None:
            raise  # someone has the tables: the same as a database that is away
        raise IdempotencyInProgress from None
    if row is not None and row["accepted"]:
        return Written(draft.resource_id, row["now"])
    first = None if key is None else await find_first(db, environment_id, key)
    if first is None:
        # Not missing: then the key was there, and was removed between the two statements.
        raise NotFound("file") if row is None or row["missing"] else IdempotencyInProgress
    return Written(first, None)


async def find_first(db: Database, environment_id: str, key: Fingerprint) -> str | None:
    """Return the job that an earlier request with the same key had made, or None.

    Raises IdempotencyKeyReused, and Gone when the key is too old to be honoured.
    """
    row = await db.fetch_row_in(environment_id, _FIRST, key.scope, key.key)
    if row is None:
        return None
    if row["expired"]:
        raise Gone(
            "This Idempotency-Key is too old to be replayed. Use a new key.",
            code="IDEMPOTENCY_KEY_EXPIRED",
        )
    if differing := key.differing(row["parts"]):
        raise IdempotencyKeyReused(differing)
    return str(row["resource_id"])


def _source(submission: Submission, draft: Draft) -> tuple[str | None, dict[str, Any]]:
    match submission.source:
        case Upload() as upload:
            document_id = new_id("file")
            draft.documents.append(
                {
                    "id": document_id,
                    "filename": upload.filename,
                    "media_type": upload.media_type,
                    "size_bytes": upload.size_bytes,
                    "sha256": upload.sha256,
                }
            )
            return document_id, {"type": "upload"}
        case FileRef(file_id, of_job):
            return file_id, {"type": "file"} | ({"job_id": of_job} if of_job else {})
        case UrlRef(url):
            return None, {"type": "url", "url": url}
        case JobRef():
            raise AssertionError("the document of an earlier job is found before: see `earlier`")
