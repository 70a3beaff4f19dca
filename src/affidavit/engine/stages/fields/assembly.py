"""Lay found values out as the schema asks, and check the result against it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry

from affidavit.engine.result import FieldValue, SchemaViolation
from affidavit.engine.schema import ArrayNode, Leaf, Node, ObjectNode
from affidavit.engine.schema_check import Schema
from affidavit.engine.stages.fields.deadline import TimeLimitReached, time_limit
from affidavit.engine.stages.values.codes import find_emails, find_uris
from affidavit.engine.stages.values.currencies import CURRENCY_CODES

MAX_VIOLATIONS = 100
MAX_MESSAGE = 300
CHECK_SECONDS = 5.0  # the largest schema with 100 items takes about 0.5 s
NOT_CHECKED = "The data could not be checked against the schema: "
TOO_COSTLY = "it takes too long. Simplify its patterns and references."

NO_VALUE = FieldValue(value=None, confidence=0)
_ABSENT = object()
_PLAIN_NAME = re.compile(r"[^.\[\]\"\\]+")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an array: its values by leaf path, and the items of each array in it by array path."""

    values: Mapping[Path, FieldValue]
    arrays: Mapping[Path, Sequence[Item]] = field(default_factory=dict)


Items = Mapping[Path, Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Filled:
    """The data and one entry per leaf of it, keyed by the leaf's path in the data."""

    data: Any
    fields: dict[str, FieldValue]


def fill(root: ObjectNode, values: Mapping[tuple[str, ...], FieldValue], items: Items) -> Filled:
    """Build the data for a schema from values by leaf path, and from items by array path."""
    builder = _Builder()
    data = builder.object(root, "", Item(values, items))
    return Filled({} if data is _ABSENT else data, builder.fields)


class _Builder:
    def __init__(self) -> None:
        self.fields: dict[str, FieldValue] = {}

    def object(self, node: ObjectNode, path: str, item: Item) -> Any:
        built: dict[str, Any] = {}
        for name, child in node.children:
            below = below_object(path, name)
            value = self._node(child, below, item)
            if value is None and not child.nullable and name not in node.required:
                continue  # absent, as the schema allows neither null nor an invention
            if value is _ABSENT:
                continue
            built[name] = value
        if path and not _has_content(built) and not node.required:
            return None if node.nullable else built
        return built

    def _node(self, node: Node, path: str, item: Item) -> Any:
        match node:
            case Leaf():
                found = item.values.get(node.path, NO_VALUE)
                self.fields[path] = found
                return found.value
            case ArrayNode():
                return self._array(node, path, item)
            case ObjectNode():
                return self.object(node, path, item)

    def _array(self, node: ArrayNode, path: str, item: Item) -> list[Any]:
        return [
            self._node(node.item, f"{path}[{number}]", each)
            for number, each in enumerate(item.arrays.get(node.path, ()))
        ]


def below_object(path: str, name: str) -> str:
    """Return the key of a property: plain names by dots; a name that could be misread, as JSON in brackets.

    So `a.b` is the property b of a, and `["a.b"]` the one that is called so.
    """
    if _PLAIN_NAME.fullmatch(name) is None:
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


def _has_content(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_content(child) for child in value.values())
    return value is not None and value != []


def check(data: Any, schema: Schema, seconds: float = CHECK_SECONDS) -> tuple[SchemaViolation, ...]:
    """Return where `data` breaks `schema`, formats included, in order of place; at most 100.

    A schema whose check has no end, or none in time, is listed as not checked.
    """
    validator = Draft202012Validator(schema, format_checker=FORMATS, registry=Registry())
    try:
        with time_limit(seconds):
            errors = list(validator.iter_errors(data))
    except RecursionError:
        return (SchemaViolation(path="", message=NOT_CHECKED + "it refers to itself without end."),)
    except TimeLimitReached:
        return (SchemaViolation(path="", message=NOT_CHECKED + TOO_COSTLY),)
    errors.sort(key=lambda error: [str(piece) for piece in error.absolute_path])
    return tuple(_violation(error) for error in errors[:MAX_VIOLATIONS])


def _violation(error: ValidationError) -> SchemaViolation:
    pieces = (str(piece).replace("~", "~0").replace("/", "~1") for piece in error.absolute_path)
    return SchemaViolation(path="".join("/" + piece for piece in pieces), message=error.message[:MAX_MESSAGE])


FORMATS = FormatChecker(formats=())


def _format(name: str) -> Callable[[Callable[[str], bool]], Callable[[str], bool]]:
    def register(test: Callable[[str], bool]) -> Callable[[str], bool]:
        FORMATS.checks(name, raises=ValueError)(lambda value: not isinstance(value, str) or test(value))
        return test

    return register


@_format("date")
def _is_date(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and bool(date.fromisoformat(text))


@_format("date-time")
def _is_moment(text: str) -> bool:
    return datetime.fromisoformat(text.upper()).tzinfo is not None


@_format("email")
def _is_email(text: str) -> bool:
    return [code.value for code in find_emails(text)] == [text]


@_format("uri")
def _is_uri(text: str) -> bool:
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:\S", text)) or bool(find_uris(text))


@_format("currency")
def _is_currency(text: str) -> bool:
    return text in CURRENCY_CODES
