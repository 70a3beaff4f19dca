"""How a run in the sandbox can end, and what a caller is told of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Ending(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    REFUSED = "refused"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    NO_PROCESS = "no_process"
    OVERFLOWED = "overflowed"
    TOO_MANY_FILES = "too_many_files"
    NO_PROGRESS = "no_progress"
    TIMED_OUT = "timed_out"
    KILLED = "killed"
    HOST_LOST = "host_lost"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller is told of a run that did not finish."""

    code: str
    message: str
    retryable: bool
    category: str = "engine"
    page: int | None = None


# All but a refusal, which brings its own. Retryable: time and memory pressure may be another's
# doing, a crash may be a race, and pages that were announced are not read again. The address
# space is the child's own, so the same document would pass the limit again.
FAILURES: Final[dict[Ending, Failure]] = {
    Ending.CRASHED: Failure(
        "ENGINE_CRASHED", "The engine crashed while it read this document.", retryable=True
    ),
    Ending.OUT_OF_MEMORY: Failure(
        "ENGINE_OUT_OF_MEMORY",
        "Reading this document takes more memory than this installation allows. Ask for fewer pages, "
        "or send images at a lower resolution.",
        retryable=False,
    ),
    Ending.NO_PROCESS: Failure(
        "ENGINE_PROCESS_LIMIT",
        "Reading this document takes more processes than this installation allows.",
        retryable=True,
    ),
    Ending.OVERFLOWED: Failure(
        "ENGINE_DISK_LIMIT",
        "Reading this document writes more to the disk than this installation allows. Ask for fewer pages.",
        retryable=False,
    ),
    Ending.TOO_MANY_FILES: Failure(
        "ENGINE_FILE_LIMIT",
        "Reading this document makes more files than this installation allows. Ask for fewer pages.",
        retryable=False,
    ),
    Ending.NO_PROGRESS: Failure(
        "ENGINE_STALLED", "The engine made no progress on this document for too long.", retryable=True
    ),
    Ending.TIMED_OUT: Failure(
        "ENGINE_TIMEOUT", "Reading this document took too long. Ask for fewer pages.", retryable=True
    ),
    Ending.KILLED: Failure(
        "ENGINE_KILLED", "The engine was stopped while it read this document.", retryable=True
    ),
    Ending.HOST_LOST: Failure(
        "ENGINE_HOST_LOST",
        "The engine's process ended while it read this document.",
        retryable=True,
        category="internal",
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run. `failure` is None when it finished.

    `signal` and `exit_code` are the child's where it ended by itself; `trace` names the exception
    type and code lines of a crash, never text of the document.
    """

    ending: Ending
    failure: Failure | None = None
    signal: int | None = None
    exit_code: int | None = None
    trace: str = ""
    maxrss_bytes: int = 0
    cpu_seconds: float = 0.0
