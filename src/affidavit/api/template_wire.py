"""The requests of /v1/templates, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from affidavit.api.wire import Query, Wire
from affidavit.engine.spec import Options
from affidavit.templates.reference import NAME_PATTERN

Name = Annotated[
    str,
    Field(
        pattern=NAME_PATTERN,
        description="Lower-case letters, digits, `_` and `-`. A starter's name makes yours stand before it.",
    ),
]
Schema = Annotated[
    dict[str, Any],
    Field(alias="schema", description="JSON Schema 2020-12 of the values to fill, or the shorthand."),
]


class ReviewDefaults(Wire):
    """When a person is to look at what was found."""

    threshold: Annotated[
        int | None,
        Field(ge=0, le=100, description="A result with a value below this confidence waits for a review."),
    ] = None


class TemplateChange(Wire):
    """What the next version of a template says, as a whole."""

    json_schema: Schema
    description: Annotated[str, Field(max_length=1000, description="What it is for.")] = ""
    options: Annotated[
        Options,
        Field(description="Options of the submissions that use it; what a submission says itself wins."),
    ] = Options()
    review: ReviewDefaults | None = None


class TemplateUpdate(TemplateChange):
    """The next version of a template, and which one it was made from."""

    version: Annotated[
        int | None,
        Field(
            ge=1,
            le=999_999_999,
            description="The version that you have seen: 409 when there is a newer one. As If-Match.",
        ),
    ] = None


class TemplateBody(TemplateChange):
    """A new template."""

    name: Name


class TemplateQuery(Query):
    """Which templates to list."""

    starter: Annotated[bool | None, Field(description="Only those of the package, or only your own.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="Most templates in one page.")] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor of the page before.")] = None
