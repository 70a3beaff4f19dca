"""The friendly way to write a schema, `{"total": "number: amount due"}`, spelled out as JSON Schema.

A field is a text, `TYPE`, `TYPE: description`, `a|b|c` or a description alone; an object of fields; a list
with one of them for an array; or a piece of JSON Schema. Every field is there in the data, null when it
was not found; with `!` after its type it must be found.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema_check import MAX_NESTING, Schema, pointer

_TYPES: Mapping[str, Schema] = {
    "string": {"type": "string"},
    "text": {"type": "string"},
    "number": {"type": "number"},
    "decimal": {"type": "number"},
    "float": {"type": "number"},
    "amount": {"type": "number"},
    "money": {"type": "number"},
    "integer": {"type": "integer"},
    "int": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "bool": {"type": "boolean"},
    "percent": {"type": "number", "format": "percent"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "date-time": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
    "uri": {"type": "string", "format": "uri"},
    "phone": {"type": "string", "format": "phone"},
    "currency": {"type": "string", "format": "currency"},
    "iban": {"type": "string", "format": "iban"},
}
TYPE_NAMES = tuple(_TYPES)

_JSON_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ANNOTATIONS = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "nullable",
}
_KEYWORDS = _ANNOTATIONS | Draft202012Validator.VALIDATORS.keys() | {"$id", "$comment", "definitions"}
_FIELD = re.compile(
    r"(?P<type>[A-Za-z][A-Za-z-]*)(?P<list>\[\])?(?P<mark>[?!])?\s*(?::\s*(?P<about>.*))?", re.DOTALL
)
_CHOICES = re.compile(r"(?P<choices>[^:|]+(?:\|[^:|]+)+)(?::\s*(?P<about>.*))?", re.DOTALL)


@dataclass(slots=True)
class Expansion:
    """A schema that was spelled out; `places` leads from its JSON Pointers to those of the shorthand."""

    schema: Schema
    places: dict[str, str] = field(default_factory=dict)

    def place_of(self, path: str) -> str:
        """Return the JSON Pointer into what the caller sent for one into the schema."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places and path[length : length + 1] in ("", "/"):
                return self.places[path[:length]] + path[length:]
        return path


def is_schema(raw: Mapping[str, Any]) -> bool:
    """Tell whether an object is JSON Schema, rather than fields in shorthand."""
    if any(name in raw for name in ("$schema", "$ref", "$defs")):
        return True
    if isinstance(raw.get("properties"), dict) or any(
        isinstance(raw.get(word), list) for word in ("allOf", "anyOf", "oneOf", "enum")
    ):
        return True
    return _is_type(raw.get("type")) and all(name in _KEYWORDS or name.startswith("x-") for name in raw)


def expand(raw: Schema) -> Expansion:
    """Spell a shorthand out. Raises SchemaInvalid with the JSON Pointer into the shorthand."""
    expansion = Expansion({})
    expansion.schema = _Expander(expansion.places).fields(raw, "", "", 1)
    return expansion


class _Expander:
    """Spells fields out, and notes where each came from."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = places

    def fields(self, raw: Mapping[str, Any], at: str, to: str, depth: int) -> Schema:
        if depth > MAX_NESTING:
            raise SchemaInvalid(at, f"is nested more than {MAX_NESTING} levels deep; flatten it")
        if not raw:
            raise SchemaInvalid(at, 'names no field; write it as {"total": "number: amount due"}')
        self._places[to] = at
        properties = {
            name: self.one(child, at + pointer([name]), f"{to}/properties" + pointer([name]), depth + 1)
            for name, child in raw.items()
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def one(self, raw: Any, at: str, to: str, depth: int) -> Any:
        self._places[to] = at
        match raw:
            case str():
                return _of_text(raw, at)
            case dict() if is_schema(raw):
                return raw
            case dict():
                return self.fields(raw, at, to, depth)
            case [item]:
                item_at, item_to = f"{at}/0", f"{to}/items"
                return {"type": "array", "items": _sure(self.one(item, item_at, item_to, depth + 1))}
            case list():
                raise SchemaInvalid(
                    at, 'must have one member, the fields of an item; for choices write "a|b"'
                )
            case _:
                raise SchemaInvalid(
                    at, f"must be a type such as {_SOME}, an object of fields, or a list of one"
                )


_SOME = '"number: amount due"'


def _of_text(text: str, at: str) -> Schema:
    found = _FIELD.fullmatch(text.strip())
    if found and found["type"].lower() in _TYPES:
        return _typed(found)
    choices = _CHOICES.fullmatch(text.strip())
    if choices:
        listed = [choice.strip() for choice in choices["choices"].split("|")]
        if all(listed):
            return _described(
                _nullable({"type": "string", "enum": list(dict.fromkeys(listed))}), choices["about"]
            )
    if (found and (found["about"] is None or found["list"] or found["mark"])) or not text.strip():
        raise SchemaInvalid(at, _unknown_type(found["type"] if found else ""))
    if found and (close := difflib.get_close_matches(found["type"].lower(), TYPE_NAMES, 1, 0.8)):
        raise SchemaInvalid(at, f"is of no type '{found['type']}'; did you mean '{close[0]}'?")
    return _described(_nullable({"type": "string"}), text.strip())


def _typed(found: re.Match[str]) -> Schema:
    schema = dict(_TYPES[found["type"].lower()])
    if found["list"]:
        return _described({"type": "array", "items": schema}, found["about"])
    return _described(schema if found["mark"] == "!" else _nullable(schema), found["about"])


def _described(schema: Schema, about: str | None) -> Schema:
    return {**schema, "description": about.strip()} if about and about.strip() else schema


def _nullable(schema: Schema) -> Schema:
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **more}


def _sure(schema: Any) -> Any:
    """Return the schema of an item, which is there or not, but never null."""
    if not isinstance(schema, dict) or not isinstance(schema.get("type"), list):
        return schema
    kind, *rest = schema["type"]
    if rest != ["null"]:
        return schema
    choices = (
        {"enum": [choice for choice in schema["enum"] if choice is not None]} if "enum" in schema else {}
    )
    return {**schema, "type": kind, **choices}


def _unknown_type(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), TYPE_NAMES, 1, 0.6)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    said = f"is of no type '{name}'" if name else "says nothing of the field"
    return f"{said}{meant} Use one of {', '.join(TYPE_NAMES)}; or choices as in 'a|b|c'"


def _is_type(kind: Any) -> bool:
    kinds = [kind] if isinstance(kind, str) else kind
    return (
        isinstance(kinds, list)
        and bool(kinds)
        and all(isinstance(each, str) and each in _JSON_TYPES for each in kinds)
    )
