"""/v1/bundles: what was sealed, its files, and what happened to it."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from affidavit.accounts.principal import Principal, Scope
from affidavit.api.auth import authorize
from affidavit.api.bundle_objects import (
    render_bundle,
    render_bundles,
    render_history,
    render_verification,
)
from affidavit.api.bundle_wire import (
    BundleQuery,
    CitationsQuery,
    DiffQuery,
    DownloadQuery,
    HistoryQuery,
    VerifyQuery,
)
from affidavit.api.byte_range import ByteRange, parse_range
from affidavit.api.parsing import parse_query, refuse_query
from affidavit.api.render import DOWNLOAD_HEADERS, JSON, attachment, json_response
from affidavit.api.results import is_unchanged, started, watched
from affidavit.api.services import services
from affidavit.errors import NotFound
from affidavit.evidence.packing import Package
from affidavit.evidence.receipts import Action, Deed
from affidavit.evidence.service import BundleFilter

_CITATION: Final = re.compile(r"[cr][1-9][0-9]{0,8}")


async def list_bundles(request: Request) -> Response:
    """Return a page of bundles, newest first."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, BundleQuery)
    wanted = BundleFilter(query.job_id, query.sealed_after, query.sealed_before, query.deleted)
    page = await services(request).bundles.list(principal.environment_id, wanted, query.limit, query.cursor)
    return json_response(render_bundles(page))


async def show(request: Request) -> Response:
    """Return a bundle."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    refuse_query(request)
    found = await services(request).bundles.get(principal.environment_id, bundle_id_of(request))
    return json_response(render_bundle(found))


async def history(request: Request) -> Response:
    """Return what happened to a bundle."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, HistoryQuery)
    page = await services(request).bundles.history(
        principal.environment_id, bundle_id_of(request), query.limit, query.cursor
    )
    return json_response(render_history(page))


async def manifest(request: Request) -> Response:
    """Return the manifest, byte for byte as it was signed."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    refuse_query(request)
    sealed = await services(request).bundles.sealed(principal.environment_id, bundle_id_of(request))
    return _json_bytes(request, sealed.manifest)


async def envelope(request: Request) -> Response:
    """Return the signature with what it signs."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    refuse_query(request)
    sealed = await services(request).bundles.sealed(principal.environment_id, bundle_id_of(request))
    return _json_bytes(request, sealed.envelope)


async def artifact(request: Request) -> Response:
    """Stream a file of a bundle."""
    return await _file(request, str(request.path_params["name"]))


async def artifact_of_folder(request: Request) -> Response:
    """Stream a file of a folder of a bundle."""
    return await _file(request, f"{request.path_params['folder']}/{request.path_params['name']}")


async def verify(request: Request) -> Response:
    """Check a bundle, and give a receipt of what was found."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, VerifyQuery)
    bundle_id, used = bundle_id_of(request), services(request)
    if query.quick:
        verified = await used.inspector.verify_quickly(principal.environment_id, bundle_id)
    else:
        verified = await used.inspector.verify(principal.environment_id, bundle_id)
    mode: Literal["full", "quick"] = "quick" if query.quick else "full"
    found = {"mode": mode, "verdict": verified.verdict.value}
    detail = {**found, "damaged": verified.damaged}
    deed = Deed(Action.VERIFY, principal.key_id, query.agent_id, found, detail)
    issued = await used.custody.issue(principal.environment_id, bundle_id, deed)
    return json_response(render_verification(verified, mode, issued))


async def citations(request: Request) -> Response:
    """Return citations of a bundle."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, CitationsQuery)
    found = await services(request).inspector.citations(
        principal.environment_id, bundle_id_of(request), query.limit, query.after
    )
    return Response(found, media_type=JSON)


async def citation(request: Request) -> Response:
    """Check one citation, and prove that its text was sealed."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    refuse_query(request)
    name = str(request.path_params["citation_id"])
    if _CITATION.fullmatch(name) is None:
        raise NotFound("citation")
    found = await services(request).inspector.citation(principal.environment_id, bundle_id_of(request), name)
    return Response(found, media_type=JSON)


async def diff(request: Request) -> Response:
    """Say what changed from another bundle of the chain to this one."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    against = parse_query(request, DiffQuery).against
    found = await services(request).inspector.diff(principal.environment_id, bundle_id_of(request), against)
    return Response(found, media_type=JSON)


async def download(request: Request) -> Response:
    """Stream a bundle as one file."""
    principal = await authorize(request, Scope.BUNDLES_READ)
    query = parse_query(request, DownloadQuery)
    package = await services(request).bundles.package(
        principal.environment_id, bundle_id_of(request), query.format
    )
    headers = {
        **DOWNLOAD_HEADERS,
        "etag": f'"{package.tag}"',
        "accept-ranges": "bytes",
        "content-disposition": attachment(package.filename, package.filename),
    }
    if is_unchanged(request, package.tag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        headers["content-length"] = str(package.size_bytes)
        return Response(headers=headers, media_type=package.media_type)
    return await _sent(request, principal, query, package, headers)


def bundle_id_of(request: Request) -> str:
    """Return the bundle's id from the path."""
    return str(request.path_params["bundle_id"])


def _json_bytes(request: Request, content: bytes) -> Response:
    """Return JSON as it is; its own hash is the tag."""
    digest = hashlib.sha256(content).hexdigest()
    headers = {"etag": f'"{digest}"'}
    if is_unchanged(request, digest):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=JSON)


async def _sent(
    request: Request, principal: Principal, query: DownloadQuery, package: Package, headers: dict[str, str]
) -> Response:
    """Stream a package or a part of it, with a receipt for that."""
    used = services(request)
    asked = parse_range(request, package.size_bytes, headers["etag"])
    part = asked or ByteRange(0, package.size_bytes)
    await used.bundles.require_stored(principal.environment_id, package)
    said = {"format": query.format.value}
    detail = {**said, "bytes": f"{part.start}-{part.stop - 1}"}
    deed = Deed(Action.DOWNLOAD, principal.key_id, query.agent_id, said, detail)
    issued = await used.custody.issue(principal.environment_id, bundle_id_of(request), deed)
    headers["affidavit-receipt"] = issued.receipt.id
    headers["content-length"] = str(part.stop - part.start)
    if asked is not None:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{package.size_bytes}"
    chunks = used.bundles.stream(principal.environment_id, package, part.start, part.stop)
    status = 200 if asked is None else 206
    return StreamingResponse(watched(chunks, package.tag), status, headers, package.media_type)


async def _file(request: Request, name: str) -> Response:
    principal = await authorize(request, Scope.BUNDLES_READ)
    refuse_query(request)
    used = services(request)
    found = await used.bundles.artifact(principal.environment_id, bundle_id_of(request), name)
    headers = {
        **DOWNLOAD_HEADERS,
        "etag": f'"{found.sha256}"',
        "content-length": str(found.size_bytes),
        "content-disposition": attachment(name.rpartition("/")[2], name),
    }
    if is_unchanged(request, found.sha256):
        return Response(status_code=304, headers={"etag": headers["etag"]})
    chunks = used.bundles.stream_artifact(principal.environment_id, found)
    first = await anext(chunks, b"")  # a missing blob is an error and no broken 200
    return StreamingResponse(
        watched(started(chunks, first), found.sha256), headers=headers, media_type=found.media_type
    )
