"""Shapes of data that can be united, and written as JSON Schema 2020-12."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MOST_LABELS: Final = 8  # of one property that the schema keeps as hints

_ORDER: Final = ("object", "array", "string", "number", "integer", "boolean", "null")


@dataclass(frozen=True, slots=True)
class Shape:
    """What values at one place look like. `labels` are what documents call them there."""

    types: frozenset[str]
    formats: frozenset[str | None] = frozenset()
    labels: tuple[str, ...] = ()
    description: str | None = None
    properties: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Shape | None = None

    @property
    def is_empty(self) -> bool:
        return self.types == {"object"} and not self.properties


def leaf(kind: str, form: str | None = None, *labels: str) -> Shape:
    """Return the shape of a value of one type."""
    formats = frozenset({form}) if kind == "string" else frozenset[str | None]()
    return Shape(frozenset({kind}), formats, tuple(labels))


def unite(one: Shape, other: Shape) -> Shape:
    """Return the shape that fits whatever either fits; required is what both require."""
    types = _united_types(one.types | other.types)
    properties = {
        name: _united(one.properties.get(name), other.properties.get(name))
        for name in (*one.properties, *(name for name in other.properties if name not in one.properties))
    }
    return Shape(
        types=types,
        formats=one.formats | other.formats,
        labels=tuple(dict.fromkeys((*one.labels, *other.labels))),
        description=one.description or other.description,
        properties=properties,
        required=_both_required(one, other),
        items=_united(one.items, other.items) if one.items or other.items else None,
    )


def limit(shape: Shape, most: int) -> tuple[Shape, int]:
    """Return the shape with its first `most` values, and how many were left out."""
    room = [most]
    left_out = [0]
    return _limited(shape, room, left_out) or replace(shape, properties={}), left_out[0]


def to_schema(shape: Shape, *, top: bool = True) -> dict[str, Any]:
    """Return the JSON Schema of a shape."""
    types = sorted(shape.types, key=_ORDER.index)
    schema: dict[str, Any] = {"$schema": DIALECT} if top else {}
    schema["type"] = types[0] if len(types) == 1 else types
    description = shape.description or "; ".join(shape.labels[:3])
    if description:
        schema["description"] = description
    form = next(iter(shape.formats)) if len(shape.formats) == 1 else None
    if form and "string" in types:
        schema["format"] = form
    if shape.labels and not shape.properties and shape.items is None:
        schema["x-labels"] = [label[:100] for label in shape.labels[:MOST_LABELS]]
    if "object" in types:
        schema["properties"] = {name: to_schema(child, top=False) for name, child in shape.properties.items()}
        if shape.required:
            schema["required"] = [name for name in shape.properties if name in shape.required]
    if "array" in types:
        schema["items"] = to_schema(shape.items, top=False) if shape.items else {"type": "string"}
    return schema


def from_schema(schema: Mapping[str, Any]) -> Shape:
    """Read a schema that was generated before; what generation does not write is left out."""
    declared = schema.get("type", "object" if "properties" in schema else "string")
    types = frozenset([declared] if isinstance(declared, str) else declared)
    labels = schema.get("x-labels", ())
    properties = {name: from_schema(child) for name, child in schema.get("properties", {}).items()}
    return Shape(
        types=types,
        formats=frozenset({schema.get("format")}) if "string" in types else frozenset(),
        labels=tuple([labels] if isinstance(labels, str) else labels),
        description=schema.get("description"),
        properties=properties,
        required=frozenset(schema.get("required", ())) & frozenset(properties),
        items=from_schema(schema["items"]) if isinstance(schema.get("items"), dict) else None,
    )


def walk(shape: Shape, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Shape]]:
    """Yield every shape below with its path in the schema."""
    yield path, shape
    for name, child in shape.properties.items():
        yield from walk(child, (*path, "properties", name))
    if shape.items:
        yield from walk(shape.items, (*path, "items"))


def _united(one: Shape | None, other: Shape | None) -> Shape:
    if one and other:
        return unite(one, other)
    found = one or other
    assert found is not None
    return found


def _united_types(types: frozenset[str]) -> frozenset[str]:
    return types - {"integer"} if "number" in types else types


def _both_required(one: Shape, other: Shape) -> frozenset[str]:
    """Null requires nothing of an object: it is another branch."""
    if "object" not in one.types or "object" not in other.types:
        return one.required | other.required
    return one.required & other.required


def _limited(shape: Shape, room: list[int], left_out: list[int]) -> Shape | None:
    if shape.properties:
        kept = {name: _limited(child, room, left_out) for name, child in shape.properties.items()}
        properties = {name: child for name, child in kept.items() if child}
        return (
            replace(shape, properties=properties, required=shape.required & properties.keys())
            if properties
            else None
        )
    if shape.items:
        items = _limited(shape.items, room, left_out)
        return replace(shape, items=items) if items else None
    if room[0] <= 0:
        left_out[0] += 1
        return None
    room[0] -= 1
    return shape
