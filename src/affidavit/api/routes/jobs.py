"""/v1/jobs: how they stand, what came of them, and an end to them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import admit, authorize
from affidavit.api.parsing import (
    check_pairs,
    is_storable_text,
    parse_idempotency_key,
    parse_query,
    refuse_query,
)
from affidavit.api.render import accepted_response, attachment, job_response, json_response, render_page
from affidavit.api.replays import retry_key
from affidavit.api.results import content_response, is_unchanged, machine_response, result_response
from affidavit.api.review_wire import ResultQuery
from affidavit.api.services import services
from affidavit.api.submission import read_retry
from affidavit.api.wire import MAX_METADATA, ListQuery, WaitQuery
from affidavit.documents.service import Content
from affidavit.errors import FieldError, NotFound, RequestInvalid
from affidavit.infra.ids import is_id
from affidavit.jobs.views import JobFilter

METADATA = "metadata."


async def show(request: Request) -> Response:
    """Return a job, at once or when it ends."""
    principal = await authorize(request, Scope.JOBS_READ)
    job_id = job_id_of(request)
    used = services(request)
    used.poll_limit.count(principal.environment_id, job_id)
    wait = parse_query(request, WaitQuery).wait if request.scope["query_string"] else 0
    if wait:
        seconds = min(wait, used.policy.sync_wait_seconds)
        view = await used.jobs.wait(principal.environment_id, job_id, seconds)
    else:
        view = await used.jobs.get(principal.environment_id, job_id)
    return job_response(view, used.policy.public_url)


async def list_jobs(request: Request) -> Response:
    """Return a page of jobs, newest first."""
    principal = await authorize(request, Scope.JOBS_READ)
    query, wanted = _parse_filter(request)
    used = services(request)
    page = await used.jobs.list(principal.environment_id, wanted, query.limit, query.cursor)
    return json_response(render_page(page, used.policy.public_url))


async def result(request: Request) -> Response:
    """Stream the result of a job."""
    principal = await authorize(request, Scope.JOBS_READ)
    wanted = parse_query(request, ResultQuery).version
    job_id, used = job_id_of(request), services(request)
    if wanted == "machine":
        return await machine_response(request, used, principal.environment_id, job_id)
    return await result_response(request, used, principal.environment_id, job_id)


async def list_artifacts(request: Request) -> Response:
    """Return what is known of the files that a job made."""
    principal = await authorize(request, Scope.JOBS_READ)
    refuse_query(request)
    found = await services(request).jobs.artifacts(principal.environment_id, job_id_of(request))
    return json_response({"items": found})


async def artifact(request: Request) -> Response:
    """Stream a file that a job made."""
    principal = await authorize(request, Scope.JOBS_READ)
    refuse_query(request)
    name = str(request.path_params["name"])
    if not is_storable_text(name):
        raise NotFound("artifact")
    used = services(request)
    found = await used.jobs.artifact(principal.environment_id, job_id_of(request), name)
    if is_unchanged(request, found.sha256):
        return Response(status_code=304, headers={"etag": f'"{found.sha256}"'})
    content = Content(found.sha256, await used.blobs.open(principal.environment_id, found.sha256))
    return content_response(content, found.media_type, attachment(found.name, found.name))


async def cancel(request: Request) -> Response:
    """Cancel a job."""
    principal = await authorize(request, Scope.JOBS_WRITE)
    refuse_query(request)
    used = services(request)
    view = await used.jobs.cancel(principal.environment_id, job_id_of(request))
    return job_response(view, used.policy.public_url)


async def retry(request: Request) -> Response:
    """Submit a job again that ended without all that was asked for."""
    principal = await admit(request, Scope.JOBS_WRITE)
    refuse_query(request)
    parse_idempotency_key(request)
    used, job_id = services(request), job_id_of(request)
    body = await read_retry(request, used.policy.max_json_bytes)
    password = body.options.password
    key = retry_key(request, password, used.secret)
    accepted = await used.jobs.retry(principal.environment_id, job_id, password, key)
    return accepted_response(accepted, used.policy.public_url)


async def delete_content(request: Request) -> Response:
    """Erase what an ended job holds."""
    principal = await authorize(request, Scope.JOBS_WRITE)
    refuse_query(request)
    used = services(request)
    job_id = job_id_of(request)
    await used.keeping.delete_job(principal.environment_id, job_id, principal.key_id)
    view = await used.jobs.get(principal.environment_id, job_id)
    return job_response(view, used.policy.public_url)


def job_id_of(request: Request) -> str:
    """Return the job's id from the path. Raises NotFound for what is no id."""
    job_id = str(request.path_params["job_id"])
    if not is_id(job_id, "job"):
        raise NotFound("job")
    return job_id


def _parse_filter(request: Request) -> tuple[ListQuery, JobFilter]:
    pairs = request.query_params.multi_items()
    query = check_pairs([pair for pair in pairs if not pair[0].startswith(METADATA)], ListQuery)
    metadata = _parse_metadata([pair for pair in pairs if pair[0].startswith(METADATA)])
    return query, JobFilter(
        status=query.status,
        operation=query.operation,
        created_after=query.created_after,
        created_before=query.created_before,
        parent_id=query.parent_id,
        metadata=metadata or None,
    )


def _parse_metadata(pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [name for name, _ in pairs]
    bad = {
        name
        for name, value in pairs
        if name == METADATA or names.count(name) > 1 or "\x00" in name or "\x00" in value
    }
    if bad or len(pairs) > MAX_METADATA:
        raise RequestInvalid(
            "Filter by metadata.KEY=VALUE, each key once and 50 at most.",
            errors=[
                FieldError(f"/{name}", "is empty, doubled or not text", "metadata") for name in sorted(bad)
            ],
        )
    return {name.removeprefix(METADATA): value for name, value in pairs}
