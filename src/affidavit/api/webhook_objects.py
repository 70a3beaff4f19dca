"""The objects that /v1/webhooks answers with, and what builds them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import from_json

from affidavit.api.objects import Answer
from affidavit.webhooks.event import DeliveryStatus, DisabledReason, EndpointStatus, EventType, Failure
from affidavit.webhooks.views import (
    AttemptView,
    DefaultSecretView,
    DeliveryView,
    EndpointView,
    Page,
)

SecretText = Annotated[
    str | None,
    Field(description="Shown once, when it is made: null in a replay. Keep it; it verifies the signatures."),
]
PreviousUntil = Annotated[
    datetime | None, Field(description="Until then the secret before this one signs too.")
]


class EndpointObject(Answer):
    """A webhook endpoint."""

    id: str
    url: str
    description: str
    events: list[EventType]
    status: EndpointStatus
    disabled_reason: Annotated[
        DisabledReason | None,
        Field(
            description="request: by you; gone: it answered 410; failing: for days not one attempt succeeded."
        ),
    ]
    disabled_at: datetime | None
    failing_since: Annotated[
        datetime | None, Field(description="The first failed attempt since the last success.")
    ]
    previous_secret_expires_at: PreviousUntil
    created_at: datetime
    updated_at: datetime


class EndpointWithSecret(EndpointObject):
    """A webhook endpoint whose secret was just made."""

    secret: SecretText


class EndpointList(Answer):
    """A page of endpoints, newest first."""

    items: list[EndpointObject]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class AttemptObject(Answer):
    """One POST and what came of it."""

    number: int
    started_at: datetime
    latency_ms: int
    status_code: Annotated[int | None, Field(description="Null when there was no answer.")]
    error: Annotated[Failure | None, Field(description="Null when it was delivered.")]
    response_head: Annotated[
        str | None, Field(description="The first KiB of the answer's body, as text; null without an answer.")
    ]


class DeliveryObject(Answer):
    """One event owed to one receiver."""

    id: str
    message_id: Annotated[str, Field(description="The `webhook-id` header, the same at every attempt.")]
    endpoint_id: Annotated[
        str | None, Field(description="Null when it goes to the `webhook` of a submission.")
    ]
    job_id: str | None
    type: str
    sequence: Annotated[int | None, Field(description="The order of the events of one job.")]
    origin: Annotated[str | None, Field(description="Scheme, host and port of the receiver.")]
    status: Annotated[DeliveryStatus, Field(description="exhausted ones are the dead letters.")]
    attempts: int
    next_attempt_at: datetime | None
    last_status_code: int | None
    last_error: Failure | None
    redelivery_of: str | None
    created_at: datetime
    ended_at: datetime | None


class DeliveryDetail(DeliveryObject):
    """One event owed to one receiver, with what is sent and what was tried."""

    payload: Annotated[dict[str, Any], Field(description="What is sent, as JSON.")]
    log: list[AttemptObject]


class DeliveryList(Answer):
    """A page of deliveries, newest first."""

    items: list[DeliveryObject]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class DefaultSecretObject(Answer):
    """The secret that signs what goes to the `webhook` of submissions."""

    created_at: datetime
    shown_at: Annotated[datetime | None, Field(description="Null when nobody has seen it yet.")]
    previous_secret_expires_at: PreviousUntil


class DefaultSecretWithText(DefaultSecretObject):
    """A default secret that was just made or shown."""

    secret: SecretText


def render_endpoint(view: EndpointView) -> dict[str, Any]:
    """Return the endpoint object."""
    return {
        "id": view.id,
        "url": view.url,
        "description": view.description,
        "events": view.events,
        "status": view.status,
        "disabled_reason": view.disabled_reason,
        "disabled_at": view.disabled_at,
        "failing_since": view.failing_since,
        "previous_secret_expires_at": view.previous_secret_until,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }


def render_delivery(view: DeliveryView) -> dict[str, Any]:
    """Return the delivery object of a list."""
    return {
        "id": view.id,
        "message_id": view.message_id,
        "endpoint_id": view.endpoint_id,
        "job_id": view.job_id,
        "type": view.event_type,
        "sequence": view.sequence,
        "origin": view.origin,
        "status": view.status,
        "attempts": view.attempts,
        "next_attempt_at": view.next_attempt_at,
        "last_status_code": view.last_status_code,
        "last_error": view.last_error,
        "redelivery_of": view.redelivery_of,
        "created_at": view.created_at,
        "ended_at": view.ended_at,
    }


def render_detail(view: DeliveryView) -> dict[str, Any]:
    """Return the delivery object with payload and attempts."""
    body = render_delivery(view)
    body["payload"] = from_json(view.payload or b"{}")
    body["log"] = [_render_attempt(attempt) for attempt in view.log]
    return body


def render_default_secret(view: DefaultSecretView) -> dict[str, Any]:
    """Return the default secret's object, without its text."""
    return {
        "created_at": view.created_at,
        "shown_at": view.shown_at,
        "previous_secret_expires_at": view.previous_secret_until,
    }


def render_endpoints(page: Page[EndpointView]) -> dict[str, Any]:
    """Return a page of endpoints."""
    return {"items": [render_endpoint(view) for view in page.items], "next_cursor": page.next_cursor}


def render_deliveries(page: Page[DeliveryView]) -> dict[str, Any]:
    """Return a page of deliveries."""
    return {"items": [render_delivery(view) for view in page.items], "next_cursor": page.next_cursor}


def _render_attempt(attempt: AttemptView) -> dict[str, Any]:
    return {
        "number": attempt.n,
        "started_at": attempt.started_at,
        "latency_ms": attempt.latency_ms,
        "status_code": attempt.status_code,
        "error": attempt.error,
        "response_head": attempt.response_head,
    }
