"""Read the path of a field: the keys of `fields` in a result, such as `lines[0].quantity`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

Step = str | int

MAX_STEPS: Final = 32
_INDEX = re.compile(r"\[(\d{1,7})\]")
_NAME = re.compile(r"[^.\[\]\"\\]+")


def parse_path(path: str) -> tuple[Step, ...]:
    """Return the names and the indices of a path. Raises ValueError for what is none."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        if len(steps) == MAX_STEPS:
            raise ValueError("has too many steps")
        step, at = _step(path, at, is_first=not steps)
        steps.append(step)
    if not steps:
        raise ValueError("is empty")
    return tuple(steps)


def pointer_of(steps: Sequence[Step]) -> str:
    """Return the JSON Pointer (RFC 6901) of a path."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def _step(path: str, at: int, *, is_first: bool) -> tuple[Step, int]:
    if found := _INDEX.match(path, at):
        return int(found[1]), found.end()
    if path.startswith('["', at):
        with suppress(json.JSONDecodeError):
            name, end = json.JSONDecoder().raw_decode(path, at + 1)
            if path.startswith("]", end):
                return name, end + 1
    start = at if is_first else at + 1
    if (is_first or path.startswith(".", at)) and (found := _NAME.match(path, start)):
        return found[0], found.end()
    raise ValueError("is not a path such as total, seller.name or lines[0].quantity")
