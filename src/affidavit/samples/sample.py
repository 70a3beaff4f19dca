"""A document whose values are known, so that a reading can be checked value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """A document, the schema to ask of it, and the values that are on it."""

    filename: str
    data: bytes
    schema: Mapping[str, Any]
    expected: Mapping[str, Any]
