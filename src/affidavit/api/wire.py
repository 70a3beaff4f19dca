"""The requests of the native API, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from affidavit.engine.spec import Operation, Options, ReviewOptions
from affidavit.jobs.status import JobStatus
from affidavit.jobs.submission import Priority
from affidavit.templates.reference import REFERENCE_PATTERN

MAX_METADATA = 50  # pairs


class Wire(BaseModel):
    """A request: types are taken as they are said, names that nobody knows are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=False, hide_input_in_errors=True
    )


MetadataKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
MetadataValue = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Field(
        max_length=MAX_METADATA,
        description="Your own labels, given back with the job; jobs can be listed by them.",
    ),
]


WAYS: Final = ("url", "file_id", "base64", "text", "job_id")  # to give a document


class Source(Wire):
    """Where the document is. Exactly one of url, file_id, base64, text and job_id."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [name]} for name in WAYS]},
    )

    url: Annotated[str, Field(max_length=4000, description="An https URL; a worker fetches it.")] | None = (
        None
    )
    file_id: Annotated[str, Field(max_length=100, description="A file of POST /v1/files.")] | None = None
    base64: Annotated[str, Field(description="The bytes in standard base64. For small files.")] | None = None
    text: Annotated[str, Field(description="Plain text to read as a document.")] | None = None
    job_id: (
        Annotated[
            str,
            Field(
                max_length=100,
                description="An earlier job: its document, with its pages and OCR options unless you set "
                "others. What was read is not read again.",
            ),
        ]
        | None
    ) = None
    artifact: (
        Annotated[
            str, Field(max_length=200, description="With job_id: a file that the job made, by its name.")
        ]
        | None
    ) = None
    filename: Annotated[str, Field(max_length=255, description="A name for base64 or text.")] | None = None


def _spell_out(source: object) -> object:
    return {"url": source} if isinstance(source, str) else source


AnySource = Annotated[
    Source,
    BeforeValidator(_spell_out, json_schema_input_type=Annotated[str, Field(max_length=4000)] | Source),
    Field(description="Where the document is: a URL, or an object with exactly one of its ways."),
]


DeadlineSeconds = Annotated[
    Annotated[int, Field(ge=1, le=31_536_000)] | None,
    Field(
        description="The job fails with DEADLINE_EXCEEDED when it is not done so many seconds after it was "
        "accepted, the wait in the queue included. The installation's maximum is in /v1/capabilities. "
        "Without it the installation's own deadline holds, which grows with the pages."
    ),
]


class Webhook(Wire):
    """Who is told of the end of a job."""

    url: Annotated[str, Field(max_length=4000, description="An https URL; it gets a signed POST.")]
    secret: Annotated[
        str | None,
        Field(
            max_length=100,
            description="Signs the messages: whsec_ and the base64 of 24 to 64 random bytes. Without it the "
            "environment's default secret does.",
        ),
    ] = None


AnyWebhook = Annotated[
    Webhook | None,
    BeforeValidator(
        _spell_out, json_schema_input_type=Annotated[str, Field(max_length=4000)] | Webhook | None
    ),
    Field(description="Told once of the end: a URL, or an object with a secret of its own."),
]


class Submission(Wire):
    """What every submission may say."""

    options: Options = Options()
    store: Annotated[
        bool,
        Field(
            description="False: nothing is kept; the result only until its first complete read, or an hour."
        ),
    ] = True
    priority: Annotated[Priority, Field(description="Order among the jobs of your environment.")] = (
        Priority.NORMAL
    )
    metadata: Metadata = Field(default_factory=dict)
    deadline_seconds: DeadlineSeconds = None
    webhook: AnyWebhook = None


class ParseBody(Submission):
    """Read a document: Markdown, blocks, tables, words."""

    source: AnySource | None = None


JsonSchema = Annotated[
    dict[str, Any] | None,
    Field(
        alias="schema",
        description='JSON Schema 2020-12 of the values to fill, or the shorthand: {"total": "number: due"}.',
    ),
]
TemplateName = Annotated[
    str | None,
    Field(
        pattern=REFERENCE_PATTERN,
        description="A template instead of a schema: its name, or NAME@VERSION. What it says is copied into "
        "the job; its options hold where the submission says nothing.",
    ),
]
_SCHEMA_OR_TEMPLATE = ConfigDict(
    json_schema_extra={"oneOf": [{"required": ["schema"]}, {"required": ["template"]}]}
)


Review = Annotated[
    ReviewOptions | None,
    Field(
        description="Holds the result back for a person when a field is below the threshold. By default "
        "what the template says."
    ),
]


class ExtractBody(Submission):
    """Read a document and fill a JSON Schema from it."""

    model_config = _SCHEMA_OR_TEMPLATE

    source: AnySource | None = None
    json_schema: JsonSchema = None
    template: TemplateName = None
    review: Review = None


class ItemBase(Wire):
    """What every item of a batch may say."""

    source: AnySource | None = None
    options: Options = Options()
    store: bool = True
    metadata: Metadata = Field(default_factory=dict)
    deadline_seconds: DeadlineSeconds = None
    webhook: AnyWebhook = None


class ParseItem(ItemBase):
    """An item of a batch that reads a document."""

    operation: Literal[Operation.PARSE]


class ExtractItem(ItemBase):
    """An item of a batch that fills a schema."""

    model_config = _SCHEMA_OR_TEMPLATE

    operation: Literal[Operation.EXTRACT]
    json_schema: JsonSchema = None
    template: TemplateName = None
    review: Review = None


class RetryOptions(Wire):
    """What a retry has to be told again."""

    password: Annotated[
        str | None,
        Field(max_length=1024, repr=False, description="Of the document; erased when the first job ended."),
    ] = None


class RetryBody(Wire):
    """What a retry may say; all else is as it was."""

    options: RetryOptions = RetryOptions()


class Query(BaseModel):
    """Query parameters: text that is read as what it should be."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoQuery(Query):
    """A request without query parameters."""


class SubmitQuery(Query):
    """How to answer a submission."""

    sync: Annotated[
        bool,
        Field(
            description="Wait for the result, as `Prefer: wait` does; 202 with the job if it takes longer."
        ),
    ] = False
    asynchronous: Annotated[
        bool,
        Field(alias="async", description="Answer 202 at once, as `Prefer: respond-async` does. The default."),
    ] = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.sync and self.asynchronous:
            raise ValueError("sync and async exclude each other")
        return self


class WaitQuery(Query):
    """How long to wait for the end of a job."""

    wait: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            allow_inf_nan=False,
            description="Seconds to wait for the job to end; the installation's limit caps it.",
        ),
    ] = 0


class EventsQuery(Query):
    """Where to go on in the events of a job."""

    last_event_id: Annotated[
        str | None,
        Field(
            max_length=20,
            description="As the header Last-Event-ID, for the first request of readers that cannot set it. "
            "The header wins.",
        ),
    ] = None


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def _parse_moment(text: object) -> object:
    """Read an RFC 3339 time. A plus sign that was not escaped in the URL has become a space."""
    if not isinstance(text, str):
        return text
    if _RFC_3339.fullmatch(text := text.replace(" ", "+")) is None:
        raise ValueError("write it as RFC 3339, such as 2026-03-14T09:26:53Z")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside of the years 1 to 9999") from None


Moment = Annotated[datetime, BeforeValidator(_parse_moment), AfterValidator(_in_utc)]


class ListQuery(Query):
    """Which jobs to list. `metadata.KEY=VALUE` may be given for up to 50 keys."""

    status: Annotated[JobStatus | None, Field(description="Only jobs in this state.")] = None
    operation: Annotated[
        Operation | Literal["batch"] | None, Field(description="Only jobs of this operation.")
    ] = None
    created_after: Annotated[Moment | None, Field(description="RFC 3339; this moment included.")] = None
    created_before: Annotated[Moment | None, Field(description="RFC 3339; this moment excluded.")] = None
    parent_id: Annotated[str | None, Field(max_length=100, description="Only the jobs of this batch.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Most jobs in one page.")] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor of the page before.")] = None
