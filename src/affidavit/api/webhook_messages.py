"""What is sent to webhooks, for the OpenAPI document. The bytes are made in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from affidavit.api.objects import Answer, JobError, PageProgress
from affidavit.api.webhook_examples import DELIVERY_DETAIL, ENDPOINT_ID
from affidavit.jobs.status import JobStatus
from affidavit.webhooks.event import DisabledReason, EventType

Json = dict[str, Any]


class MessageProgress(Answer):
    """How far a job is."""

    percent: int
    stage: str | None
    pages: PageProgress


class MessageLinks(Answer):
    """Paths to ask for the rest, with a key."""

    job: str
    result: Annotated[str | None, Field(description="Null while there is no result.")]
    bundle: Annotated[str | None, Field(description="Null where nothing was sealed.")]


class JobNews(Answer):
    """What became of a job."""

    job_id: str
    operation: str
    status: JobStatus
    sequence: Annotated[int, Field(description="Rises with each event of the job; order by it.")]
    parent_id: str | None
    retry_of: str | None
    progress: Annotated[MessageProgress | None, Field(description="Only with job.progress.")]
    error: JobError | None
    result_sha256: str | None
    bundle_id: str | None
    manifest_sha256: Annotated[str | None, Field(description="Of the bundle's manifest.")]
    metadata: Annotated[
        dict[str, str] | None, Field(description="Your labels; null if the message would exceed 20 kB.")
    ]
    links: MessageLinks


class JobMessage(Answer):
    """A message about a job."""

    type: EventType
    timestamp: datetime
    data: JobNews


class DisabledLinks(Answer):
    """Where the endpoint is."""

    endpoint: str


class DisabledNews(Answer):
    """Which endpoint was switched off, and why."""

    endpoint_id: str
    origin: Annotated[str, Field(description="Scheme, host and port of its URL.")]
    reason: DisabledReason
    links: DisabledLinks


class DisabledMessage(Answer):
    """A message about another endpoint of the environment."""

    type: EventType
    timestamp: datetime
    data: DisabledNews


MESSAGES: Final = (JobMessage, DisabledMessage)

_DISABLED_EXAMPLE: Final[Json] = {
    "type": "endpoint.disabled",
    "timestamp": "2026-03-14T09:26:58.013370Z",
    "data": {
        "endpoint_id": ENDPOINT_ID,
        "origin": "https://hooks.example.com",
        "reason": "gone",
        "links": {"endpoint": f"/v1/webhooks/{ENDPOINT_ID}"},
    },
}
_HEADERS: Final = (
    ("webhook-id", "Names the message: the same at every attempt, and at a redelivery."),
    ("webhook-timestamp", "When this attempt was made, in Unix seconds."),
    ("webhook-signature", "One or more `v1,BASE64`, separated by spaces; see Standard Webhooks 1.0.0."),
)


def describe(ref: str) -> Json:
    """Return the `webhooks` member of the document; `ref` makes a reference of a model's name."""
    return {event.value: {"post": _operation(event, ref)} for event in EventType}


def _operation(event: EventType, ref: str) -> Json:
    is_disabled = event is EventType.ENDPOINT_DISABLED
    model = DisabledMessage if is_disabled else JobMessage
    example = _DISABLED_EXAMPLE if is_disabled else {**DELIVERY_DETAIL["payload"], "type": event.value}
    return {
        "operationId": f"webhook_{event.value.replace('.', '_')}",
        "summary": f"A {event.value} message",
        "description": "Sent to endpoints that ask for it. At least once, in no particular order.",
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": said,
                "schema": {"type": "string"},
            }
            for name, said in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": ref.format(model=model.__name__)}, "example": example}
            },
        },
        "responses": {
            "2XX": {"description": "Accepted."},
            "410": {"description": "Gone: nothing more is sent here."},
            "default": {"description": "Anything else, redirects too: it is sent again."},
        },
    }
