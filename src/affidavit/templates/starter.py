"""The templates that come with the package: usable by name in every environment."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from affidavit.templates.views import Definition, TemplateView

_FOLDER = "starters"


@cache
def starters() -> dict[str, TemplateView]:
    """Return every starter template by its name, sorted. It has one version, which rises with its schema."""
    found = [json.loads(file.read_text("utf-8")) for file in files(__package__).joinpath(_FOLDER).iterdir()]
    return {
        each["name"]: TemplateView(
            name=each["name"],
            version=each["version"],
            definition=Definition(each["schema"], each["description"], each.get("options", {})),
        )
        for each in sorted(found, key=lambda each: each["name"])
    }
