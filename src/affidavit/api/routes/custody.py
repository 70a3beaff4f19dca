"""/v1/bundles/{id}/history, /handoffs, /receipts: who did what with a bundle, and who has it."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Principal, Scope
from affidavit.api.auth import authorize
from affidavit.api.bundle_objects import render_event
from affidavit.api.bundle_wire import HistoryQuery
from affidavit.api.custody_objects import render_hand_off, render_hand_offs, render_receipts
from affidavit.api.custody_wire import HandOffBody, RecordBody
from affidavit.api.errors import ContentTypeUnsupported
from affidavit.api.parsing import parse_idempotency_key, parse_json, parse_query, refuse_query
from affidavit.api.render import json_response
from affidavit.api.routes.bundles import bundle_id_of
from affidavit.api.services import services
from affidavit.api.submission import content_type, read_json_body
from affidavit.evidence.custody import HandOff, Noted, Record
from affidavit.infra.idempotency import Fingerprint, fingerprint

MAX_BODY_BYTES = 64 * 1024
RECORD: TypeAdapter[RecordBody] = TypeAdapter(RecordBody)
HAND_OFF: TypeAdapter[HandOffBody] = TypeAdapter(HandOffBody)

Model = TypeVar("Model", bound=BaseModel)


async def record(request: Request) -> Response:
    """Write into the history of a bundle what was done with it elsewhere."""
    principal, body, key = await _read(request, RECORD)
    said = {"query": body.query, "result_summary": body.result_summary, "note": body.note}
    noted = await services(request).custody.record(
        principal.environment_id,
        bundle_id_of(request),
        Record(
            action=body.action,
            key_id=principal.key_id,
            agent_id=body.agent_id,
            detail={name: words for name, words in said.items() if words is not None},
        ),
        key,
    )
    return _answer(noted, render_event(noted.event))


async def hand_offs(request: Request) -> Response:
    """Return the hand-offs of a bundle."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, HistoryQuery)
    bundle_id = bundle_id_of(request)
    page = await services(request).custody.hand_offs(
        principal.environment_id, bundle_id, query.limit, query.cursor
    )
    return json_response(render_hand_offs(bundle_id, page))


async def hand_off(request: Request) -> Response:
    """Hand a bundle to another agent, with a receipt."""
    principal, body, key = await _read(request, HAND_OFF)
    bundle_id = bundle_id_of(request)
    noted = await services(request).custody.hand_off(
        principal.environment_id,
        bundle_id,
        HandOff(principal.key_id, body.from_agent, body.to_agent, body.note),
        key,
    )
    return _answer(noted, render_hand_off(bundle_id, noted.event))


async def receipts(request: Request) -> Response:
    """Return the receipts of a bundle."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, HistoryQuery)
    page = await services(request).custody.receipts(
        principal.environment_id, bundle_id_of(request), query.limit, query.cursor
    )
    return json_response(render_receipts(page))


async def _read(request: Request, model: TypeAdapter[Model]) -> tuple[Principal, Model, Fingerprint | None]:
    principal = await authorize(request, Scope.BUNDLES_WRITE)
    refuse_query(request)
    key = parse_idempotency_key(request)
    raw = await read_json_body(request, MAX_BODY_BYTES)
    if content_type(request) != "application/json":
        raise ContentTypeUnsupported("application/json")
    body = parse_json(model, raw)
    asked = body.model_dump(mode="json", exclude_none=True)
    scope = f"{request.method} {request.url.path}"
    return principal, body, None if key is None else fingerprint(scope, key, asked)


def _answer(noted: Noted, rendered: object) -> Response:
    headers = {"idempotent-replayed": "true"} if noted.replayed else {}
    return json_response(rendered, 200 if noted.replayed else 201, headers)
