"""The requests of /v1/webhooks, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.api.wire import Moment, Query, Wire
from affidavit.webhooks.event import ENDS, DeliveryStatus, EndpointStatus, EventType

MAX_OVERLAP_SECONDS = 7 * 24 * 3600

EndpointUrl = Annotated[
    str, Field(max_length=4000, description="An https URL with a public host; it gets signed POSTs.")
]
Description = Annotated[str, Field(max_length=500, description="Your own note.")]
Events = Annotated[
    tuple[EventType, ...],
    Field(
        min_length=1,
        max_length=50,
        description="What to be told of. `batch.completed` stands for the end of a batch; its jobs have "
        "their own events. By default the ends: completed, failed, canceled.",
    ),
]


class EndpointBody(Wire):
    """A new endpoint."""

    url: EndpointUrl
    description: Description = ""
    events: Events = ENDS


class EndpointChange(Wire):
    """What to change of an endpoint; what is left out or null stays."""

    url: EndpointUrl | None = None
    description: Description | None = None
    events: Events | None = None
    status: Annotated[
        EndpointStatus | None,
        Field(
            description="Disabling makes dead letters of what is pending. Enabling forgets earlier failures."
        ),
    ] = None


class RotateBody(Wire):
    """How to rotate a secret."""

    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_OVERLAP_SECONDS,
            description="How long the old secret signs too; each message then has both signatures.",
        ),
    ] = 24 * 3600


class EmptyBody(Wire):
    """Nothing to say."""


class EndpointQuery(Query):
    """Which endpoints to list."""

    limit: Annotated[int, Field(ge=1, le=100, description="Most endpoints in one page.")] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor of the page before.")] = None


class DeliveryQuery(Query):
    """Which deliveries to list; `status=exhausted` are the dead letters."""

    status: Annotated[DeliveryStatus | None, Field(description="Only deliveries in this state.")] = None
    type: Annotated[str | None, Field(max_length=50, description="Only of this event.")] = None
    job_id: Annotated[str | None, Field(max_length=100, description="Only about this job.")] = None
    created_after: Annotated[Moment | None, Field(description="RFC 3339; this moment included.")] = None
    created_before: Annotated[Moment | None, Field(description="RFC 3339; this moment excluded.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Most deliveries in one page.")] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor of the page before.")] = None


class AllDeliveryQuery(DeliveryQuery):
    """Which deliveries of the whole environment to list."""

    endpoint_id: Annotated[
        str | None, Field(max_length=100, description="Only to this endpoint, which may be deleted.")
    ] = None
