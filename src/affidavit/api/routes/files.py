"""/v1/files: upload once, use often."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import authorize
from affidavit.api.errors import ContentTypeUnsupported
from affidavit.api.multipart import read_form
from affidavit.api.parsing import parse_idempotency_key, refuse_query
from affidavit.api.render import attachment, json_response, render_file
from affidavit.api.replays import file_key
from affidavit.api.results import content_response, is_unchanged
from affidavit.api.services import services
from affidavit.api.submission import content_length, content_type
from affidavit.documents.intake import Intake
from affidavit.errors import FieldError, NotFound, RequestInvalid

MAX_PAGE_DIGITS = 6


async def upload(request: Request) -> Response:
    """Store a file as it streams in."""
    principal = await authorize(request, Scope.FILES_WRITE)
    refuse_query(request)
    parse_idempotency_key(request)  # before the body: a bad key should not cost an upload
    used = services(request)
    used.pressure.check_storage()
    documents = used.documents
    with used.upload_limit.opened(content_length(request)):
        async with documents.intake(principal.environment_id) as intake:
            await _read_file(request, intake)
            stored = await intake.commit()
    key = file_key(request, stored.sha256, stored.filename)
    kept = await documents.keep(principal.environment_id, stored, key)
    headers = {"location": f"/v1/files/{kept.file.id}"}
    if kept.replayed:
        headers["idempotent-replayed"] = "true"
    return json_response(render_file(kept.file), 200 if kept.replayed else 201, headers)


async def show(request: Request) -> Response:
    """Return what is known of a file."""
    principal = await authorize(request, Scope.FILES_READ)
    refuse_query(request)
    file = await services(request).documents.get(principal.environment_id, request.path_params["file_id"])
    return json_response(render_file(file))


async def content(request: Request) -> Response:
    """Stream the bytes of a file, as they came."""
    principal = await authorize(request, Scope.FILES_READ)
    refuse_query(request)
    documents = services(request).documents
    file = await documents.get(principal.environment_id, request.path_params["file_id"])
    if is_unchanged(request, file.sha256):
        return Response(status_code=304, headers={"etag": f'"{file.sha256}"'})
    stored = await documents.content(principal.environment_id, file)
    return content_response(stored, file.media_type, attachment(file.filename, file.id))


async def page_image(request: Request) -> Response:
    """Stream the image of a page as it was read."""
    principal = await authorize(request, Scope.FILES_READ)
    refuse_query(request)
    page = _page(request.path_params["page"])
    file_id = request.path_params["file_id"]
    image = await services(request).documents.page_image(principal.environment_id, file_id, page)
    return content_response(image, "image/webp", f'inline; filename="{file_id}-{page}.webp"')


async def delete(request: Request) -> Response:
    """Delete a file and what was read from it."""
    principal = await authorize(request, Scope.FILES_WRITE)
    refuse_query(request)
    documents = services(request).documents
    await documents.delete(principal.environment_id, request.path_params["file_id"], principal.key_id)
    return Response(status_code=204)


async def _read_file(request: Request, intake: Intake) -> None:
    if content_type(request) != "multipart/form-data":
        raise ContentTypeUnsupported("multipart/form-data")
    form = await read_form(request.headers["content-type"], request.stream(), intake)
    if form.fields:
        raise RequestInvalid(
            "An upload has the field 'file' alone.",
            errors=[
                FieldError(f"/{name}", "is not a field of this request", "unknown_field")
                for name, _ in form.fields
            ],
        )
    if not form.has_file:
        raise RequestInvalid(
            "There is no file. Send it in the form field 'file'.",
            code="SOURCE_MISSING",
            errors=[FieldError("/file", "is missing", "missing")],
        )


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_PAGE_DIGITS) or int(text) < 1:
        raise NotFound("page")
    return int(text)
