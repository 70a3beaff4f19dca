"""/v1/jobs/{id}/review: look at a result that is held back, and decide about it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.auth import authorize
from affidavit.api.errors import ContentTypeUnsupported
from affidavit.api.parsing import parse_idempotency_key, parse_json, refuse_query
from affidavit.api.render import job_response, json_response
from affidavit.api.review_wire import ReviewBody
from affidavit.api.routes.jobs import job_id_of
from affidavit.api.services import services
from affidavit.api.submission import content_type, read_json_body
from affidavit.infra.idempotency import Fingerprint, fingerprint
from affidavit.jobs.review_decision import Decision, ReviewView

MAX_BODY_BYTES = 8_000_000
REVIEW: TypeAdapter[ReviewBody] = TypeAdapter(ReviewBody)


async def show(request: Request) -> Response:
    """Return a job's review."""
    principal = await authorize(request, Scope.JOBS_READ)
    refuse_query(request)
    view = await services(request).reviews.show(principal.environment_id, job_id_of(request))
    return json_response(_render(view))


async def decide(request: Request) -> Response:
    """Correct, approve or reject, and return the job."""
    principal = await authorize(request, Scope.JOBS_REVIEW)
    refuse_query(request)
    parse_idempotency_key(request)
    job_id = job_id_of(request)
    raw = await read_json_body(request, MAX_BODY_BYTES)
    if content_type(request) != "application/json":
        raise ContentTypeUnsupported("application/json")
    body = parse_json(REVIEW, raw)
    decision = Decision(
        action=body.action,
        version=body.version,
        key_id=principal.key_id,
        reviewer=body.reviewer,
        reason=body.reason,
        corrections=[each.model_dump(mode="json", exclude_defaults=True) for each in body.corrections],
    )
    used = services(request)
    replayed = await used.reviews.decide(principal.environment_id, job_id, decision, _key(request, body))
    response = job_response(await used.jobs.get(principal.environment_id, job_id), used.policy.public_url)
    if replayed:
        response.headers["idempotent-replayed"] = "true"
    return response


def _key(request: Request, body: ReviewBody) -> Fingerprint | None:
    key = parse_idempotency_key(request)
    scope = f"{request.method} {request.url.path}"
    return None if key is None else fingerprint(scope, key, body.model_dump(mode="json"))


def _render(view: ReviewView) -> dict[str, Any]:
    return {
        "job_id": view.job_id,
        "status": view.summary.get("status"),
        "threshold": view.summary.get("threshold"),
        "version": view.summary.get("version"),
        "flagged": view.flagged,
        "actions": [
            {
                "version": action.version,
                "action": action.action,
                "at": action.at,
                "key_id": action.key_id,
                "reviewer": action.reviewer,
                "reason": action.reason,
                "corrections": action.corrections,
            }
            for action in view.actions
        ],
    }
