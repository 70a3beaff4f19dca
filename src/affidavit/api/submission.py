"""Read a submission, JSON or multipart, into what the services below take."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json
from starlette.requests import Request

from affidavit.api.errors import ContentTypeUnsupported, JsonInvalid
from affidavit.api.model_choice import judge_model
from affidavit.api.multipart import FILE_FIELD, Form, clean_filename, read_form
from affidavit.api.operation_wire import BODIES, AnyItem, BatchBody, json_members
from affidavit.api.parsing import parse_json, refuse_doubled
from affidavit.api.services import Services
from affidavit.api.template_choice import Chooser, Filling
from affidavit.api.webhook_target import judge_webhook, read_webhook
from affidavit.api.wire import WAYS, ExtractBody, ParseBody, RetryBody, Source
from affidavit.documents.intake import Intake
from affidavit.engine import operations
from affidavit.engine.spec import Operation, ReviewOptions
from affidavit.errors import FieldError, RequestInvalid, TooLarge
from affidavit.infra.fetch import check_spelling
from affidavit.infra.fetch_errors import FetchError
from affidavit.jobs.submission import (
    FileRef,
    JobRef,
    Priority,
    SourceRef,
    Submission,
    Upload,
    UrlRef,
    WebhookRef,
)

EITHER: Final = frozenset({"source", "webhook"})  # a text, or an object as JSON

MODELS: Final[Mapping[Operation, type[BaseModel]]] = {
    Operation.PARSE: ParseBody,
    Operation.EXTRACT: ExtractBody,
    **BODIES,
}
_BODIES: Final[Mapping[Operation, TypeAdapter[Any]]] = {
    operation: TypeAdapter(model) for operation, model in MODELS.items()
}
# The form fields that are JSON; the text of all others is their value.
JSON_FIELDS: Final = {operation: json_members(model) for operation, model in MODELS.items()}
BATCH: Final = TypeAdapter(BatchBody)
RETRY: Final = TypeAdapter(RetryBody)


@dataclass(frozen=True, slots=True)
class Batch:
    """Many submissions under one parent."""

    items: list[Submission]
    metadata: Mapping[str, str]
    priority: Priority
    webhook: WebhookRef | None = None


class SubmissionReader:
    """Reads the submissions of one environment. Bytes that come along are staged, and kept last."""

    def __init__(self, services: Services, environment_id: str) -> None:
        self._services = services
        self._environment_id = environment_id

    async def read(self, request: Request, operation: Operation) -> Submission:
        """Read the body of an operation's endpoint. Raises what is wrong with it, before anything is kept."""
        return await self._read_one(request, operation, _BODIES[operation])

    async def read_batch(self, request: Request) -> Batch:
        """Read the body of POST /v1/jobs: every item is judged before the first is kept."""
        if content_type(request) != "application/json":
            raise ContentTypeUnsupported("application/json")
        body = parse_json(BATCH, await self._read_json(request))
        if len(body.items) > self._services.policy.max_batch_items:
            raise _field_refusal(
                "/items", f"more than {self._services.policy.max_batch_items} items", "too_long"
            )
        judge_webhook(body.webhook, self._services.webhook_targets, "")
        for index, item in enumerate(body.items):
            self._judge(item, f"/items/{index}", has_file=False)
        fillings = [
            await self._choose(item.operation, item, f"/items/{index}")
            for index, item in enumerate(body.items)
        ]
        items = [
            await self._keep_item(item, filling, body.priority, f"/items/{index}")
            for index, (item, filling) in enumerate(zip(body.items, fillings, strict=True))
        ]
        return Batch(items, body.metadata, body.priority, read_webhook(body.webhook))

    async def _read_one(self, request: Request, operation: Operation, model: TypeAdapter[Any]) -> Submission:
        async with self._services.documents.intake(self._environment_id) as intake:
            raw, has_file = await self._read_body(request, operation, intake)
            body: ParseBody | ExtractBody = parse_json(model, raw)
            self._judge(body, "", has_file=has_file)
            filling = await self._choose(operation, body, "")
            return Submission(
                operation=operation,
                source=await self._keep(body.source, intake, ""),
                options=filling.options,
                json_schema=filling.schema,
                parameters=filling.parameters,
                store=body.store,
                priority=body.priority,
                metadata=body.metadata,
                deadline=_deadline(body.deadline_seconds),
                webhook=read_webhook(body.webhook),
                review=_review(body, filling, ""),
                template=filling.template,
                asked=filling.asked,
            )

    async def _keep_item(
        self, item: AnyItem, filling: Filling, priority: Priority, pointer: str
    ) -> Submission:
        async with self._services.documents.intake(self._environment_id) as intake:
            return Submission(
                operation=item.operation,
                source=await self._keep(item.source, intake, pointer),
                options=filling.options,
                json_schema=filling.schema,
                parameters=filling.parameters,
                store=item.store,
                priority=priority,
                metadata=item.metadata,
                deadline=_deadline(item.deadline_seconds),
                webhook=read_webhook(item.webhook),
                review=_review(item, filling, pointer),
                template=filling.template,
                asked=filling.asked,
            )

    async def _choose(self, operation: Operation, body: BaseModel, pointer: str) -> Filling:
        """Find out what is to be filled, by a schema or a template, in the body or in its steps."""
        chooser = Chooser(self._services.templates, self._environment_id)
        filling = await chooser.choose(operation, body, pointer)
        is_needed = operations.needs_model(operation, filling.parameters)
        judge_model(filling.options, self._services.policy.models, pointer, is_needed=is_needed)
        return filling

    async def _read_body(self, request: Request, operation: Operation, intake: Intake) -> tuple[bytes, bool]:
        """Return the body as JSON text, and whether a file came with it, into the intake."""
        match content_type(request):
            case "application/json":
                return await self._read_json(request), False
            case "multipart/form-data":
                with self._services.upload_limit.opened(content_length(request)):
                    form = await read_form(request.headers["content-type"], request.stream(), intake)
                return _as_json(form, JSON_FIELDS[operation]), form.has_file
            case _:
                raise ContentTypeUnsupported("application/json or multipart/form-data")

    async def _read_json(self, request: Request) -> bytes:
        announced, most = content_length(request), self._services.policy.max_json_bytes
        held = most if announced is None else min(announced, most)
        with self._services.upload_limit.opened(announced, held_bytes=held):
            return await read_json_body(request, most)

    def _judge(self, body: ParseBody | ExtractBody | AnyItem, pointer: str, *, has_file: bool) -> None:
        """Check what the models cannot say: one source, and URLs that may be asked."""
        _check_one_source(body.source, pointer, has_file=has_file)
        if body.source is not None and body.source.url is not None:
            _check_url(body.source.url, pointer, self._services)
        _check_child_jobs(body, pointer)
        judge_webhook(body.webhook, self._services.webhook_targets, pointer)
        most = self._services.policy.max_deadline_seconds
        if body.deadline_seconds is not None and body.deadline_seconds > most:
            raise _field_refusal(f"{pointer}/deadline_seconds", f"more than {most} seconds", "too_long")

    async def _keep(self, source: Source | None, intake: Intake, pointer: str) -> SourceRef:
        """Return what the job reads; bytes become a blob now, when all else was right."""
        match source:
            case Source(url=str(url)):
                return UrlRef(url)
            case Source(file_id=str(file_id)):
                return FileRef(file_id)
            case Source(job_id=str(job_id)):
                return JobRef(job_id, source.artifact)
            case Source(base64=str(encoded)):
                intake.filename = clean_filename(source.filename)
                await intake.write(_decode(encoded, pointer))
            case Source(text=str(text)):
                intake.filename = clean_filename(source.filename) or "text.txt"
                await intake.write(text.encode())
        stored = await intake.commit()
        return Upload(stored.sha256, stored.size_bytes, stored.media_type, stored.filename)


def content_type(request: Request) -> str:
    """Return the media type of the body without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def content_length(request: Request) -> int | None:
    """Return the announced size of the body in bytes, None when it is not announced."""
    announced = request.headers.get("content-length", "")
    return int(announced[:20]) if announced.isdigit() else None


async def read_json_body(request: Request, max_bytes: int) -> bytes:
    """Return a body that is to be parsed as a whole. Raises TooLarge while it streams."""
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(
                f"A JSON body has at most {max_bytes} bytes. Send large files as multipart/form-data."
            )
        chunks.append(chunk)
    return b"".join(chunks)


async def read_retry(request: Request, max_bytes: int) -> RetryBody:
    """Read the body of a retry, which may be empty. Raises what is wrong with it."""
    raw = await read_json_body(request, max_bytes)
    if not raw.strip():
        return RetryBody()
    if content_type(request) != "application/json":
        raise ContentTypeUnsupported("application/json")
    return parse_json(RETRY, raw)


def _review(body: Any, filling: Filling, pointer: str) -> ReviewOptions | None:
    """Return when a person is asked: as the caller says, or else the template."""
    own: ReviewOptions | None = getattr(body, "review", None)
    found = own or (ReviewOptions.model_validate(filling.review) if filling.review else None)
    if own is not None and not body.store:
        reason = "needs store to be true, since a person looks at it later"
        raise _field_refusal(f"{pointer}/review", reason, "needs_store")
    return found if body.store else None


def _deadline(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _as_json(form: Form, json_fields: frozenset[str]) -> bytes:
    """Spell a form as the JSON body that says the same."""
    members: dict[str, Any] = {}
    for name, text in form.fields:
        is_json = name in json_fields or (name in EITHER and text.lstrip().startswith("{"))
        members[name] = _field_value(name, text) if is_json else text
    return to_json(members)


def _field_value(name: str, text: str) -> object:
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise JsonInvalid(f"The form field '{name}' is not JSON text.") from None
    refuse_doubled(text)
    return value


def _check_one_source(source: Source | None, pointer: str, *, has_file: bool) -> None:
    ways = [] if source is None else [way for way in WAYS if getattr(source, way) is not None]
    found = [f"{pointer}/source/{way}" for way in ways] + ([f"{pointer}/{FILE_FIELD}"] if has_file else [])
    if source is not None and source.artifact is not None and source.job_id is None:
        raise _field_refusal(
            f"{pointer}/source/artifact", "needs the job_id of the job that made it", "missing"
        )
    if len(found) > 1:
        raise RequestInvalid(
            "There is more than one source. Give exactly one.",
            code="SOURCE_AMBIGUOUS",
            errors=[FieldError(way, "is one source of several", "ambiguous") for way in found],
        )
    if not found:
        raise RequestInvalid(
            "There is no source. Give exactly one: a file (multipart), URL, file_id, base64, text or job_id.",
            code="SOURCE_MISSING",
            errors=[FieldError(f"{pointer}/source", "is missing", "missing")],
        )


def _check_url(url: str, pointer: str, services: Services) -> None:
    try:
        check_spelling(url, services.fetch)
    except FetchError as error:
        raise RequestInvalid(
            error.message,
            code=error.code,
            errors=[FieldError(f"{pointer}/source/url", error.message, error.code.lower())],
        ) from None


def _check_child_jobs(body: Any, pointer: str) -> None:
    """Check what a split wants to be done with its parts, if the body is one and it does."""
    if getattr(body, "child_jobs", None) and (not body.store or body.options.password is not None):
        raise _field_refusal(
            f"{pointer}/child_jobs",
            "cannot be had of a document with a password, or with store: false, which is gone when the split "
            "ends; use /v1/pipeline",
            "not_stored",
        )


def _decode(encoded: str, pointer: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise RequestInvalid(
            "The base64 of the source cannot be decoded. Use the standard alphabet with padding.",
            code="BASE64_INVALID",
            errors=[FieldError(f"{pointer}/source/base64", "is not base64", "base64")],
        ) from None


def _field_refusal(pointer: str, message: str, code: str) -> RequestInvalid:
    return RequestInvalid(f"{pointer}: {message}.", errors=[FieldError(pointer, message, code)])
