"""/v1/log: what anyone may see of the log, as C2SP tlog-tiles lays it out, and proofs."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import authorize
from affidavit.api.log_objects import render_consistency, render_inclusion
from affidavit.api.log_wire import ConsistencyQuery, InclusionQuery, ProofQuery
from affidavit.api.parsing import parse_query, refuse_query
from affidavit.api.render import attachment, json_response
from affidavit.api.routes.bundles import bundle_id_of
from affidavit.api.routes.published import counted
from affidavit.api.services import services
from affidavit.errors import FieldError, NotFound, RequestInvalid
from affidavit.evidence import published_log
from affidavit.evidence.published_log import TILE_WIDTH

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}  # a tile never changes
ENTRIES: Final = "entries"

_LEVEL: Final = re.compile(r"(?:[0-9]|[1-5][0-9]|6[0-3])\Z", re.ASCII)
_TILE: Final = re.compile(r"[0-9]{3}\Z", re.ASCII)
_GROUP: Final = re.compile(r"x[0-9]{3}\Z", re.ASCII)
_WIDTH: Final = re.compile(r"(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\Z", re.ASCII)


async def checkpoint(request: Request) -> Response:
    """Return the newest checkpoint."""
    used = counted(request)
    refuse_query(request)
    return Response(await published_log.checkpoint(used.db), headers={"content-type": TEXT})


async def tile(request: Request) -> Response:
    """Return a full tile, or the entries under it."""
    return await _tile(request)


async def partial_tile(request: Request) -> Response:
    """Return the beginning of a tile that is not full."""
    return await _tile(request)


async def tile_of_group(request: Request) -> Response:
    """Return a full tile from the thousandth on."""
    return await _tile(request)


async def partial_tile_of_group(request: Request) -> Response:
    """Return the beginning of a tile from the thousandth on."""
    return await _tile(request)


async def inclusion(request: Request) -> Response:
    """Prove that an entry stands in the log."""
    used = counted(request)
    query = parse_query(request, InclusionQuery)
    if (query.entry is None) == (query.index is None):
        wrong = FieldError("/entry", "is needed, or index; not both")
        raise RequestInvalid("Name the entry by entry or by index.", errors=[wrong])
    entry = None if query.entry is None else bytes.fromhex(query.entry)
    found = await published_log.inclusion(used.db, entry=entry, index=query.index, size=query.size)
    return json_response(render_inclusion(found))


async def consistency(request: Request) -> Response:
    """Prove that the log only grew."""
    used = counted(request)
    query = parse_query(request, ConsistencyQuery)
    return json_response(
        render_consistency(await published_log.consistency(used.db, query.first, query.second))
    )


async def proof(request: Request) -> Response:
    """Return the proof that a bundle, or its tombstone, stands in the log."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, ProofQuery)
    bundle_id = bundle_id_of(request)
    found = await published_log.proof(services(request).db, principal.environment_id, bundle_id, query.of)
    named = attachment(f"{bundle_id}.tlog-proof", "log.tlog-proof")
    return Response(found, headers={"content-type": TEXT, "content-disposition": named})


async def _tile(request: Request) -> Response:
    used = counted(request)
    refuse_query(request)
    given = request.path_params
    number = int(_spelled(given, "tile", _TILE)) + 1000 * int(_spelled(given, "group", _GROUP, "x000")[1:])
    width = int(_spelled(given, "width", _WIDTH, str(TILE_WIDTH)))
    if given["level"] == ENTRIES:
        found = await published_log.entries(used.db, number, width)
    else:
        found = await published_log.tile(used.db, int(_spelled(given, "level", _LEVEL)), number, width)
    return Response(found, media_type=BYTES, headers=FOR_EVER)


def _spelled(given: dict[str, str], name: str, pattern: re.Pattern[str], default: str = "") -> str:
    """Return a part of the path. Raises NotFound when it is spelled in a way that no tile has."""
    if name not in given:
        return default
    if pattern.match(given[name]) is None:
        raise NotFound("tile")
    return given[name]
