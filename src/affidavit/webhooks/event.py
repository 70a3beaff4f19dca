"""What webhooks tell of, and how a delivery stands, as data."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class EventType(StrEnum):
    """What an endpoint may ask for. The names of jobs' events are those of `job_events.type`."""

    JOB_QUEUED = "job.queued"
    JOB_PROGRESS = "job.progress"
    JOB_REVIEW_REQUIRED = "job.review_required"
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELED = "job.canceled"
    BUNDLE_CREATED = "bundle.created"
    BATCH_COMPLETED = "batch.completed"
    ENDPOINT_DISABLED = "endpoint.disabled"


# What is sent when nothing else was asked for, and to the `webhook` of a submission: the ends. The
# trigger of migration 0003 has the same list for submissions; a test holds the two together.
ENDS: Final = (
    EventType.JOB_COMPLETED,
    EventType.JOB_FAILED,
    EventType.JOB_CANCELED,
    EventType.BATCH_COMPLETED,
)

TEST_EVENT: Final = "webhook.test"  # sent on request only, so no endpoint subscribes to it


class EndpointStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    """Who switched an endpoint off: its owner, its own 410, or days without a single success."""

    REQUEST = "request"
    GONE = "gone"
    FAILING = "failing"


class DeliveryStatus(StrEnum):
    """`exhausted` ones are the dead letters: listed and redeliverable."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    CANCELED = "canceled"


class Failure(StrEnum):
    """Why an attempt failed, or why a delivery ended without one."""

    STATUS = "status"  # an answer that is neither 2xx nor 3xx
    REDIRECT = "redirect"  # a 3xx, which is never followed
    TIMEOUT = "timeout"  # not connected or not answered in full before the deadline
    UNREACHABLE = "unreachable"  # name not resolved, connection refused
    BROKEN = "broken"  # connection reset, or what came was not HTTP
    TLS = "tls"  # no valid certificate
    ADDRESS_FORBIDDEN = "address_forbidden"  # the name leads to a private or reserved address
    URL_INVALID = "url_invalid"  # no longer allowed, such as http after the setting was withdrawn
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - sealed under a key that is not configured
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENDPOINT_DELETED = "endpoint_deleted"
    SUPERSEDED = "superseded"  # progress that newer news has overtaken
    REDELIVERED = "redelivered"  # a redelivery took its place
