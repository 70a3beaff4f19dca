"""Make a shape from examples: JSON objects that look as the data should."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce
from typing import Any, Final

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.operations.generate.shape import Shape, leaf, unite
from affidavit.engine.stages.values.codes import find_emails

MAX_VALUES: Final = 20_000  # in all examples together
MAX_DEPTH: Final = 12
MOST_NAME: Final = 200  # characters

_URI = re.compile(r"[a-z][a-z0-9+.-]{1,20}://\S{1,2000}", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d)")


def shape_of_examples(examples: Sequence[dict[str, Any]]) -> Shape:
    """Return the shape that all examples fit. Raises SchemaInvalid for examples without any value."""
    shapes = [_Reader().read(example, 0) for example in examples]
    shape = reduce(unite, shapes)
    if not shape.properties:
        raise SchemaInvalid("", "cannot be made: the examples name no property")
    return shape


class _Reader:
    """Reads one example, counting its values."""

    def __init__(self) -> None:
        self._values = 0

    def read(self, value: Any, depth: int) -> Shape:
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            limit = f"{MAX_VALUES} values" if self._values > MAX_VALUES else f"{MAX_DEPTH} levels"
            raise SchemaInvalid("", f"cannot be made: an example has more than {limit}")
        match value:
            case dict():
                return self._object(value, depth)
            case list():
                items = [self.read(item, depth + 1) for item in value]
                return Shape(frozenset({"array"}), items=reduce(unite, items) if items else None)
            case _:
                return _leaf(value)

    def _object(self, value: dict[str, Any], depth: int) -> Shape:
        named = {str(name)[:MOST_NAME]: child for name, child in value.items() if name != "[]"}
        properties = {name: self.read(child, depth + 1) for name, child in named.items()}
        required = frozenset(name for name, child in named.items() if child is not None)
        return Shape(frozenset({"object"}), properties=properties, required=required)


def _leaf(value: Any) -> Shape:
    names = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
    name = names.get(type(value))
    return leaf(name) if name else leaf("string", _format_of(str(value)))


def _format_of(text: str) -> str | None:
    if _DATE.fullmatch(text) and _is_iso(date, text):
        return "date"
    if _DATE_TIME.fullmatch(text) and _is_iso(datetime, text.upper().replace(" ", "T")):
        return "date-time"
    emails = find_emails(text)
    if len(emails) == 1 and emails[0].value == text:
        return "email"
    if _URI.fullmatch(text):
        return "uri"
    return "uuid" if _UUID.fullmatch(text) else None


def _is_iso(kind: type[date], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True
