"""Find what an earlier job leaves to a later one: its document, how it was read, and the files it made.

Nothing is copied but names: the new job reads the same document, whose pages are found by their
checkpoints, so that no page is read again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import asyncpg

from affidavit.engine.operations import other_jobs
from affidavit.engine.spec import Options
from affidavit.errors import Conflict, FieldError, Gone, NotFound, RequestInvalid
from affidavit.infra.db import Database, scoped
from affidavit.jobs import artifacts
from affidavit.jobs.status import TERMINAL, JobKind, JobStatus
from affidavit.jobs.submission import FileRef, JobRef, Submission, Upload

READING: Final = ("pages", "ocr")  # the options that say how, and what of it, a document is read

_JOB: Final = scoped("""
SELECT j.kind, j.status, j.spec, j.document_id, j.deleted_at IS NOT NULL AS is_deleted,
    j.purged_at IS NOT NULL AS is_purged,
    EXISTS (SELECT FROM documents d WHERE d.id = j.document_id AND d.environment_id = scope.id
        AND d.deleted_at IS NULL OFFSET 0) AS has_document
FROM jobs j WHERE j.environment_id = scope.id AND j.id = $2
""")


async def resolve(db: Database, environment_id: str, submission: Submission) -> Submission:
    """Return the submission with the document that it means, read as it was read before.

    Options of reading that the caller set stay as they are. Raises NotFound; Gone SOURCE_GONE; Conflict
    JOB_NOT_FINISHED for a job that has not fetched its document yet; RequestInvalid for a batch.
    """
    for job_id in other_jobs(submission.operation, submission.parameters):
        _require_end(await _job(db, environment_id, job_id))
    source = submission.source
    if not isinstance(source, JobRef):
        return submission
    row = await _job(db, environment_id, source.job_id)
    if source.artifact is not None:
        upload = await _artifact(db, environment_id, row, source.job_id, source.artifact)
        return replace(submission, source=upload)
    options = _read_as(Options.model_validate(row["spec"].get("options", {})), submission.options)
    document = replace(_document(row), of_job=source.job_id)
    return replace(submission, source=document, options=options)


def source_gone(what: str = "The document of this job") -> Gone:
    """Return the refusal of a job whose document was deleted."""
    return Gone(f"{what} is no longer stored. Submit the document again.", code="SOURCE_GONE")


async def _job(db: Database, environment_id: str, job_id: str) -> asyncpg.Record:
    row = await db.fetch_row_in(environment_id, _JOB, job_id)
    if row is None:
        raise NotFound("job")
    if row["kind"] == JobKind.BATCH:
        message = "is a batch, which has no document of its own; name one of its jobs"
        raise RequestInvalid(
            f"source.job_id {message}.", errors=[FieldError("/source/job_id", message, "batch")]
        )
    return row


def _require_end(row: asyncpg.Record) -> None:
    """Refuse a job whose document cannot be looked at, or not yet."""
    _document(row)
    if JobStatus(row["status"]) is not JobStatus.COMPLETED:
        raise Conflict(
            "The earlier job has not completed, so its pages are not all there. Wait for its end.",
            code="JOB_NOT_FINISHED",
        )


def _document(row: asyncpg.Record) -> FileRef:
    if row["is_deleted"]:
        raise source_gone()
    if row["document_id"] is None and JobStatus(row["status"]) not in TERMINAL:
        raise Conflict(
            "The earlier job has not fetched its document yet. Wait for its end.",
            code="JOB_NOT_FINISHED",
            retry_after=1,
        )
    if not row["has_document"]:
        raise source_gone()
    return FileRef(row["document_id"])


async def _artifact(db: Database, environment_id: str, row: asyncpg.Record, job_id: str, name: str) -> Upload:
    if row["is_purged"] or row["is_deleted"]:
        raise source_gone("This file")
    if JobStatus(row["status"]) not in TERMINAL:
        raise Conflict(
            "The earlier job has not ended, so its files are not there yet. Wait for its end.",
            code="JOB_NOT_FINISHED",
            retry_after=1,
        )
    found = await artifacts.find(db, environment_id, job_id, name)
    if found is None:
        raise NotFound("artifact")
    return Upload(found.sha256, found.size_bytes, found.media_type, found.name)


def _read_as(earlier: Options, wanted: Options) -> Options:
    kept = {name: getattr(earlier, name) for name in READING if name not in wanted.model_fields_set}
    return wanted.model_copy(update=kept)
