"""The operations and the batch: submit, and wait for the result if asked to."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Principal, Scope
from affidavit.api.auth import admit
from affidavit.api.endpoint import Handler
from affidavit.api.parsing import parse_idempotency_key, parse_prefer, parse_query, refuse_query
from affidavit.api.render import accepted_response, job_path, replayed_header
from affidavit.api.replays import batch_key, submission_key
from affidavit.api.results import result_response
from affidavit.api.services import Services, services
from affidavit.api.submission import SubmissionReader
from affidavit.api.wire import SubmitQuery
from affidavit.engine.spec import Operation
from affidavit.jobs.status import TERMINAL, JobStatus
from affidavit.jobs.submission import Submission
from affidavit.jobs.views import Accepted


def submitting(operation: Operation) -> Handler:
    """Make the handler that submits a document to an operation; it is called as the operation is."""

    async def submit(request: Request) -> Response:
        call = await _begin(request)
        submission = await call.reader.read(request, operation)
        return await _submit(request, call, submission)

    submit.__name__ = operation.value
    return submit


async def submit_batch(request: Request) -> Response:
    """Submit many documents under one parent."""
    principal = await admit(request, Scope.JOBS_WRITE)
    refuse_query(request)
    parse_idempotency_key(request)
    used = services(request)
    batch = await SubmissionReader(used, principal.environment_id).read_batch(request)
    key = batch_key(request, batch, used.secret)
    accepted = await used.jobs.submit_batch(
        principal.environment_id, batch.items, batch.metadata, batch.priority, key, batch.webhook
    )
    return accepted_response(accepted, used.policy.public_url)


@dataclass(frozen=True, slots=True)
class _Call:
    """What is known of a submission before its body: who, and how long to wait (None: not at all)."""

    used: Services
    principal: Principal
    wait_seconds: float | None

    @property
    def reader(self) -> SubmissionReader:
        return SubmissionReader(self.used, self.principal.environment_id)


async def _begin(request: Request) -> _Call:
    """Check everything but the body, which may be large."""
    principal = await admit(request, Scope.JOBS_WRITE)
    used = services(request)
    parse_idempotency_key(request)
    call = _Call(used, principal, _wait_seconds(request, used.policy.sync_wait_seconds))
    if call.wait_seconds is not None:
        principal.require(Scope.JOBS_READ)
    return call


def _wait_seconds(request: Request, most: float) -> float | None:
    query = parse_query(request, SubmitQuery)
    preferred = None if query.asynchronous else parse_prefer(request)
    if preferred is not None:
        return min(float(preferred), most)
    return most if query.sync else None


async def _submit(request: Request, call: _Call, submission: Submission) -> Response:
    environment_id = call.principal.environment_id
    key = submission_key(request, submission, call.used.secret)
    accepted = await call.used.jobs.submit(environment_id, submission, key)
    if call.wait_seconds is None:
        return accepted_response(accepted, call.used.policy.public_url)
    view = await call.used.jobs.wait(environment_id, accepted.job.id, call.wait_seconds)
    if view.status not in TERMINAL and view.status is not JobStatus.REVIEW_REQUIRED:
        late = Accepted(view, accepted.replayed)
        return accepted_response(late, call.used.policy.public_url, is_late=True)
    headers = {"location": job_path(view.id)} | replayed_header(accepted)
    return await result_response(request, call.used, environment_id, view.id, headers)
