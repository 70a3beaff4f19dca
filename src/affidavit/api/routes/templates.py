"""/v1/templates: named, versioned schemas with options."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import authorize
from affidavit.api.errors import ContentTypeUnsupported
from affidavit.api.model_choice import judge_model
from affidavit.api.parsing import parse_idempotency_key, parse_json, parse_query, refuse_query
from affidavit.api.render import json_response
from affidavit.api.services import services
from affidavit.api.submission import content_type, read_json_body
from affidavit.api.template_choice import read_caller_schema
from affidavit.api.template_objects import render_template, render_templates
from affidavit.api.template_wire import TemplateBody, TemplateChange, TemplateQuery, TemplateUpdate
from affidavit.errors import FieldError, NotFound, RequestInvalid
from affidavit.infra.idempotency import fingerprint
from affidavit.templates.reference import Reference
from affidavit.templates.views import Definition, TemplateView

MAX_BODY_BYTES: Final = 1024 * 1024  # the largest schema that is accepted has about 300 KiB

Model = TypeVar("Model", bound=BaseModel)

CREATE: Final = TypeAdapter(TemplateBody)
CHANGE: Final = TypeAdapter(TemplateUpdate)
_TAG: Final = re.compile(r'(?:W/)?"v?(\d{1,9})"')


async def create(request: Request) -> Response:
    """Make a template."""
    principal = await authorize(request, Scope.TEMPLATES_WRITE)
    body = await _read(request, CREATE)
    definition = _definition(request, body)
    key = parse_idempotency_key(request)
    asked = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    made = await services(request).templates.create(
        principal.environment_id,
        body.name,
        definition,
        None if key is None else fingerprint(f"POST {request.url.path}", key, asked),
    )
    headers = {"location": f"/v1/templates/{made.view.name}"}
    if made.replayed:
        headers["idempotent-replayed"] = "true"
    return _answer(made.view, 200 if made.replayed else 201, headers)


async def list_templates(request: Request) -> Response:
    """Return a page of templates by name."""
    principal = await authorize(request, Scope.TEMPLATES_READ)
    query = parse_query(request, TemplateQuery)
    page = await services(request).templates.list(
        principal.environment_id, query.limit, query.cursor, is_starter=query.starter
    )
    return json_response(render_templates(page))


async def show(request: Request) -> Response:
    """Return a template, or one of its versions."""
    principal = await authorize(request, Scope.TEMPLATES_READ)
    refuse_query(request)
    reference = Reference.parse(str(request.path_params["template"]))
    return _answer(await services(request).templates.get(principal.environment_id, reference))


async def change(request: Request) -> Response:
    """Make the next version of a template."""
    principal = await authorize(request, Scope.TEMPLATES_WRITE)
    body = await _read(request, CHANGE)
    based_on = _based_on(request, body.version)
    definition = _definition(request, body)
    view = await services(request).templates.change(
        principal.environment_id, _name(request), definition, based_on
    )
    return _answer(view)


async def delete(request: Request) -> Response:
    """Delete a template with its versions."""
    principal = await authorize(request, Scope.TEMPLATES_WRITE)
    refuse_query(request)
    await services(request).templates.delete(principal.environment_id, _name(request))
    return Response(status_code=204)


async def _read(request: Request, model: TypeAdapter[Model]) -> Model:
    refuse_query(request)
    parse_idempotency_key(request)
    raw = await read_json_body(request, MAX_BODY_BYTES)
    if content_type(request) != "application/json":
        raise ContentTypeUnsupported("application/json")
    return parse_json(model, raw)


def _definition(request: Request, body: TemplateChange) -> Definition:
    """Return what the template says, with its schema spelled out. Raises RequestInvalid."""
    if body.options.password is not None:
        raise _refusal("/options/password", "is a document's: give it with the document")
    judge_model(body.options, services(request).policy.models, "")
    return Definition(
        schema=read_caller_schema(body.json_schema, "/schema"),
        description=body.description,
        options=body.options.model_dump(mode="json", exclude_unset=True),
        review=None if body.review is None else body.review.model_dump(mode="json", exclude_none=True),
    )


def _based_on(request: Request, version: int | None) -> int | None:
    """Return the version that the change was made from, by If-Match or by the body."""
    given = request.headers.get("if-match", "").strip()
    if given in ("", "*"):
        return version
    found = _TAG.fullmatch(given)
    if found is None:
        raise _refusal("/If-Match", "is no ETag of a template")
    if version not in (None, int(found[1])):
        raise _refusal("/version", "differs from If-Match")
    return int(found[1])


def _name(request: Request) -> str:
    """Return the name in the path. Raises NotFound for a version: a template is changed as a whole."""
    reference = Reference.parse(str(request.path_params["template"]))
    if reference.version is not None:
        raise NotFound("template")
    return reference.name


def _answer(view: TemplateView, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    answer: dict[str, Any] = render_template(view)
    return json_response(answer, status, {"etag": f'"{view.version}"', **(headers or {})})


def _refusal(pointer: str, message: str) -> RequestInvalid:
    return RequestInvalid(f"{pointer}: {message}.", errors=[FieldError(pointer, message)])
