"""A job as the outside sees it, and when it is worth asking again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

from affidavit.errors import Gone
from affidavit.jobs.status import TERMINAL, JobKind, JobStatus

SOONEST_MS: Final = 250
LATEST_MS: Final = 15_000
LATEST_QUEUED_MS: Final = 60_000  # a long queue moves slowly
# A guess for a job that has shown no pace of its own yet: what one queued document takes.
QUEUED_MS: Final = 400
STAGE_MS: Final[Mapping[str, int]] = {"fetch": 1000, "open": 250, "ocr": 1500, "read": 300, "finish": 250}


@dataclass(frozen=True, slots=True)
class JobView:
    """One job. `error` is as stored; `children` counts a batch's items by status."""

    id: str
    kind: JobKind
    operation: str
    status: JobStatus
    percent: int
    stage: str | None
    message: str | None
    pages_total: int | None
    pages_done: int
    pages_failed: int
    queue_position: int | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    completed_at: datetime | None
    result_available: bool
    result_expires_at: datetime | None
    bundle_id: str | None
    manifest_sha256: str | None
    review: dict[str, Any] | None
    error: dict[str, Any] | None
    retry_of: str | None
    parent_id: str | None
    file_id: str | None
    metadata: dict[str, str]
    retry_after_ms: int | None
    event_seq: int
    children: dict[str, int] | None = None
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    purged: list[dict[str, Any]] | None = None
    template: dict[str, Any] | None = None
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    child_batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; pages of a job, jobs of a batch."""

    percent: int
    stage: str | None
    message: str | None
    pages_total: int | None
    pages_done: int
    pages_failed: int
    children: dict[str, int] | None = None

    @classmethod
    def of(cls, view: JobView) -> Self:
        """Return the progress of a job that was read as a whole."""
        return cls(
            view.percent,
            view.stage,
            view.message,
            view.pages_total,
            view.pages_done,
            view.pages_failed,
            view.children,
        )

    @classmethod
    def of_batch(cls, children: dict[str, int]) -> Self:
        """Return the progress of a batch with so many jobs in each status."""
        total = sum(children.values())
        failed = children.get(JobStatus.FAILED, 0)
        ended = failed + children.get(JobStatus.COMPLETED, 0) + children.get(JobStatus.CANCELED, 0)
        percent = 100 * ended // total if total else 100
        return cls(percent, None, None, total, ended, failed, children)

    def is_news_after(self, shown: Progress) -> bool:
        """Tell whether it differs, and is not an older count of a batch's items."""
        if shown.children is not None and (self.children is None or self.pages_done < shown.pages_done):
            return False
        return self != shown


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look at a job's row tells. The progress of a batch needs its items to be counted."""

    status: JobStatus
    event_seq: int
    progress: Progress

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.status in TERMINAL or self.status is JobStatus.REVIEW_REQUIRED

    def with_children(self, children: dict[str, int] | None) -> Glance:
        """Return the same with the progress of a batch whose items were counted."""
        if children is None or self.progress.children is not None:
            return self
        return replace(self, progress=Progress.of_batch(children))


@dataclass(frozen=True, slots=True)
class Transition:
    """One move of a job, as its log has it; `seq` counts from 1 within the job."""

    seq: int
    type: str
    status: JobStatus
    detail: dict[str, Any]
    at: datetime


def retry_after_ms(
    *,
    status: JobStatus,
    stage: str | None,
    queue_position: int | None,
    pages_total: int | None,
    pages_done: int,
    running_ms: float,
) -> int | None:
    """Estimate when the job's status is next worth asking for; None when it will not change.

    A running job is judged by its own pace: a quarter of what its remaining pages should take, so
    that a poller sees a handful of steps and learns of the end soon after it.
    """
    if status in TERMINAL or status is JobStatus.REVIEW_REQUIRED:
        return None
    if status is JobStatus.QUEUED:
        return _bounded(SOONEST_MS + QUEUED_MS * (queue_position or 0))
    if pages_total and pages_done:
        return _bounded(running_ms / pages_done * (pages_total - pages_done) / 4)
    return _bounded(STAGE_MS.get(stage or "", 500))


def queued_hint_ms(seconds: float) -> int:
    """Return when to ask again for a job that probably waits so long: half of it, as it may be sooner."""
    return int(min(max(seconds * 500, SOONEST_MS), LATEST_QUEUED_MS))


def _bounded(milliseconds: float) -> int:
    return int(min(max(milliseconds, SOONEST_MS), LATEST_MS))


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What to list: every part that is given must hold. Metadata pairs must all be equal."""

    status: JobStatus | None = None
    operation: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    parent_id: str | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and the cursor of the next page when there is one."""

    items: list[JobView]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StoredResult:
    """Where a result is: a zstd-compressed JSON blob of the environment. Size in bytes as stored."""

    sha256: str
    size_bytes: int
    store: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submission made, or what an earlier one with the same key had made."""

    job: JobView
    replayed: bool


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """How the queue stands: due tasks, the age of the oldest, and whether the bell rings."""

    queued: int
    oldest_seconds: float | None
    bell: bool


def refuse_gone(*, is_deleted: bool, is_available: bool) -> None:
    """Raise Gone RESULT_DELETED or RESULT_EXPIRED for a result that is no longer kept."""
    if is_deleted:
        raise Gone("The content of this job was deleted. Submit the document again.", code="RESULT_DELETED")
    if not is_available:
        raise Gone("The result has expired and was removed. Submit the job again.", code="RESULT_EXPIRED")
