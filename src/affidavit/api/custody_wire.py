"""The requests about who did what with a bundle, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.api.wire import Wire

AgentId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Who did it, as you name your agents and people: visible ASCII, no spaces.",
        examples=["agent:invoices-eu"],
    ),
]
Words = Annotated[str | None, Field(min_length=1, max_length=2000)]


class RecordBody(Wire):
    """Something that was done with a bundle outside of this service."""

    agent_id: AgentId
    action: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$",
            description="What was done, in your own terms.",
            examples=["read", "payment.approved"],
        ),
    ]
    query: Annotated[Words, Field(description="What was asked of the document.")] = None
    result_summary: Annotated[Words, Field(description="What came of it.")] = None
    note: Words = None


class HandOffBody(Wire):
    """A bundle that goes from one agent to another."""

    from_agent: AgentId
    to_agent: AgentId
    note: Annotated[Words, Field(description="For the log; it is in no receipt.")] = None
