"""Send results and files: streamed from the blob store, never held as a whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from affidavit.api.errors import JobEnded
from affidavit.api.render import DOWNLOAD_HEADERS, JSON, job_path
from affidavit.api.services import Services
from affidavit.documents.service import Content
from affidavit.errors import Conflict
from affidavit.infra.blobs import BlobError
from affidavit.infra.compression import stream_decompressed
from affidavit.jobs.views import StoredResult

log = structlog.get_logger()

ENDED: Final = frozenset({"JOB_FAILED", "JOB_CANCELED", "REVIEW_REQUIRED", "RESULT_NOT_READY"})
_ZSTD = re.compile(r"(?:^|,)\s*zstd\s*(?:;\s*q\s*=\s*(0?\.\d*[1-9]\d*|1(?:\.0*)?)\s*)?(?:,|$)", re.IGNORECASE)


async def result_response(
    request: Request,
    services: Services,
    environment_id: str,
    job_id: str,
    headers: dict[str, str] | None = None,
) -> Response:
    """Stream a job's result: as zstd to those who take it, or else as plain JSON.

    Raises NotFound, Gone, and JobEnded when there is no result, with the job's own error.
    """
    stored = await _find(services, environment_id, job_id)
    return await _sent(request, services, environment_id, job_id, stored, headers or {})


async def machine_response(
    request: Request, services: Services, environment_id: str, job_id: str
) -> Response:
    """Stream what the machine made of a document that was or is to be reviewed. Raises NotFound, Gone."""
    stored = await services.reviews.machine_result(environment_id, job_id)
    return await _sent(request, services, environment_id, job_id, stored, {})


async def _sent(
    request: Request,
    services: Services,
    environment_id: str,
    job_id: str,
    stored: StoredResult,
    headers: dict[str, str],
) -> Response:
    takes_zstd = _ZSTD.search(request.headers.get("accept-encoding", "")) is not None
    etag = f'"{stored.sha256}-zstd"' if takes_zstd else f'"{stored.sha256}"'
    named = {"etag": etag, "vary": "Accept-Encoding", "content-location": f"{job_path(job_id)}/result"}
    named |= headers
    if is_unchanged(request, stored.sha256):
        return Response(status_code=304, headers=named)
    if takes_zstd:
        blob = await services.blobs.open(environment_id, stored.sha256)
        named |= {"content-encoding": "zstd", "content-length": str(blob.size_bytes)}
        chunks = blob.chunks
    else:
        chunks = stream_decompressed(services.blobs, environment_id, stored.sha256)
        chunks = started(chunks, await anext(chunks, b""))
    if not stored.store and request.method == "GET":
        chunks = _noted(chunks, request, services, environment_id, job_id)
    return StreamingResponse(watched(chunks, stored.sha256), headers=named, media_type=JSON)


def content_response(content: Content, media_type: str, disposition: str) -> Response:
    """Stream stored bytes as a download that no browser will run."""
    headers = {
        **DOWNLOAD_HEADERS,
        "content-length": str(content.stream.size_bytes),
        "content-disposition": disposition,
        "etag": f'"{content.sha256}"',
    }
    chunks = watched(content.stream.chunks, content.sha256)
    return StreamingResponse(chunks, headers=headers, media_type=media_type)


def is_unchanged(request: Request, sha256: str) -> bool:
    """Tell whether the caller has these bytes already, by If-None-Match."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    tags = {tag.strip().removeprefix("W/").strip('"').removesuffix("-zstd") for tag in given.split(",")}
    return sha256 in tags or "*" in tags


async def _find(services: Services, environment_id: str, job_id: str) -> StoredResult:
    try:
        return await services.jobs.result(environment_id, job_id)
    except Conflict as error:
        if error.specific_code not in ENDED:
            raise
        view = await services.jobs.get(environment_id, job_id)
        if view.retry_after_ms is not None:
            error.retry_after = view.retry_after_ms / 1000
        raise JobEnded(error, job_id, view.error) from None


async def watched(chunks: AsyncIterator[bytes], sha256: str) -> AsyncIterator[bytes]:
    """Say in the log why an answer broke off: its caller can be told no more than that it did."""
    try:
        async for chunk in chunks:
            yield chunk
    except BlobError as error:
        log.error("blob.broken_off", sha256=sha256, error=type(error).__name__)  # noqa: TRY400 - no traceback
        raise


async def started(chunks: AsyncIterator[bytes], first: bytes) -> AsyncIterator[bytes]:
    """Give back the first chunk, taken so that a missing blob is an error and no broken 200."""
    yield first
    async for chunk in chunks:
        yield chunk


async def _noted(
    chunks: AsyncIterator[bytes], request: Request, services: Services, environment_id: str, job_id: str
) -> AsyncIterator[bytes]:
    """Note the complete read of a result that is not to be kept; a caller who hung up has not read it."""
    async for chunk in chunks:
        yield chunk
    if not await request.is_disconnected():
        await services.jobs.result_read(environment_id, job_id)
