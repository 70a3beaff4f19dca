"""What the service answers with. New members of later servers are kept, not refused."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Loose(BaseModel):
    """An answer: immutable; what this version does not know is in `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")


class JobStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    REVIEW_REQUIRED = "review_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


RESTING = frozenset(
    {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.REVIEW_REQUIRED}
)  # nothing more happens by itself


ENDED = RESTING - {JobStatus.REVIEW_REQUIRED}


class PageProgress(Loose):
    total: int | None = None
    done: int = 0
    failed: int = 0


class Progress(Loose):
    """How far a job is. `percent` is 0 to 100."""

    percent: float = 0
    stage: str | None = None
    message: str | None = None
    pages: PageProgress = PageProgress()


class JobError(Loose):
    """Why a job failed. `category` says who can do something about it."""

    code: str
    message: str
    category: str | None = None
    phase: str | None = None
    page: int | None = None
    retryable: bool = False


class Purged(Loose):
    """Stored bytes of one kind that a deletion gave up."""

    kind: str
    count: int
    size_bytes: int
    sha256: list[str] = Field(default_factory=list)


class Artifact(Loose):
    """A file that a job made."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


class Review(Loose):
    """How the review of a job stands: pending, approved or rejected."""

    status: str
    threshold: int
    flagged: int
    version: int
    reviewer: str | None = None
    key_id: str | None = None
    decided_at: datetime | None = None


class TemplateRef(Loose):
    """The template that a job took its schema from, as it was then."""

    name: str
    version: int
    starter: bool = False


class Job(Loose):
    id: str
    kind: str = "job"
    operation: str
    status: JobStatus
    progress: Progress = Progress()
    queue_position: int | None = None
    created_at: datetime
    started_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    retry_after_ms: int | None = None
    result_available: bool = False
    result_url: str | None = None
    result_expires_at: datetime | None = None
    bundle_id: str | None = None
    manifest_sha256: str | None = None
    review: Review | None = None
    template: TemplateRef | None = None
    error: JobError | None = None
    retry_of: str | None = None
    parent_id: str | None = None
    file_id: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    purged: list[Purged] | None = None
    children: dict[str, int] | None = None
    artifacts: list[Artifact] = Field(default_factory=list)
    child_batch_id: str | None = None

    @property
    def is_resting(self) -> bool:
        """Whether the job has ended, or waits for a person."""
        return self.status in RESTING


class Event(Loose):
    """Something that happened to a job. `seq` counts its transitions from 1; other events have none.

    `name` is `job.` and a status for a transition, `job` for the job as it then is, or `progress`.
    """

    name: str
    seq: int | None = None
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def job(self) -> Job | None:
        """The job as it is now, with an event of that name."""
        return Job.model_validate(self.data) if self.name == "job" else None

    @property
    def progress(self) -> Progress | None:
        """How far the job is, with an event of that name."""
        return Progress.model_validate(self.data) if self.name == "progress" else None


class JobPage(Loose):
    items: list[Job]
    next_cursor: str | None = None


class FileInfo(Loose):
    id: str
    filename: str | None = None
    media_type: str | None = None
    size_bytes: int
    sha256: str
    created_at: datetime | None = None


class Template(Loose):
    """A version of a template; in a list without its schema. A starter comes with the service."""

    id: str | None = None
    name: str
    version: int
    starter: bool = False
    description: str = ""
    json_schema: dict[str, Any] = Field(default_factory=dict, alias="schema")
    options: dict[str, Any] = Field(default_factory=dict)
    review: dict[str, Any] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class TemplatePage(Loose):
    items: list[Template]
    next_cursor: str | None = None


class FieldError(Loose):
    """One offending member of a request; `pointer` is a JSON Pointer into it."""

    pointer: str = ""
    message: str
    code: str | None = None


class Problem(Loose):
    """An error of the service (RFC 9457)."""

    status: int
    code: str
    title: str = ""
    detail: str = ""
    request_id: str | None = None
    retryable: bool = False
    errors: list[FieldError] = Field(default_factory=list)


class Citation(Loose):
    """The words on a page that a value came from. `box` is (x0, y0, x1, y1) in page units."""

    page: int
    box: tuple[float, float, float, float]
    quote: str
    match: str | None = None


class FieldValue(Loose):
    """A value with its evidence. `confidence` is 0 to 100."""

    value: Any = None
    confidence: float | None = None
    citations: list[Citation] = Field(default_factory=list)


class Result(Loose):
    """What was read. `fields` is keyed by path in `data`: `total`, `lines[0].quantity`.

    What one operation alone has to say is in its own member, None for all others.
    """

    markdown: str = ""
    pages: list[dict[str, Any]] = Field(default_factory=list)
    tables: list[dict[str, Any]] = Field(default_factory=list)
    data: Any = None
    fields: dict[str, FieldValue] = Field(default_factory=dict)
    ungrounded_fields: list[str] = Field(default_factory=list)
    confidence: float | None = None
    data_schema: dict[str, Any] | None = None
    schema_violations: list[dict[str, Any]] = Field(default_factory=list)
    split: dict[str, Any] | None = None
    classification: dict[str, Any] | None = None
    generated: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None
    claims: dict[str, Any] | None = None
    translation: dict[str, Any] | None = None
    forms: dict[str, Any] | None = None
    steps: list[dict[str, Any]] | None = None
    artifacts: list[Artifact] = Field(default_factory=list)
    completeness: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    engine: dict[str, Any] = Field(default_factory=dict)
    usage: dict[str, Any] = Field(default_factory=dict)
