"""Turn views into responses: one dict, serialised once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response

from affidavit.api.problems import PROBLEMS, TYPE_PREFIX, status_of
from affidavit.documents.service import FileView
from affidavit.errors import FieldError
from affidavit.infra import metrics
from affidavit.jobs.status import JobKind
from affidavit.jobs.views import Accepted, JobPage, JobView, Progress, Transition

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"

# Stored files are shown by whoever downloads them, never by our origin.
DOWNLOAD_HEADERS: Final = {
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
}


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Serialise a body of plain values; datetimes become RFC 3339 in UTC."""
    return Response(to_json(body), status, headers, JSON)


def job_response(
    view: JobView, public_url: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Render a job with the headers that point at it and say when to ask again."""
    named = dict(headers or {})
    if view.retry_after_ms is not None:
        named["retry-after"] = str(math.ceil(view.retry_after_ms / 1000))
    return json_response(render_job(view, public_url), status, named)


def accepted_response(accepted: Accepted, public_url: str, *, is_late: bool = False) -> Response:
    """Render the job: 202 when it was accepted or is not done yet, 200 when it is an earlier one."""
    status = 200 if accepted.replayed and not is_late else 202
    headers = {"location": job_path(accepted.job.id)} | replayed_header(accepted)
    return job_response(accepted.job, public_url, status, headers)


def replayed_header(accepted: Accepted) -> dict[str, str]:
    """Return the header that tells a replay apart, or none."""
    return {"idempotent-replayed": "true"} if accepted.replayed else {}


def render_job(view: JobView, public_url: str) -> dict[str, Any]:
    """Return the job object of DESIGN section 3; `children` only for a batch."""
    body = {
        "id": view.id,
        "kind": view.kind,
        "operation": view.operation,
        "status": view.status,
        "progress": render_progress(replace(Progress.of(view), children=None)),
        "queue_position": view.queue_position,
        "created_at": view.created_at,
        "started_at": view.started_at,
        "updated_at": view.updated_at,
        "completed_at": view.completed_at,
        "retry_after_ms": view.retry_after_ms,
        "result_available": view.result_available,
        "result_url": f"{public_url}{job_path(view.id)}/result" if view.result_available else None,
        "result_expires_at": view.result_expires_at,
        "bundle_id": view.bundle_id,
        "manifest_sha256": view.manifest_sha256,
        "template": render_template_ref(view.template),
        "review": view.review,
        "error": view.error,
        "retry_of": view.retry_of,
        "parent_id": view.parent_id,
        "file_id": view.file_id,
        "metadata": view.metadata,
        "deleted_at": view.deleted_at,
        "deleted_by": view.deleted_by,
        "purged": view.purged,
        "artifacts": view.artifacts,
        "child_batch_id": view.child_batch_id,
    }
    if view.kind is JobKind.BATCH:
        body["children"] = view.children or {}
    return body


def render_template_ref(template: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return which template a job took its schema from."""
    if template is None:
        return None
    return {"name": template["name"], "version": template["version"], "starter": template["id"] is None}


def render_progress(progress: Progress) -> dict[str, Any]:
    """Return the progress member of a job; `children` only for a batch."""
    body: dict[str, Any] = {
        "percent": progress.percent,
        "stage": progress.stage,
        "message": progress.message,
        "pages": {
            "total": progress.pages_total,
            "done": progress.pages_done,
            "failed": progress.pages_failed,
        },
    }
    return body if progress.children is None else {**body, "children": progress.children}


def render_transition(job_id: str, transition: Transition) -> dict[str, Any]:
    """Return one move of a job."""
    return {
        "job_id": job_id,
        "seq": transition.seq,
        "type": transition.type,
        "status": transition.status,
        "at": transition.at,
        "detail": transition.detail,
    }


def render_page(page: JobPage, public_url: str) -> dict[str, Any]:
    """Return a page of jobs, newest first."""
    return {
        "items": [render_job(view, public_url) for view in page.items],
        "next_cursor": page.next_cursor,
    }


def render_file(view: FileView) -> dict[str, Any]:
    """Return the file object."""
    return {
        "id": view.id,
        "filename": view.filename,
        "media_type": view.media_type,
        "size_bytes": view.size_bytes,
        "sha256": view.sha256,
        "created_at": view.created_at,
    }


def problem_response(
    code: str,
    detail: str,
    *,
    path: str,
    request_id: str,
    retryable: bool = False,
    errors: tuple[FieldError, ...] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render an error as RFC 9457 says; `members` are extensions of this kind of problem."""
    kind = PROBLEMS.get(code) or PROBLEMS["INTERNAL_ERROR"]
    status = status_of(code)
    metrics.PROBLEMS.labels(code if code in PROBLEMS else "INTERNAL_ERROR").inc()
    body = {
        "type": TYPE_PREFIX + code.lower().replace("_", "-"),
        "title": kind.title,
        "status": status,
        "detail": detail,
        "instance": quote(path, safe="/:@!$&'()*+,;=-._~"),
        "code": code,
        "request_id": request_id,
        "retryable": retryable,
        "errors": [
            {"pointer": error.pointer, "message": error.message, "code": error.code} for error in errors
        ],
        **(members or {}),
    }
    return Response(to_json(body), status, headers, PROBLEM_JSON)


def attachment(filename: str | None, fallback: str) -> str:
    """Return a Content-Disposition that saves under the file's name, spelled as RFC 6266 says."""
    name = filename or fallback
    plain = "".join(char if 32 <= ord(char) < 127 and char not in '"\\%' else "_" for char in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def job_path(job_id: str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{job_id}"
