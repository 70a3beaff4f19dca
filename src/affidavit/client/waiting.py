"""Wait for a job: what to ask next, and how long to pause before. Pure: the clock is passed in."""

from __future__ import annotations

from collections.abc import Callable

from affidavit.client.call import Call, get_job
from affidavit.client.errors import JobCanceled, JobFailed, WaitTimeout
from affidavit.client.models import Job, JobStatus

LONG_POLL_SECONDS = 20.0  # well below what proxies cut off
SHORTEST_PAUSE_SECONDS = 0.1  # also when the service gives no hint, or none that helps

OnJob = Callable[[Job], None]


class Waiting:
    """One wait for one job.

    Without a listener, requests are held by the service until the job ends. With one, they are held
    as long as the service's own hint says, so that progress shows.
    """

    def __init__(self, job_id: str, timeout: float | None, on_progress: OnJob | None, now: float) -> None:
        self._job_id = job_id
        self._timeout = timeout
        self._deadline = None if timeout is None else now + timeout
        self._on_progress = on_progress
        self._hint = SHORTEST_PAUSE_SECONDS
        self._asked_at = now

    def ask(self, now: float) -> Call[Job]:
        """Return the next request."""
        self._asked_at = now
        hold = LONG_POLL_SECONDS if self._on_progress is None else self._hint
        if self._deadline is not None:
            hold = min(hold, max(0.0, self._deadline - now))
        return get_job(self._job_id, round(hold, 3))

    def take(self, job: Job, now: float) -> float | None:
        """Return how long to pause before the next request, or None when the job rests.

        Raises WaitTimeout.
        """
        if self._on_progress is not None:
            self._on_progress(job)
        if job.is_resting:
            return None
        if self._deadline is not None and now >= self._deadline:
            raise WaitTimeout(job, self._timeout or 0)
        self._hint = max(SHORTEST_PAUSE_SECONDS, (job.retry_after_ms or 0) / 1000)
        pause = max(0.0, self._hint - (now - self._asked_at))
        if self._deadline is not None:
            pause = min(pause, max(0.0, self._deadline - now))
        return pause


def settled(job: Job) -> Job:
    """Return a job that completed or waits for review. Raises JobFailed, JobCanceled."""
    if job.status is JobStatus.FAILED:
        raise JobFailed(job.id, job.error, job)
    if job.status is JobStatus.CANCELED:
        raise JobCanceled(job.id)
    return job
