"""Say why a task failed, and how many tries such a failure is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from affidavit.engine.errors import EngineError, PagesFailed
from affidavit.infra.blobs import BlobCorrupt, BlobMissing, StoreUnavailable
from affidavit.infra.drafts import FULL
from affidavit.infra.fetch import FetchError
from affidavit.infra.sandbox import Ending, Outcome
from affidavit.jobs.claim import JobError
from affidavit.jobs.workspace import OutputRejected

# How often a task may end this way before its job fails; what is not here has the whole budget.
# The same bytes in the same walls run out of the same memory and time again.
TRIES: Final[Mapping[Ending, int]] = {
    Ending.OUT_OF_MEMORY: 1,
    Ending.OVERFLOWED: 1,
    Ending.TOO_MANY_FILES: 1,
    Ending.TIMED_OUT: 1,
    Ending.NO_PROCESS: 2,
    Ending.NO_PROGRESS: 2,
    Ending.CRASHED: 2,
}
UNLIMITED: Final = 1 << 30  # as many as the installation grants

INTERNAL: Final = JobError(
    code="INTERNAL",
    message="The worker failed while it handled this job. Try again; if it stays so, report the job's id.",
    category="internal",
    retryable=True,
)
STORAGE: Final = JobError(
    code="STORAGE_UNAVAILABLE",
    message="The blob store could not be used. Try again later.",
    category="internal",
    retryable=True,
)
SOURCE_LOST: Final = JobError(
    code="SOURCE_LOST",
    message="The stored document is damaged or gone. Send it again.",
    category="internal",
)
BAD_OUTPUT: Final = JobError(
    code="ENGINE_CRASHED",
    message="The engine returned something that does not verify.",
    category="engine",
    retryable=True,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A failure of a task. `tries`: how often the task may fail like this, this time included."""

    error: JobError
    tries: int = UNLIMITED


def of_exception(error: Exception) -> Verdict:
    """Judge what went wrong in the worker's own part."""
    match error:
        case EngineError():
            found = JobError(
                error.code, error.message, error.category, page=error.page, retryable=error.retryable
            )
            return Verdict(found, tries=1)
        case FetchError():
            return Verdict(
                JobError(error.code, str(error), "source", phase="fetch", retryable=error.retryable)
            )
        case OutputRejected():
            return Verdict(BAD_OUTPUT, TRIES[Ending.CRASHED])
        case BlobMissing() | BlobCorrupt():
            return Verdict(SOURCE_LOST, tries=1)
        case StoreUnavailable() | OSError() if _is_storage(error):
            return Verdict(STORAGE)
        case _:
            return Verdict(INTERNAL)


def _is_storage(error: Exception) -> bool:
    """Tell whether it is the store, or a full disk under the folder of the task."""
    return not isinstance(error, OSError) or error.errno in FULL


def of_outcome(outcome: Outcome, *, stage: str | None, page: int | None) -> Verdict:
    """Judge how a child failed; `stage` and `page` are where it was."""
    failure = outcome.failure
    assert failure is not None
    refused = outcome.ending is Ending.REFUSED
    error = JobError(
        code=failure.code,
        message=failure.message,
        category=failure.category,
        phase=stage,
        page=page if failure.page is None and not refused else failure.page,
        retryable=failure.retryable,
    )
    # Lost pages are the caller's to decide about, as they are when a document has many batches.
    tries = 1 if refused and failure.code == PagesFailed.code else TRIES.get(outcome.ending, UNLIMITED)
    return Verdict(error, tries)
