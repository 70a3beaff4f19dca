"""A template as the outside sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Definition:
    """What a version of a template says. `schema` is plain JSON Schema; `options` are those that it sets."""

    schema: dict[str, Any]
    description: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    review: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TemplateView:
    """One version of a template. A starter comes with the package and has no id and no times."""

    name: str
    version: int
    definition: Definition
    id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_starter(self) -> bool:
        """Whether it comes with the package."""
        return self.id is None


@dataclass(frozen=True, slots=True)
class Made:
    """What a POST made, or what an earlier one with the same key had made."""

    view: TemplateView
    replayed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some templates by name. `next_cursor` None: these were the last."""

    items: tuple[TemplateView, ...]
    next_cursor: str | None
