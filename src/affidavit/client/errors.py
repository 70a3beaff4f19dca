"""What can go wrong between a caller and the service.

AffidavitError
 ├─ ApiError          the service refused; `problem` says why and what to do
 │   └─ ResultExpired     the result was there and has been purged
 │       └─ ResultDeleted    because someone deleted the content of the job
 ├─ ConnectionFailed  the service could not be reached, also after retries
 ├─ JobFailed         the job ended without a result; `error` says why
 ├─ JobCanceled       the job was canceled
 ├─ ReviewRequired    a person has to look at the job first
 └─ WaitTimeout       the job is still running; `job` is its last known state
"""

from __future__ import annotations

from affidavit.client.models import Job, JobError, Problem


class AffidavitError(Exception):
    """Base of everything that this client raises on purpose."""


class ApiError(AffidavitError):
    """`retry_after` is in seconds, None when the service did not say."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        said = problem.detail or problem.title
        fields = "".join(
            f"\n  {error.pointer or '/'}" + ("" if error.message in said else f": {error.message}")
            for error in problem.errors
        )
        super().__init__(f"{problem.code} ({problem.status}): {said}{fields}")
        self.problem = problem
        self.retry_after = retry_after


class ResultExpired(ApiError):
    pass


class ResultDeleted(ResultExpired):
    pass


class ConnectionFailed(AffidavitError):
    pass


class JobFailed(AffidavitError):
    def __init__(self, job_id: str, error: JobError | None, job: Job | None = None) -> None:
        super().__init__(f"{error.code}: {error.message}" if error else f"job {job_id} failed")
        self.job_id = job_id
        self.error = error
        self.job = job


class JobCanceled(AffidavitError):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} was canceled")
        self.job_id = job_id


class ReviewRequired(AffidavitError):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} waits for a review; its result is there afterwards")
        self.job_id = job_id


class WaitTimeout(AffidavitError):
    def __init__(self, job: Job, seconds: float) -> None:
        super().__init__(f"job {job.id} was still {job.status} after {seconds:g} seconds")
        self.job = job
