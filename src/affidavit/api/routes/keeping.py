"""Keep bundles under legal hold, delete them, and show what a deletion left."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import authorize
from affidavit.api.errors import ContentTypeUnsupported
from affidavit.api.keeping_objects import render_hold
from affidavit.api.keeping_wire import HoldBody
from affidavit.api.parsing import parse_json, refuse_query
from affidavit.api.render import JSON, json_response
from affidavit.api.services import services
from affidavit.api.submission import content_type, read_json_body
from affidavit.errors import NotFound
from affidavit.infra.ids import is_id

MAX_BODY_BYTES: Final = 64 * 1024
HOLD: Final = TypeAdapter(HoldBody)


async def hold(request: Request) -> Response:
    """Put a bundle under legal hold, with its job."""
    principal = await authorize(request, Scope.BUNDLES_WRITE)
    refuse_query(request)
    raw = await read_json_body(request, MAX_BODY_BYTES)
    if content_type(request) != "application/json":
        raise ContentTypeUnsupported("application/json")
    reason = parse_json(HOLD, raw).reason
    held = await services(request).keeping.hold(
        principal.environment_id, _bundle_id(request), reason, principal.key_id
    )
    return json_response(render_hold(held))


async def release(request: Request) -> Response:
    """Lift the legal hold of a bundle and its job."""
    principal = await authorize(request, Scope.BUNDLES_WRITE)
    refuse_query(request)
    released = await services(request).keeping.release(
        principal.environment_id, _bundle_id(request), principal.key_id
    )
    return json_response(render_hold(released))


async def delete(request: Request) -> Response:
    """Delete a bundle and return its tombstone."""
    principal = await authorize(request, Scope.BUNDLES_WRITE)
    refuse_query(request)
    left = await services(request).keeping.delete_bundle(
        principal.environment_id, _bundle_id(request), principal.key_id
    )
    return Response(left, media_type=JSON)


async def tombstone(request: Request) -> Response:
    """Return the tombstone of a deleted bundle, byte for byte as it was signed."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    refuse_query(request)
    left = await services(request).keeping.tombstone(principal.environment_id, _bundle_id(request))
    return Response(left, media_type=JSON)


def _bundle_id(request: Request) -> str:
    bundle_id = str(request.path_params["bundle_id"])
    if not is_id(bundle_id, "ev"):
        raise NotFound("bundle")
    return bundle_id
