"""What the installation can do, and whether it is up."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from affidavit.api.auth import authorize
from affidavit.api.health import check_ready
from affidavit.api.parsing import refuse_query
from affidavit.api.render import json_response
from affidavit.api.services import services


async def capabilities(request: Request) -> Response:
    """Return operations, formats, OCR engines and limits."""
    await authorize(request)
    refuse_query(request)
    return json_response(services(request).capabilities)


async def live(_request: Request) -> Response:
    """Answer, which is all that a liveness probe asks."""
    return json_response({"status": "live"})


async def ready(request: Request) -> Response:
    """Say how each part is, 503 when one is not up."""
    return json_response({"status": "ready", "checks": await check_ready(services(request))})


async def openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    return json_response(request.app.openapi())
