"""The state machines of jobs and of tasks, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class JobStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    REVIEW_REQUIRED = "review_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class TaskStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


class TaskKind(StrEnum):
    FETCH = "fetch"  # download a URL source
    READ = "read"  # read a batch of pages, and finish too when that is all of them
    FINISH = "finish"  # assemble, extract, ground


class JobKind(StrEnum):
    JOB = "job"
    BATCH = "batch"  # a parent: never claimed, processing from its insert


JOB_TRANSITIONS: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.QUEUED: frozenset({JobStatus.PROCESSING, JobStatus.CANCELED, JobStatus.FAILED}),
    JobStatus.PROCESSING: frozenset(
        {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REVIEW_REQUIRED, JobStatus.CANCELED}
    ),
    JobStatus.REVIEW_REQUIRED: frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
}

TASK_TRANSITIONS: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    TaskStatus.QUEUED: frozenset({TaskStatus.RUNNING, TaskStatus.CANCELED}),
    TaskStatus.RUNNING: frozenset(
        {TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELED, TaskStatus.QUEUED}
    ),
    TaskStatus.DONE: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELED: frozenset(),
}

TERMINAL: Final = frozenset(status for status, targets in JOB_TRANSITIONS.items() if not targets)


def job_sources(to: JobStatus) -> list[str]:
    """Return the states from which a job may move to `to`."""
    return sorted(status for status, targets in JOB_TRANSITIONS.items() if to in targets)


def task_sources(to: TaskStatus) -> list[str]:
    """Return the states from which a task may move to `to`."""
    return sorted(status for status, targets in TASK_TRANSITIONS.items() if to in targets)
