"""Submit again what ended without all that was asked for: same document, options and labels, a new job.

Pages that were read are found by their checkpoints, so that only what is missing is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, text

from affidavit.engine.spec import Operation, Options, ReviewOptions
from affidavit.errors import Conflict, FieldError, NotFound, RequestInvalid
from affidavit.infra.db import Database
from affidavit.jobs.earlier import source_gone
from affidavit.jobs.source import Opener, source_url
from affidavit.jobs.status import TERMINAL, JobKind, JobStatus
from affidavit.jobs.submission import (
    PRIORITY_ORDER,
    FileRef,
    Priority,
    SourceRef,
    Submission,
    TemplateRef,
    UrlRef,
    WebhookRef,
)
from affidavit.webhooks.leasing import own_secret_owner

# The job itself first, then the items of a batch in their order.
_ROWS: Final = text("""
SELECT j.id, j.kind, j.operation, j.status, j.priority, j.store, j.spec, j.source, j.document_id, j.metadata,
    j.webhook_url, j.sealed_webhook_secret,
    j.pages_failed, j.deleted_at IS NOT NULL AS is_deleted,
    d.id IS NOT NULL AND d.deleted_at IS NULL AS has_document
FROM jobs j LEFT JOIN documents d ON d.id = j.document_id AND d.environment_id = j.environment_id
WHERE j.environment_id = :environment_id AND (j.id = :job_id OR j.parent_id = :job_id)
ORDER BY j.id <> :job_id, j.position, j.id
""")

_PRIORITIES: Final = {order: priority for priority, order in PRIORITY_ORDER.items()}


Row = RowMapping


@dataclass(frozen=True, slots=True)
class Again:
    """One submission to be made again, and the job that it was."""

    job_id: str
    submission: Submission


@dataclass(frozen=True, slots=True)
class Plan:
    """What a retry submits: one job, or the items of a new batch with the old one's labels."""

    kind: JobKind
    items: list[Again]
    metadata: dict[str, str]
    priority: Priority
    webhook: WebhookRef | None = None


async def plan(db: Database, opener: Opener, environment_id: str, job_id: str, password: str | None) -> Plan:
    """Plan to do again what ended without all that was asked for.

    Raises NotFound; Conflict JOB_NOT_FINISHED and JOB_COMPLETED; Gone SOURCE_GONE; RequestInvalid for
    a password that no single job could take.
    """
    async with db.begin(environment_id) as session:
        found = await session.execute(_ROWS, {"environment_id": environment_id, "job_id": job_id})
        rows: Sequence[Row] = found.mappings().all()
    if not rows or rows[0]["id"] != job_id:
        raise NotFound("job")
    first = rows[0]
    _refuse_unfinished(first)
    wanted = rows[1:] if first["kind"] == JobKind.BATCH else rows[:1]
    lacking = [row for row in wanted if _lacks(row)]
    if not lacking:
        raise Conflict(
            "The job completed with all its pages, so there is nothing to do again. Submit it anew to "
            "have it read with other options.",
            code="JOB_COMPLETED",
        )
    if first["kind"] == JobKind.BATCH and password is not None:
        raise RequestInvalid(
            "A batch has no password of its own. Retry the item that needs one.",
            errors=[FieldError("/options/password", "cannot be given for a batch")],
        )
    _refuse_without_source(lacking)
    return Plan(
        kind=JobKind(first["kind"]),
        items=[Again(row["id"], _submission(row, opener, password)) for row in lacking],
        metadata=first["metadata"],
        priority=_PRIORITIES.get(first["priority"], Priority.NORMAL),
        webhook=_webhook(first, opener),
    )


def _refuse_unfinished(row: Row) -> None:
    if JobStatus(row["status"]) not in TERMINAL:
        raise Conflict(
            "The job has not ended. Wait for its end, or cancel it first.",
            code="JOB_NOT_FINISHED",
        )


def _lacks(row: Row) -> bool:
    """Tell whether a job ended without all that was asked of it."""
    return bool(row["status"] != JobStatus.COMPLETED or row["pages_failed"] > 0)


def _refuse_without_source(rows: Sequence[Row]) -> None:
    """Refuse all when one cannot be done again: what is left out in silence is missed later."""
    gone = [row["id"] for row in rows if not _has_source(row)]
    if gone:
        shown = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        raise source_gone(f"The document of {shown}")


def _has_source(row: Row) -> bool:
    if row["is_deleted"]:
        return False
    return bool(row["has_document"] if row["document_id"] else row["source"].get("url"))


def _submission(row: Row, opener: Opener, password: str | None) -> Submission:
    spec: dict[str, Any] = row["spec"]
    options = Options.model_validate(spec.get("options", {}))
    deadline = spec.get("deadline_seconds")
    return Submission(
        operation=Operation(row["operation"]),
        source=_source(row, opener),
        options=options if password is None else options.model_copy(update={"password": password}),
        json_schema=spec.get("json_schema"),
        parameters=spec.get("parameters", {}),
        store=row["store"],
        priority=_PRIORITIES.get(row["priority"], Priority.NORMAL),
        metadata=row["metadata"],
        deadline=None if deadline is None else timedelta(seconds=deadline),
        webhook=_webhook(row, opener),
        template=TemplateRef(**spec["template"]) if "template" in spec else None,
        review=ReviewOptions.model_validate(spec["review"]) if "review" in spec else None,
    )


def _webhook(row: Row, opener: Opener) -> WebhookRef | None:
    """Return who was to be told, and is to be told of the new job too."""
    if row["webhook_url"] is None:
        return None
    sealed = row["sealed_webhook_secret"]
    own = None if sealed is None else opener.open(sealed, own_secret_owner(row["id"])).decode()
    return WebhookRef(row["webhook_url"], own)


def _source(row: Row, opener: Opener) -> SourceRef:
    if row["document_id"]:
        return FileRef(row["document_id"])
    return UrlRef(source_url(row["source"], opener, row["id"]))
