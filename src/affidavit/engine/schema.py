"""Read a caller's JSON Schema into the tree of values to fill, or say what is wrong with it.

Light on purpose: the API compiles a schema at the door to refuse a bad one, so nothing here
imports a reader of documents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema_check import Schema, check_schema, pointer, resolve
from affidavit.engine.schema_hints import Hints, read_hints
from affidavit.engine.schema_tree import ArrayNode, Leaf, LeafType, Node, ObjectNode, walk_leaves

__all__ = [
    "ArrayNode",
    "CompiledSchema",
    "Leaf",
    "LeafType",
    "Node",
    "ObjectNode",
    "Schema",
    "compile_schema",
    "walk_leaves",
]

MAX_LEAVES = 500  # a form of ten dense pages has about 300 fields
MAX_DEPTH = 12  # of objects and arrays in the data
MAX_STEPS = 10_000  # objects, arrays and references followed; references can multiply without end


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """A checked schema, its tree, and the leaves of the tree in order."""

    schema: Schema
    root: ObjectNode
    leaves: tuple[Leaf, ...]


def compile_schema(schema: Schema) -> CompiledSchema:
    """Check `schema` and return the tree of values that it asks for.

    Raises SchemaInvalid with the JSON Pointer of the first offence: JSON Schema 2020-12 broken,
    no object at the top, a reference that is remote, missing or endless, a bad pattern, or a limit.
    """
    check_schema(schema)
    root = _Compiler(schema).compile()
    return CompiledSchema(schema=schema, root=root, leaves=tuple(walk_leaves(root)))


@dataclass(frozen=True, slots=True)
class _Part:
    """A schema without references and branches: where it stands, and what was followed to get there."""

    schema: Schema
    at: str
    seen: tuple[str, ...] = ()
    nullable: bool = False
    branches: tuple[Any, ...] = ()  # other choices of an anyOf or oneOf, which were not followed


_NO_HINTS = Hints()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands in the data, with the hints of what is around it."""

    path: tuple[str, ...] = ()
    hints: Hints = _NO_HINTS

    def below(self, name: str, hints: Hints) -> _Place:
        return _Place((*self.path, name), hints)

    @property
    def name(self) -> str:
        return next((piece for piece in reversed(self.path) if piece != "[]"), "")


class _Compiler:
    """Turns a checked schema into nodes, following references and counting leaves."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._leaves = 0
        self._steps = 0

    def compile(self) -> ObjectNode:
        top = self._node(self._schema, _Place(), "", ())
        if not isinstance(top, ObjectNode):
            raise SchemaInvalid("/type", _NO_OBJECT)
        if not top.children:
            raise SchemaInvalid("/properties", "names no property, so there is nothing to extract")
        return top

    def _node(self, raw: Any, place: _Place, at: str, seen: tuple[str, ...]) -> Node:
        if len(place.path) > MAX_DEPTH:
            raise SchemaInvalid(at, f"asks for data more than {MAX_DEPTH} levels deep; flatten it")
        part = self._effective(raw, at, seen)
        kinds, has_null = _types_of(part.schema, part.at)
        match kinds[0]:
            case "object":
                return self._object(replace(part, nullable=part.nullable or has_null), place)
            case "array":
                return self._array(replace(part, nullable=part.nullable or has_null), place)
            case kind:
                return self._leaf(part, place, LeafType(kind), kinds[1:])

    def _effective(self, raw: Any, at: str, seen: tuple[str, ...]) -> _Part:
        """Follow $ref, allOf and the first real branch of anyOf/oneOf; siblings win over targets."""
        part: Schema = dict(raw) if isinstance(raw, dict) else {}
        nullable = False
        branches: tuple[Any, ...] = ()
        while True:
            self._step(at)
            if "$ref" in part:
                reference = str(part.pop("$ref"))
                if reference in seen:
                    raise SchemaInvalid(
                        f"{at}/$ref", "refers to itself without end; data must have a fixed depth"
                    )
                seen = (*seen, reference)
                part = _merge(resolve(self._schema, reference, at), part)
                at = unquote(reference.removeprefix("#"))
            elif "allOf" in part:
                together: Schema = {}
                for index, branch in enumerate(part.pop("allOf")):
                    below = self._effective(branch, f"{at}/allOf/{index}", seen)
                    together = _merge(together, below.schema)
                part = _merge(together, part)
            elif "anyOf" in part or "oneOf" in part:
                word = "anyOf" if "anyOf" in part else "oneOf"
                listed = list(enumerate(part.pop(word)))
                real = [(index, branch) for index, branch in listed if not _is_null(branch)]
                nullable = nullable or len(real) < len(listed)
                index, chosen = real[0] if real else (0, {"type": "null"})
                branches = tuple(branch for _, branch in real[1:])
                part, at = _merge(chosen, part), f"{at}/{word}/{index}"
            else:
                return _Part(part, at, seen, nullable, branches)

    def _step(self, at: str) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SchemaInvalid(
                at, "refers to so many parts that it cannot be unfolded; use fewer references"
            )

    def _object(self, part: _Part, place: _Place) -> ObjectNode:
        schema, properties = part.schema, part.schema.get("properties", {})
        if "[]" in properties:  # stands for the items of an array in paths
            raise SchemaInvalid(f"{part.at}/properties/[]", "cannot be the name of a property; use another")
        hints = read_hints(schema).below(place.hints)
        children = tuple(
            (name, self._node(child, place.below(name, hints), _property(part.at, name), part.seen))
            for name, child in properties.items()
            if child is not False  # which no value could satisfy
        )
        return ObjectNode(
            path=place.path,
            name=place.path[-1] if place.path else "",
            children=children,
            required=frozenset(schema.get("required", ())),
            title=schema.get("title"),
            description=schema.get("description"),
            nullable=part.nullable,
            labels=hints.labels,
            anchor=hints.anchor,
            pages=hints.pages,
        )

    def _array(self, part: _Part, place: _Place) -> ArrayNode:
        schema = part.schema
        hints = read_hints(schema).below(place.hints)
        return ArrayNode(
            path=place.path,
            name=place.name,
            item=self._node(schema.get("items", {}), place.below("[]", hints), f"{part.at}/items", part.seen),
            title=schema.get("title"),
            description=schema.get("description"),
            nullable=part.nullable,
            labels=hints.labels,
            anchor=hints.anchor,
            pages=hints.pages,
        )

    def _leaf(self, part: _Part, place: _Place, kind: LeafType, others: tuple[str, ...]) -> Leaf:
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise SchemaInvalid("", f"asks for more than {MAX_LEAVES} values; split it into several schemas")
        schema, choices = part.schema, _choices(part.schema)
        hints = read_hints(schema).below(place.hints)
        return Leaf(
            path=place.path,
            name=place.name,
            type=kind,
            title=schema.get("title"),
            description=schema.get("description"),
            format=schema.get("format"),
            enum=tuple(choice for choice in choices if choice is not None),
            nullable=_may_be_null(part, choices),
            other_types=_scalars([*others, *self._types_of_branches(part)], kind),
            pattern=schema.get("pattern"),
            examples=tuple(schema.get("examples", ())),
            labels=hints.labels,
            anchor=hints.anchor,
            pages=hints.pages,
        )

    def _types_of_branches(self, part: _Part) -> list[str]:
        """Return the types that the other branches of an anyOf or oneOf allow."""
        found: list[str] = []
        for branch in part.branches:
            effective = self._effective(branch, part.at, part.seen)
            found += _types_of(effective.schema, effective.at)[0]
        return found


_NO_OBJECT = (
    "must be 'object' at the top: name the values to extract. "
    'For a list: {"type": "object", "properties": {"items": {"type": "array", "items": ...}}}'
)


def _property(at: str, name: str) -> str:
    return f"{at}/properties{pointer([name])}"


def _scalars(types: list[str], but: LeafType) -> tuple[LeafType, ...]:
    """Return the types that a single value can have, each once and `but` one."""
    known = [LeafType(name) for name in dict.fromkeys(types) if name in tuple(LeafType)]
    return tuple(kind for kind in known if kind is not but)


def _is_null(branch: Any) -> bool:
    return isinstance(branch, dict) and (branch.get("type") == "null" or branch.get("const", 0) is None)


def _merge(below: Any, above: Schema) -> Schema:
    """Lay `above` over `below`; properties and required of both are kept."""
    base: Schema = dict(below) if isinstance(below, dict) else {}
    merged = {**base, **above}
    if "properties" in base and "properties" in above:
        merged["properties"] = {**base["properties"], **above["properties"]}
    if "required" in base and "required" in above:
        merged["required"] = [*base["required"], *above["required"]]
    return merged


def _types_of(part: Schema, at: str) -> tuple[tuple[str, ...], bool]:
    """Return the types to fill, the one to look for first, and whether null is allowed too.

    No type at all means a string.
    """
    declared = part.get("type")
    types = [declared] if isinstance(declared, str) else list(declared or ())
    real = tuple(name for name in types if name != "null")
    if types and not real:
        raise SchemaInvalid(f"{at}/type", "is only 'null', so there is nothing to extract")
    if real:
        return real, "null" in types
    if "properties" in part:
        return ("object",), False
    if "items" in part:
        return ("array",), False
    return (_type_of_choices([choice for choice in _choices(part) if choice is not None]),), False


def _may_be_null(part: _Part, choices: list[Any]) -> bool:
    """Tell whether null is valid: the type must allow it, and the choices, if there are any."""
    kinds = part.schema.get("type")
    is_by_type = "null" in kinds if isinstance(kinds, list) else kinds is None and bool(choices)
    return part.nullable or (is_by_type and (not choices or None in choices))


def _choices(part: Schema) -> list[Any]:
    return [part["const"]] if "const" in part else list(part.get("enum", ()))


def _type_of_choices(choices: list[Any]) -> str:
    if choices and all(isinstance(choice, bool) for choice in choices):
        return "boolean"
    if choices and all(isinstance(choice, int) and not isinstance(choice, bool) for choice in choices):
        return "integer"
    if choices and all(
        isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices
    ):
        return "number"
    return "string"
