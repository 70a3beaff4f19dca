"""What an extraction inside of another operation is given to fill: a schema, or a template's name."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

SchemaToFill = Annotated[
    dict[str, Any] | None,
    Field(alias="schema", description="JSON Schema 2020-12 of the values to fill, or the shorthand."),
]
TemplateToFill = Annotated[
    str | None,
    Field(max_length=80, description="A template instead of a schema. Its options do not count here."),
]
