"""Build requests: one pure function for each thing the service can do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from affidavit.client import reply
from affidavit.client.models import FileInfo, Job, JobPage, JobStatus, Result
from affidavit.client.multipart import FilePart, MultipartBody, OnProgress
from affidavit.client.reply import Reply
from affidavit.client.source import Source, inline, resolve

T = TypeVar("T")
Schema = Mapping[str, Any] | type[BaseModel]
Webhook = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and how to read its answer. `hold_seconds`: how long the service may keep it open."""

    method: str
    path: str
    read: Callable[[Reply], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: MultipartBody | bytes | None = None
    hold_seconds: float = 0


class About(TypedDict, total=False):
    """What may be said about any submission, as keyword arguments; see Submission."""

    options: Mapping[str, Any] | None
    metadata: Mapping[str, str] | None
    store: bool | None
    priority: str | None
    filename: str | None
    deadline_seconds: int | None
    webhook: Webhook | None


@dataclass(frozen=True, slots=True)
class Submission:
    """What to do with one document. `options` are the service's: pages, password, ocr, words, ...

    `deadline_seconds` counts from the acceptance. `webhook` is a URL that is told of the end, or
    `{"url": ..., "secret": ...}` to have it signed with a secret of its own. `parameters` are the
    operation's own; `affidavit.client.operations` writes them. `schema` is JSON Schema, the shorthand, a
    pydantic model, or the name of a template.
    """

    operation: str
    source: Source
    schema: Schema | str | None = None
    options: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] | None = None
    store: bool | None = None
    priority: str | None = None
    filename: str | None = None
    deadline_seconds: int | None = None
    webhook: Webhook | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def members(self) -> dict[str, Any]:
        """Return the request's members but for the source; what was not given is left out."""
        is_template = isinstance(self.schema, str)
        members = {
            "schema": None if self.schema is None or is_template else as_schema(self.schema),
            "template": self.schema if is_template else None,
            "options": self.options,
            "metadata": self.metadata,
            "store": self.store,
            "priority": self.priority,
            "deadline_seconds": self.deadline_seconds,
            "webhook": self.webhook,
        }
        return {name: value for name, value in members.items() if value is not None} | dict(self.parameters)


def as_schema(schema: Schema | str) -> Any:
    """Return a schema as JSON, that of a pydantic model as it describes itself."""
    return schema.model_json_schema() if isinstance(schema, type) else schema


def upload(file: FilePart, on_progress: OnProgress | None, key: str | None) -> Call[FileInfo]:
    return _post("/v1/files", reply.file, MultipartBody(file, on_progress=on_progress), key)


def get_file(file_id: str) -> Call[FileInfo]:
    return Call("GET", path_of("files", file_id), reply.file)


def get_page_image(file_id: str, number: int) -> Call[bytes]:
    return Call("GET", f"{path_of('files', file_id)}/pages/{number}/image", reply.content)


def delete_file(file_id: str) -> Call[None]:
    return Call("DELETE", path_of("files", file_id), reply.nothing)


def submit(submission: Submission, on_progress: OnProgress | None, key: str | None) -> Call[Job]:
    """Ask for a job and do not wait."""
    return _submit(submission, on_progress, key, reply.job, {})


def submit_and_wait(
    submission: Submission, on_progress: OnProgress | None, key: str | None, hold_seconds: float
) -> Call[Job | Result]:
    """Ask for the result at once; the service answers with the job when that takes too long."""
    return _submit(submission, on_progress, key, reply.job_or_result, {"sync": "true"}, hold_seconds)


def submit_batch(
    items: Sequence[Submission], metadata: Mapping[str, str] | None, key: str | None
) -> Call[Job]:
    listed = [
        {"operation": item.operation, "source": inline(item.source, item.filename)} | item.members()
        for item in items
    ]
    body = {"items": listed} | ({"metadata": dict(metadata)} if metadata else {})
    return _post("/v1/jobs", reply.job, _json(body), key)


def get_job(job_id: str, wait_seconds: float = 0) -> Call[Job]:
    params = {"wait": f"{wait_seconds:g}"} if wait_seconds else {}
    return Call("GET", path_of("jobs", job_id), reply.job, params, hold_seconds=wait_seconds)


def list_jobs(
    *,
    status: JobStatus | str | None = None,
    operation: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    parent_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[JobPage]:
    """List jobs, newest first. Datetimes need a time zone."""
    given = {
        "status": status,
        "operation": operation,
        "created_after": created_after and created_after.isoformat(),
        "created_before": created_before and created_before.isoformat(),
        "parent_id": parent_id,
        "limit": limit,
        "cursor": cursor,
    }
    params = {name: str(value) for name, value in given.items() if value is not None}
    params |= {f"metadata.{name}": value for name, value in (metadata or {}).items()}
    return Call("GET", "/v1/jobs", reply.job_page, params)


def get_result(job_id: str) -> Call[Result]:
    return Call("GET", f"{path_of('jobs', job_id)}/result", reply.result)


def get_machine_result(job_id: str) -> Call[Result]:
    return Call("GET", f"{path_of('jobs', job_id)}/result", reply.result, {"version": "machine"})


def get_review(job_id: str) -> Call[dict[str, Any]]:
    return Call("GET", f"{path_of('jobs', job_id)}/review", reply.members)


def decide(job_id: str, body: Mapping[str, Any], key: str | None) -> Call[Job]:
    """Correct, approve or reject what waits for a review."""
    said = {name: value for name, value in body.items() if value is not None}
    return _post(f"{path_of('jobs', job_id)}/review", reply.job, _json(said), key)


def get_artifact(job_id: str, name: str) -> Call[bytes]:
    return Call("GET", f"{path_of('jobs', job_id)}/artifacts/{quote(name, safe='')}", reply.content)


def cancel(job_id: str) -> Call[Job]:
    return Call("DELETE", path_of("jobs", job_id), reply.job)


def delete_content(job_id: str) -> Call[Job]:
    return Call("DELETE", f"{path_of('jobs', job_id)}/content", reply.job)


def retry(job_id: str, password: str | None, key: str | None) -> Call[Job]:
    """Ask for a job again that ended without all that was asked for."""
    body = {} if password is None else {"options": {"password": password}}
    return _post(f"{path_of('jobs', job_id)}/retry", reply.job, _json(body), key)


def follow(job_id: str, after: int, hold_seconds: float) -> Call[None]:
    """Ask for the events of a job later than the transition of that number."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if after:
        headers["Last-Event-ID"] = str(after)
    path = f"{path_of('jobs', job_id)}/events"
    return Call("GET", path, reply.nothing, headers=headers, hold_seconds=hold_seconds)


def capabilities() -> Call[dict[str, Any]]:
    return Call("GET", "/v1/capabilities", reply.members)


def _submit(
    submission: Submission,
    on_progress: OnProgress | None,
    key: str | None,
    read: Callable[[Reply], T],
    params: Mapping[str, str],
    hold_seconds: float = 0,
) -> Call[T]:
    source = resolve(submission.source, submission.filename)
    members = submission.members()
    if isinstance(source, dict):
        body: MultipartBody | bytes = _json({"source": source} | members)
    else:
        fields = {name: _field(value) for name, value in members.items()}
        body = MultipartBody(source, fields, on_progress)
    return _post(f"/v1/{submission.operation.replace('_', '-')}", read, body, key, params, hold_seconds)


def _post(
    path: str,
    read: Callable[[Reply], T],
    body: MultipartBody | bytes,
    key: str | None,
    params: Mapping[str, str] | None = None,
    hold_seconds: float = 0,
) -> Call[T]:
    """Build a POST with an idempotency key of its own, so that a second attempt never doubles."""
    about = body.headers if isinstance(body, MultipartBody) else {"Content-Type": "application/json"}
    headers = {"Idempotency-Key": key or uuid.uuid4().hex, **about}
    return Call("POST", path, read, params or {}, headers, body, hold_seconds)


def path_of(collection: str, resource_id: str) -> str:
    """Return the path of a resource."""
    return f"/v1/{collection}/{quote(resource_id, safe='')}"


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def _field(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
