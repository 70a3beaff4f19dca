"""What anyone may ask without a key: the keys that sign, and whether a receipt is genuine."""

from __future__ import annotations

import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from affidavit.api.custody_objects import render_keys, render_report
from affidavit.api.limits import ALLOWANCE, neighbourhood
from affidavit.api.parsing import refuse_query
from affidavit.api.render import JSON, json_response
from affidavit.api.services import Services, services
from affidavit.errors import NotFound
from affidavit.evidence import signing_keys
from affidavit.evidence.receipt_check import ReceiptReport, check_receipt

# A new key is published before it signs: a list that is a minute old lacks it for a minute at most.
CACHED: Final = "public, max-age=60"


async def keys(request: Request) -> Response:
    """Return all public keys that ever signed here."""
    used = counted(request)
    refuse_query(request)
    origin = await signing_keys.log_origin(used.db)
    answer = json_response(render_keys(await signing_keys.published(used.db), origin))
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    cached = {"cache-control": CACHED, "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=cached)
    answer.headers.update(cached)
    return answer


async def receipt(request: Request) -> Response:
    """Say whether a receipt is genuine."""
    return json_response(render_report(await _checked(request)))


async def receipt_envelope(request: Request) -> Response:
    """Return a receipt as it was signed, byte for byte."""
    envelope = (await _checked(request)).receipt.envelope
    if envelope is None:
        raise NotFound("receipt")
    return Response(envelope, media_type=JSON)


async def _checked(request: Request) -> ReceiptReport:
    used = counted(request)
    refuse_query(request)
    return await check_receipt(used.db, str(request.path_params["receipt_id"]))


def counted(request: Request) -> Services:
    """Count a request of somebody without a key, by the address. Raises TooManyRequests."""
    used = services(request)
    host = "" if request.client is None else request.client.host
    request.scope[ALLOWANCE] = used.public_limit.spent()
    request.scope[ALLOWANCE] = used.public_limit.count(neighbourhood(host))
    return used
