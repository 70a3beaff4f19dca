"""/v1/webhooks: endpoints, secrets, and the log of what was sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import authorize
from affidavit.api.errors import ContentTypeUnsupported
from affidavit.api.parsing import parse_idempotency_key, parse_json, parse_query, refuse_query
from affidavit.api.render import json_response
from affidavit.api.services import services
from affidavit.api.submission import content_type, read_json_body
from affidavit.api.webhook_objects import (
    render_default_secret,
    render_deliveries,
    render_detail,
    render_endpoint,
    render_endpoints,
)
from affidavit.api.webhook_target import judge_url
from affidavit.api.webhook_wire import (
    AllDeliveryQuery,
    DeliveryQuery,
    EmptyBody,
    EndpointBody,
    EndpointChange,
    EndpointQuery,
    RotateBody,
)
from affidavit.infra.idempotency import Fingerprint, fingerprint
from affidavit.webhooks.service import Change
from affidavit.webhooks.views import DeliveryFilter, DeliveryView, Made

MAX_BODY_BYTES = 64 * 1024

Model = TypeVar("Model", bound=BaseModel)

CREATE = TypeAdapter(EndpointBody)
CHANGE = TypeAdapter(EndpointChange)
ROTATE = TypeAdapter(RotateBody)
EMPTY = TypeAdapter(EmptyBody)


async def create(request: Request) -> Response:
    """Make an endpoint and show its secret."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, CREATE)
    used = services(request)
    judge_url(body.url, used.webhook_targets, "/url")
    key = _key(request, body)
    made = await used.webhooks.create(principal.environment_id, body.url, body.description, body.events, key)
    answer = render_endpoint(made.view) | {"secret": made.secret}
    return _made(made, answer, f"/v1/webhooks/{made.view.id}")


async def list_endpoints(request: Request) -> Response:
    """Return a page of endpoints, newest first."""
    principal = await authorize(request, Scope.WEBHOOKS_READ)
    query = parse_query(request, EndpointQuery)
    page = await services(request).webhooks.list(principal.environment_id, query.limit, query.cursor)
    return json_response(render_endpoints(page))


async def show(request: Request) -> Response:
    """Return an endpoint, without its secret."""
    principal = await authorize(request, Scope.WEBHOOKS_READ)
    refuse_query(request)
    view = await services(request).webhooks.get(principal.environment_id, _endpoint_id(request))
    return json_response(render_endpoint(view))


async def change(request: Request) -> Response:
    """Change an endpoint."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, CHANGE)
    used = services(request)
    if body.url is not None:
        judge_url(body.url, used.webhook_targets, "/url")
    wanted = Change(body.url, body.description, body.events, body.status)
    view = await used.webhooks.change(principal.environment_id, _endpoint_id(request), wanted)
    return json_response(render_endpoint(view))


async def delete(request: Request) -> Response:
    """Delete an endpoint; its log stays."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    refuse_query(request)
    await services(request).webhooks.delete(principal.environment_id, _endpoint_id(request))
    return Response(status_code=204)


async def rotate_secret(request: Request) -> Response:
    """Give an endpoint a new secret and show it."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, ROTATE)
    made = await services(request).webhooks.rotate_secret(
        principal.environment_id,
        _endpoint_id(request),
        timedelta(seconds=body.overlap_seconds),
        _key(request, body),
    )
    return _made(made, render_endpoint(made.view) | {"secret": made.secret}, status=200)


async def send_test(request: Request) -> Response:
    """Owe an endpoint a test event."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, EMPTY)
    key = _key(request, body)
    made = await services(request).webhooks.send_test(principal.environment_id, _endpoint_id(request), key)
    return _owed(made)


async def deliveries(request: Request) -> Response:
    """Return a page of the deliveries to an endpoint, newest first."""
    principal = await authorize(request, Scope.WEBHOOKS_READ)
    query = parse_query(request, DeliveryQuery)
    webhooks = services(request).webhooks
    endpoint = await webhooks.get(principal.environment_id, _endpoint_id(request))
    wanted = _filter(query, endpoint.id)
    page = await webhooks.deliveries(principal.environment_id, wanted, query.limit, query.cursor)
    return json_response(render_deliveries(page))


async def all_deliveries(request: Request) -> Response:
    """Return a page of all deliveries of the environment, newest first."""
    principal = await authorize(request, Scope.WEBHOOKS_READ)
    query = parse_query(request, AllDeliveryQuery)
    wanted = _filter(query, query.endpoint_id)
    page = await services(request).webhooks.deliveries(
        principal.environment_id, wanted, query.limit, query.cursor
    )
    return json_response(render_deliveries(page))


async def delivery(request: Request) -> Response:
    """Return a delivery with its payload and its attempts."""
    principal = await authorize(request, Scope.WEBHOOKS_READ)
    refuse_query(request)
    view = await services(request).webhooks.delivery(
        principal.environment_id, request.path_params["delivery_id"], request.path_params.get("endpoint_id")
    )
    return json_response(render_detail(view))


async def endpoint_delivery(request: Request) -> Response:
    """Return a delivery to this endpoint."""
    return await delivery(request)


async def redeliver(request: Request) -> Response:
    """Send a message again, as a new delivery."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, EMPTY)
    key = _key(request, body)
    made = await services(request).webhooks.redeliver(
        principal.environment_id,
        request.path_params["delivery_id"],
        request.path_params.get("endpoint_id"),
        key,
    )
    return _owed(made)


async def endpoint_redeliver(request: Request) -> Response:
    """Send a message to this endpoint again."""
    return await redeliver(request)


async def default_secret(request: Request) -> Response:
    """Say how the default secret stands."""
    principal = await authorize(request, Scope.WEBHOOKS_READ)
    refuse_query(request)
    view = await services(request).webhooks.default_secrets.get(principal.environment_id)
    return json_response(render_default_secret(view))


async def reveal_default_secret(request: Request) -> Response:
    """Make the default secret if need be, and show it once."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, EMPTY)
    key = _key(request, body)
    made = await services(request).webhooks.default_secrets.reveal(principal.environment_id, key)
    return _made(made, render_default_secret(made.view) | {"secret": made.secret})


async def rotate_default_secret(request: Request) -> Response:
    """Make a new default secret and show it."""
    principal = await authorize(request, Scope.WEBHOOKS_WRITE)
    body = await _read(request, ROTATE)
    made = await services(request).webhooks.default_secrets.rotate(
        principal.environment_id, timedelta(seconds=body.overlap_seconds), _key(request, body)
    )
    return _made(made, render_default_secret(made.view) | {"secret": made.secret}, status=200)


async def _read(request: Request, model: TypeAdapter[Model]) -> Model:
    """Read a JSON body; an empty one is an empty object, for those that need say nothing."""
    refuse_query(request)
    parse_idempotency_key(request)
    raw = await read_json_body(request, MAX_BODY_BYTES)
    if not raw.strip():
        return parse_json(model, b"{}")
    if content_type(request) != "application/json":
        raise ContentTypeUnsupported("application/json")
    return parse_json(model, raw)


def _key(request: Request, body: BaseModel) -> Fingerprint | None:
    key = parse_idempotency_key(request)
    scope = f"{request.method} {request.url.path}"
    return None if key is None else fingerprint(scope, key, body.model_dump(mode="json"))


def _endpoint_id(request: Request) -> str:
    return str(request.path_params["endpoint_id"])


def _filter(query: DeliveryQuery, endpoint_id: str | None) -> DeliveryFilter:
    return DeliveryFilter(
        endpoint_id=endpoint_id,
        job_id=query.job_id,
        status=query.status,
        event_type=query.type,
        created_after=query.created_after,
        created_before=query.created_before,
    )


def _made(
    made: Made[Any], answer: dict[str, Any], location: str | None = None, *, status: int = 201
) -> Response:
    headers = {} if location is None else {"location": location}
    if made.replayed:
        headers["idempotent-replayed"] = "true"
    return json_response(answer, 200 if made.replayed else status, headers)


def _owed(made: Made[DeliveryView]) -> Response:
    """Answer 202 with a delivery that a sender will take."""
    location = f"/v1/webhooks/deliveries/{made.view.id}"
    return _made(made, render_detail(made.view), location, status=202)
