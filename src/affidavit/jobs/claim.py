"""What a worker holds while it works on a task, and what it may report about it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from affidavit.jobs.status import TaskKind


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """The bytes to read. The hash names the blob."""

    id: str
    sha256: str
    size_bytes: int
    filename: str | None
    media_type: str


@dataclass(frozen=True, slots=True)
class SealedJob:
    """The bundle of the job that this one does again: retried, or named as the source."""

    bundle_id: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A task under lease. `attempt` is the fence: once it is stale, nothing that it reports counts.

    `asked_at` is when the lease was asked for, by this machine's monotonic clock in seconds; `vstart` is
    the task's place in its environment.
    """

    asked_at: float
    task_id: str
    job_id: str
    environment_id: str
    kind: TaskKind
    n: int
    attempt: int
    failures: int
    crashes: int
    pages: tuple[int, ...] | None
    operation: str
    spec: Mapping[str, Any]
    source: Mapping[str, Any]
    store: bool
    priority: int
    submitted_at: datetime
    parent_id: str | None
    document: SourceDocument | None
    sealed_password: bytes | None
    media_type: str | None
    page_count: int | None
    vstart: int = 0
    request_id: str | None = None  # of the submission, for logs and traces
    traceparent: str | None = None
    age_seconds: float = 0.0  # of the job when it was claimed, by the database's clock
    left_seconds: float | None = None  # to the job's deadline, then and by the same clock
    metadata: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    retry_of: str | None = None
    earlier: SealedJob | None = None

    def now(self) -> datetime:
        """Return the database's time: what it was at the claim, and what our own clock counts since."""
        since = time.monotonic() - self.asked_at
        return self.submitted_at + timedelta(seconds=self.age_seconds + since)

    @property
    def is_first(self) -> bool:
        """Tell whether nothing of the job was claimed before."""
        return self.n == 1 and self.attempt == 1


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: what `error` of the job shows."""

    code: str
    message: str
    category: str
    phase: str | None = None
    page: int | None = None
    retryable: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the object as it is stored and served."""
        return {
            "code": self.code,
            "message": self.message,
            "category": self.category,
            "phase": self.phase,
            "page": self.page,
            "retryable": self.retryable,
        }


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page that was read and whose blobs are stored."""

    number: int
    sha256: str
    size_bytes: int
    source: str
    image_sha256: str | None = None
    image_size_bytes: int | None = None
    image_width: int | None = None
    image_height: int | None = None
    image_crc32: int | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The image of a page; the CRC-32 is None where nobody has counted it yet."""

    sha256: str
    size_bytes: int
    crc32: int | None


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page that was read before, and its image, if it has one."""

    sha256: str
    size_bytes: int
    image: StoredImage | None = None


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Bytes that lie in the blob store."""

    sha256: str
    size_bytes: int
    crc32: int = 0


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that the job made and whose blob is stored."""

    name: str
    media_type: str
    sha256: str
    size_bytes: int
    crc32: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """News of a task since the last report; `pages_done` counts from the start of the task."""

    stage: str | None = None
    message: str | None = None
    pages_done: int = 0
    failed: tuple[Mapping[str, Any], ...] = ()
    read: tuple[ReadPage, ...] = field(default=())


class Beat(Enum):
    """What a heartbeat learned."""

    HELD = auto()
    LOST = auto()  # another worker has the task now
    ENDED = auto()  # the job was canceled, or failed elsewhere


class Fenced(Exception):
    """The task is no longer ours; discard what was done and stop quietly."""


@dataclass(frozen=True, slots=True)
class ExecutionPolicy:
    """Budgets and times of tasks. Lease and beat are by the database's clock."""

    lease: timedelta = timedelta(seconds=20)  # four missed heartbeats
    heartbeat: timedelta = timedelta(seconds=5)
    max_failures: int = 3
    max_crashes: int = 3
    max_attempts: int = 25  # of any kind, before a lease that dies once more is the document's fault
    batch_pages: int = 8
    deadline_base: timedelta = timedelta(hours=1)
    deadline_page: timedelta = timedelta(seconds=30)
    result_ttl: timedelta = timedelta(days=7)
    unstored_ttl: timedelta = timedelta(hours=1)


# Waits before the next try, by what was spent; the last one repeats. A crash is retried at once
# the first time: it is most often the worker's machine that went away.
FAILURE_BACKOFF: Final = (timedelta(seconds=1), timedelta(seconds=10), timedelta(seconds=60))
CRASH_BACKOFF: Final = (timedelta(0), timedelta(seconds=5), timedelta(seconds=30))


def backoff(steps: tuple[timedelta, ...], spent: int) -> timedelta:
    """Return the wait after the `spent`-th loss, counted from 1."""
    return steps[min(spent, len(steps)) - 1]
