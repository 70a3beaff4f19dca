"""The objects that the API answers with. They document; rendering builds plain dicts of this shape."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from affidavit.accounts.principal import Scope
from affidavit.api.problems import JOB_CODES, RESPONSE_CODES
from affidavit.api.review_objects import ReviewSummary
from affidavit.documents.tombstone import Kind
from affidavit.engine.errors import Category
from affidavit.engine.spec import OcrEngineName, Operation
from affidavit.jobs.status import JobKind, JobStatus


class Answer(BaseModel):
    """An object as it is sent: every member is there, unless it says otherwise."""

    model_config = ConfigDict(extra="forbid")


class FileObject(Answer):
    """A stored file."""

    id: str
    filename: str | None
    media_type: Annotated[str, Field(description="By content; the name has no say.")]
    size_bytes: int
    sha256: str
    created_at: datetime


class PageProgress(Answer):
    """Pages of a job, or jobs of a batch."""

    total: Annotated[int | None, Field(description="Null until the document was opened.")]
    done: int
    failed: int


class ProgressObject(Answer):
    """How far a job is."""

    percent: Annotated[int, Field(ge=0, le=100)]
    stage: str | None
    message: str | None
    pages: PageProgress


class JobError(BaseModel):
    """Why a job failed."""

    code: Annotated[str, Field(json_schema_extra={"enum": list(JOB_CODES)})]
    message: Annotated[str, Field(description="What is wrong and what to do next.")]
    category: Category
    phase: str | None = None
    page: Annotated[int | None, Field(description="1-based; null when no page is to blame.")] = None
    retryable: bool


class PurgedObject(Answer):
    """Stored bytes of one kind that a deletion gave up."""

    kind: Kind
    count: int
    size_bytes: Annotated[int, Field(description="As stored, all together.")]
    sha256: Annotated[list[str], Field(description="One digest for each.")]


class ArtifactObject(Answer):
    """A file that a job made; its bytes are at `/v1/jobs/{job_id}/artifacts/{name}`."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


class ArtifactList(Answer):
    """The files that a job made, in their order."""

    items: list[ArtifactObject]


class TemplateRefObject(Answer):
    """The template that a job took its schema from, as it was then."""

    name: str
    version: int
    starter: Annotated[bool, Field(description="Whether it came with the package.")]


class JobObject(Answer):
    """A submission and how it stands."""

    id: str
    kind: JobKind
    operation: Annotated[str, Field(description="An operation of /v1/capabilities, or batch for a parent.")]
    status: JobStatus
    progress: ProgressObject
    queue_position: Annotated[
        int | None,
        Field(description="Jobs of its environment ahead of it, counted up to 200; null once it runs."),
    ]
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None
    retry_after_ms: Annotated[
        int | None, Field(description="When it is next worth asking; null when nothing will change.")
    ]
    result_available: bool
    result_url: str | None
    result_expires_at: datetime | None
    bundle_id: str | None
    manifest_sha256: str | None
    template: Annotated[
        TemplateRefObject | None, Field(description="Null when the job brought its own schema, or none.")
    ] = None
    review: ReviewSummary | None
    error: JobError | None
    retry_of: str | None
    parent_id: str | None
    file_id: str | None
    metadata: dict[str, str]
    deleted_at: Annotated[datetime | None, Field(description="When its content was deleted.")]
    deleted_by: Annotated[
        str | None,
        Field(
            description="The key that deleted it; null when the service did, as it does with store: false."
        ),
    ]
    purged: Annotated[list[PurgedObject] | None, Field(description="What was given up; null before.")]
    artifacts: Annotated[list[ArtifactObject], Field(description="Files that it made beside its result.")]
    child_batch_id: Annotated[
        str | None, Field(description="The batch of jobs that its completion made, as a split may.")
    ]
    children: Annotated[
        dict[str, int] | None, Field(description="Only with a batch: its jobs by status.")
    ] = None


class JobList(Answer):
    """A page of jobs, newest first."""

    items: list[JobObject]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class FieldProblem(Answer):
    """One offending field."""

    pointer: Annotated[str, Field(description="JSON Pointer into the request; a parameter as /NAME.")]
    message: str
    code: str


class Problem(BaseModel):
    """An error as RFC 9457 says. `code` is stable and from a closed list."""

    type: Annotated[str, Field(description="A URN made of the code.")]
    title: str
    status: int
    detail: Annotated[str, Field(description="What is wrong and what to do next.")]
    instance: Annotated[str, Field(description="The path that was asked for.")]
    code: Annotated[str, Field(json_schema_extra={"enum": list(RESPONSE_CODES)})]
    request_id: Annotated[str, Field(description="As in X-Request-Id; name it when you report.")]
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later.")]
    errors: list[FieldProblem]
    job_id: Annotated[str | None, Field(description="Only with codes about the state of a job.")] = None
    job_error: Annotated[JobError | None, Field(description="Only with JOB_FAILED.")] = None
    checks: Annotated[dict[str, Any] | None, Field(description="Only with NOT_READY.")] = None
    deleted_at: Annotated[
        datetime | None, Field(description="Only with FILE_DELETED and BUNDLE_DELETED.")
    ] = None
    deleted_by: Annotated[str | None, Field(description="Only with those: the key that did it.")] = None
    purged: Annotated[list[PurgedObject] | None, Field(description="Only with FILE_DELETED.")] = None


class LimitsObject(Answer):
    """What one request and one document may cost."""

    upload_bytes: int
    json_body_bytes: int
    pages: int
    pixels: int
    batch_items: int
    sync_wait_seconds: float
    deadline_seconds: int
    status_polls_per_second: float
    streams_per_key: int
    requests_per_second: Annotated[int, Field(description="Of one key, in each process.")]
    queued_pages: Annotated[int, Field(description="That one environment may have waiting: then 429.")]
    queue_seconds: Annotated[float, Field(description="That a job may wait for its start: then 503.")]
    bytes_per_page: Annotated[
        int, Field(description="By which pages are estimated until a document is open.")
    ]
    concurrent_uploads: Annotated[int, Field(description="In each process: then 503.")]


class Capabilities(Answer):
    """What this installation can do."""

    version: str
    operations: list[Operation]
    media_types: list[str]
    ocr_engines: list[OcrEngineName]
    models: Annotated[list[str], Field(description="What options.model may be.")]
    scopes: list[Scope]
    url_schemes: list[str]
    limits: LimitsObject


class CheckObject(BaseModel):
    """How one part is."""

    model_config = ConfigDict(extra="allow")

    ok: bool
    detail: str | None = None


class Checks(Answer):
    """The parts that a request needs."""

    database: CheckObject
    queue: CheckObject
    disk: CheckObject


class Readiness(Answer):
    """Ready to serve."""

    status: str
    checks: Checks


class Liveness(Answer):
    """The process answers."""

    status: str
