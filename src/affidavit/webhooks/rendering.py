"""Build views of rows, and the messages that are ours rather than a job's. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row

from affidavit.webhooks.event import DeliveryStatus, DisabledReason, EndpointStatus, EventType
from affidavit.webhooks.models import Attempt
from affidavit.webhooks.views import AttemptView, DeliveryView, EndpointView


def endpoint_view(row: Row[Any]) -> EndpointView:
    """Build the view of a row of `repository.find_endpoint`."""
    return EndpointView(
        id=row.id,
        url=row.url,
        description=row.description,
        events=tuple(row.events),
        status=EndpointStatus(row.status),
        disabled_reason=None if row.disabled_reason is None else DisabledReason(row.disabled_reason),
        disabled_at=row.disabled_at,
        failing_since=row.failing_since,
        previous_secret_until=row.previous_until if row.has_previous else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def delivery_view(row: Row[Any], attempts: Sequence[Attempt] = ()) -> DeliveryView:
    """Build the view of a row of `repository.find_delivery`, or of the list, which has no payload."""
    status = DeliveryStatus(row.status)
    return DeliveryView(
        id=row.id,
        message_id=row.message_id,
        endpoint_id=row.endpoint_id,
        job_id=row.job_id,
        event_type=row.event_type,
        sequence=row.sequence,
        origin=None if row.url is None else origin(row.url),
        status=status,
        attempts=row.attempts,
        next_attempt_at=row.due_at if status is DeliveryStatus.PENDING else None,
        last_status_code=row.last_status_code,
        last_error=row.last_error,
        redelivery_of=row.redelivery_of,
        created_at=row.created_at,
        ended_at=row.ended_at,
        payload=getattr(row, "payload", None),
        log=tuple(_attempt_view(attempt) for attempt in attempts),
    )


def origin(url: str) -> str:
    """Return scheme, host and port of a URL: what may be shown and logged, as paths can be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def message(event_type: str, at: datetime, data: dict[str, Any]) -> bytes:
    """Return the bytes of a message that is about webhooks themselves."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    body = {"type": event_type, "timestamp": moment, "data": data}
    return json.dumps(body, separators=(",", ":")).encode()


def disabled_notice(endpoint_id: str, url: str, reason: DisabledReason, at: datetime) -> bytes:
    """Return the message that tells other endpoints that this one was switched off."""
    return message(
        EventType.ENDPOINT_DISABLED,
        at,
        {
            "endpoint_id": endpoint_id,
            "origin": origin(url),
            "reason": reason,
            "links": {"endpoint": f"/v1/webhooks/{endpoint_id}"},
        },
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        n=attempt.n,
        started_at=attempt.started_at,
        latency_ms=attempt.latency_ms,
        status_code=attempt.status_code,
        error=attempt.error,
        response_head=attempt.response_head,
    )
