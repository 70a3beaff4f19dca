"""The objects of /v1/templates, and how they are rendered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from affidavit.api.objects import Answer
from affidavit.templates.views import Page, TemplateView


class TemplateSummary(Answer):
    """A template in a list."""

    id: Annotated[str | None, Field(description="Null for a starter.")]
    name: str
    version: Annotated[int, Field(description="The newest, unless another was asked for.")]
    starter: Annotated[bool, Field(description="Whether it comes with the package.")]
    description: str
    created_at: datetime | None
    updated_at: Annotated[datetime | None, Field(description="When this version was made.")]


class TemplateObject(TemplateSummary):
    """One version of a template."""

    # The wire's name is `schema`; a field of that name would hide a method of the model.
    json_schema: Annotated[dict[str, Any], Field(alias="schema", description="Plain JSON Schema 2020-12.")]
    options: dict[str, Any]
    review: dict[str, Any] | None


class TemplateList(Answer):
    """A page of templates by name."""

    items: list[TemplateSummary]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


def render_template(view: TemplateView) -> dict[str, Any]:
    """Return the template object."""
    definition = view.definition
    return {
        **_summary(view),
        "schema": definition.schema,
        "options": definition.options,
        "review": definition.review,
    }


def render_templates(page: Page) -> dict[str, Any]:
    """Return a page of templates, without their schemas."""
    return {"items": [_summary(view) for view in page.items], "next_cursor": page.next_cursor}


def _summary(view: TemplateView) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "version": view.version,
        "starter": view.is_starter,
        "description": view.definition.description,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }
