"""The templates that come with the package: usable by name in every environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_FOLDER = "starters"


@dataclass(frozen=True, slots=True)
class Starter:
    """A template of the package. It has one version, which changes with the package."""

    name: str
    description: str
    schema: dict[str, Any]
    options: dict[str, Any]


@cache
def starters() -> dict[str, Starter]:
    """Return every starter template by its name, sorted."""
    found = (json.loads(file.read_text("utf-8")) for file in files(__package__).joinpath(_FOLDER).iterdir())
    listed = (
        Starter(each["name"], each["description"], each["schema"], each.get("options", {})) for each in found
    )
    return {starter.name: starter for starter in sorted(listed, key=lambda starter: starter.name)}
