"""Read answers: each function takes a Reply apart, or raises what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from affidavit.client.errors import (
    ApiError,
    JobCanceled,
    JobFailed,
    ResultDeleted,
    ResultExpired,
    ReviewRequired,
)
from affidavit.client.models import (
    FileInfo,
    Job,
    JobError,
    JobPage,
    Loose,
    Problem,
    Result,
    Template,
    TemplatePage,
)

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in parts. The names of `headers` are in lower case; `path` is what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    path: str = ""


def reading(model: type[M]) -> Callable[[Reply], M]:
    """Return what reads a success as a model, and raises as `_read`."""
    return lambda answer: _read(model, answer)


def file(answer: Reply) -> FileInfo:
    return _read(FileInfo, answer)


def job(answer: Reply) -> Job:
    """Read a job; the Retry-After header stands in when the job itself has no hint."""
    found = _read(Job, answer)
    hint = retry_after(answer)
    if found.retry_after_ms is None and hint is not None and not found.is_resting:
        return found.model_copy(update={"retry_after_ms": int(hint * 1000)})
    return found


def job_page(answer: Reply) -> JobPage:
    return _read(JobPage, answer)


def template(answer: Reply) -> Template:
    return _read(Template, answer)


def template_page(answer: Reply) -> TemplatePage:
    return _read(TemplatePage, answer)


def result(answer: Reply) -> Result:
    return _read(Result, answer)


def job_or_result(answer: Reply) -> Job | Result:
    """Read a synchronous answer: the result, or the job when the service would not wait longer."""
    found = members(answer)
    return job(answer) if "status" in found and "id" in found else result(answer)


def members(answer: Reply) -> dict[str, Any]:
    return dict(_read(Loose, answer).model_extra or {})


def content(answer: Reply) -> bytes:
    return _good(answer).body


def nothing(answer: Reply) -> None:
    _good(answer)


def retry_after(answer: Reply) -> float | None:
    """Return the seconds of Retry-After, a number or a date; None when it is absent or neither."""
    text = answer.headers.get("retry-after", "").strip()
    try:
        if text.isdecimal():
            return float(text)
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, math.ceil((moment - datetime.now(UTC)).total_seconds()))


def _good(answer: Reply) -> Reply:
    """Return the answer if it is a success. Raises ApiError, JobFailed, JobCanceled, ReviewRequired."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    problem = problem_of(answer)
    job_id = str((problem.model_extra or {}).get("job_id") or _job_id(answer.path))
    match problem.code:
        case "JOB_FAILED":
            raise JobFailed(job_id, _job_error(problem))
        case "JOB_CANCELED":
            raise JobCanceled(job_id)
        case "REVIEW_REQUIRED":
            raise ReviewRequired(job_id)
        case "RESULT_EXPIRED":
            raise ResultExpired(problem)
        case "RESULT_DELETED":
            raise ResultDeleted(problem)
        case _:
            raise ApiError(problem, retry_after(answer))


def _read(model: type[M], answer: Reply) -> M:
    """Read the body of a success. Raises as `_good`, and ApiError for what is not the service's."""
    try:
        return model.model_validate_json(_good(answer).body)
    except ValidationError:
        raise ApiError(_unexpected(answer)) from None


def problem_of(answer: Reply) -> Problem:
    """Read a problem+json; what a proxy in between answered in its own words becomes one too."""
    try:
        return Problem.model_validate_json(answer.body)
    except ValidationError:
        return _unexpected(answer)


def _unexpected(answer: Reply) -> Problem:
    return Problem(
        status=answer.status,
        code="UNEXPECTED_ANSWER",
        title=f"HTTP {answer.status}",
        detail="The answer is not one of Affidavit's. Check the base URL and what is in between.",
        retryable=answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def _job_error(problem: Problem) -> JobError:
    given = (problem.model_extra or {}).get("job_error")
    if isinstance(given, dict) and {"code", "message"} <= given.keys():
        return JobError.model_validate(given)
    return JobError(code=problem.code, message=problem.detail or problem.title)


def _job_id(path: str) -> str:
    match path.split("/"):
        case ["", "v1", "jobs", job_id, *_]:
            return job_id
        case _:
            return ""
