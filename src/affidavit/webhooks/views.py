"""What the outside sees of endpoints, deliveries and attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from affidavit.webhooks.event import DeliveryStatus, DisabledReason, EndpointStatus

View = TypeVar("View")


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint without its secret. `failing_since` is the first failure since the last success."""

    id: str
    url: str
    description: str
    events: tuple[str, ...]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DefaultSecretView:
    """An environment's default secret, without its text. `shown_at` None: nobody has seen it yet."""

    created_at: datetime
    shown_at: datetime | None
    previous_secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class Made(Generic[View]):
    """What a POST made. `secret` is shown once; a replay has none."""

    view: View
    secret: str | None
    replayed: bool


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One POST and what came of it."""

    n: int
    started_at: datetime
    latency_ms: int
    status_code: int | None
    error: str | None
    response_head: str | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery; `payload` and `log` only when it was asked for alone."""

    id: str
    message_id: str
    endpoint_id: str | None
    job_id: str | None
    event_type: str
    sequence: int | None
    origin: str | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_status_code: int | None
    last_error: str | None
    redelivery_of: str | None
    created_at: datetime
    ended_at: datetime | None
    payload: bytes | None = None
    log: tuple[AttemptView, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None does not restrict."""

    endpoint_id: str | None = None
    job_id: str | None = None
    status: DeliveryStatus | None = None
    event_type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[View]):
    """Some of many, newest first. `next_cursor` None: these were the last."""

    items: tuple[View, ...]
    next_cursor: str | None
