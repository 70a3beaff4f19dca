"""/v1/jobs/{id}/events: what happens to a job, as Server-Sent Events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Final, assert_never

from pydantic_core import to_json
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from affidavit.accounts import principal as accounts
from affidavit.api.auth import authorize
from affidavit.api.parsing import parse_query
from affidavit.api.render import render_job, render_progress, render_transition
from affidavit.api.routes.jobs import job_id_of
from affidavit.api.services import services
from affidavit.api.wire import EventsQuery
from affidavit.errors import FieldError, RequestInvalid
from affidavit.jobs.status import TERMINAL
from affidavit.jobs.stream import News
from affidavit.jobs.views import JobView, Progress, Transition

RETRY_MS: Final = 1000  # how soon a reader that was cut off comes back
SEND_SECONDS: Final = 30.0  # a reader that takes nothing for so long is gone
DRAIN_SECONDS: Final = 5.0  # for a stream to end by itself when the process stops
_EVENT_ID: Final = re.compile(r"[0-9]{1,9}")


async def follow(request: Request) -> Response:
    """Send what happened since the last event that the caller names, and what happens from now on."""
    principal = await authorize(request, accounts.Scope.JOBS_READ)
    job_id, after = job_id_of(request), _last_event_id(request)
    used = services(request)
    view = await used.jobs.get(principal.environment_id, job_id)
    if after > view.event_seq:
        raise _refusal()
    if view.status in TERMINAL and after == view.event_seq:
        return Response(status_code=204)
    used.stream_limit.check(principal.key_id)
    news = used.jobs.follow(principal.environment_id, job_id, after)
    return _Stream(
        _rendered(news, job_id, used.policy.public_url),
        used.stream_limit.opened(principal.key_id),
        used.policy.heartbeat_seconds,
    )


class _Stream(EventSourceResponse):
    """A stream that counts as open for as long as it is served."""

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent],
        place: AbstractContextManager[None],
        heartbeat_seconds: float,
    ) -> None:
        super().__init__(
            events,
            ping=heartbeat_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="heartbeat"),
            sep="\n",
            send_timeout=SEND_SECONDS,
            shutdown_grace_period=DRAIN_SECONDS,
        )
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def _rendered(
    news: AsyncIterator[News], job_id: str, public_url: str
) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(retry=RETRY_MS)
    async for item in news:
        yield _event(item, job_id, public_url)


def _event(item: News, job_id: str, public_url: str) -> ServerSentEvent:
    match item:
        case Transition():
            return ServerSentEvent(_data(render_transition(job_id, item)), event=item.type, id=str(item.seq))
        case JobView():
            return ServerSentEvent(_data(render_job(item, public_url)), event="job")
        case Progress():
            return ServerSentEvent(_data(render_progress(item)), event="progress")
        case unknown:
            assert_never(unknown)


def _data(body: dict[str, object]) -> str:
    return to_json(body).decode()


def _last_event_id(request: Request) -> int:
    """Return the number of the last event that the caller has, 0 for none. Raises RequestInvalid."""
    asked = parse_query(request, EventsQuery).last_event_id
    given = request.headers.get("last-event-id") or asked
    if not given:  # an empty one is what browsers mean by none
        return 0
    if _EVENT_ID.fullmatch(given) is None:
        raise _refusal()
    return int(given)


def _refusal() -> RequestInvalid:
    return RequestInvalid(
        "Last-Event-ID is not the id of an event of this job. Send none to start with the first.",
        code="LAST_EVENT_ID_INVALID",
        errors=[FieldError("/last_event_id", "is not the id of an event of this job")],
    )
