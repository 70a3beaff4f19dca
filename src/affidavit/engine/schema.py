"""Read a caller's JSON Schema into the tree of values to fill, or say what is wrong with it.

Light on purpose: the API compiles a schema at the door to refuse a bad one, so nothing here
imports a reader of documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema_check import Schema, check_schema, pointer, resolve

MAX_LEAVES = 500  # a form of ten dense pages has about 300 fields
MAX_DEPTH = 12  # of objects and arrays in the data
MAX_STEPS = 10_000  # objects, arrays and references followed; references can multiply without end


class LeafType(StrEnum):
    """The JSON type of a value to fill."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value to fill. `path` has a name per object level and `[]` for the items of an array."""

    path: tuple[str, ...]
    name: str
    type: LeafType
    title: str | None = None
    description: str | None = None
    format: str | None = None
    enum: tuple[Any, ...] = ()
    nullable: bool = False

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the objects and arrays around the leaf, outermost first."""
        return tuple(piece for piece in self.path[:-1] if piece != "[]")

    @property
    def repeats(self) -> bool:
        """Whether the leaf stands in an array."""
        return "[]" in self.path

    @property
    def is_in_item(self) -> bool:
        """Whether the leaf is a property of an array's items, not an item itself."""
        return self.repeats and self.path[-1] != "[]"


@dataclass(frozen=True, slots=True)
class ArrayNode:
    """An array whose items are all alike."""

    path: tuple[str, ...]
    name: str
    item: Node
    title: str | None = None
    description: str | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """An object with its properties in the order of the schema."""

    path: tuple[str, ...]
    name: str
    children: tuple[tuple[str, Node], ...]
    required: frozenset[str]
    title: str | None = None
    description: str | None = None
    nullable: bool = False


Node = Leaf | ArrayNode | ObjectNode


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


def walk_leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves below `node` in the order of the schema."""
    match node:
        case Leaf():
            yield node
        case ArrayNode():
            yield from walk_leaves(node.item)
        case ObjectNode():
            for _, child in node.children:
                yield from walk_leaves(child)


# The schema without references, whether null is allowed, its JSON Pointer, the references followed.
_Effective = tuple[Schema, bool, str, tuple[str, ...]]


class _Compiler:
    """Turns a checked schema into nodes, following references and counting leaves."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._leaves = 0
        self._steps = 0

    def compile(self) -> ObjectNode:
        top = self._node(self._schema, (), "", ())
        if not isinstance(top, ObjectNode):
            raise SchemaInvalid("/type", "must be 'object' at the top: name the values to extract")
        if not top.children:
            raise SchemaInvalid("/properties", "names no property, so there is nothing to extract")
        return top

    def _node(self, raw: Any, path: tuple[str, ...], at: str, seen: tuple[str, ...]) -> Node:
        if len(path) > MAX_DEPTH:
            raise SchemaInvalid(at, f"asks for data more than {MAX_DEPTH} levels deep; flatten it")
        part, nullable, at, seen = self._effective(raw, at, seen)
        kind, is_null_type = _type_of(part, at)
        nullable = nullable or is_null_type
        if kind == "object":
            return self._object(part, path, at, seen, nullable=nullable)
        if kind == "array":
            return self._array(part, path, at, seen, nullable=nullable)
        return self._leaf(part, LeafType(kind), path, nullable=nullable)

    def _effective(self, raw: Any, at: str, seen: tuple[str, ...]) -> _Effective:
        """Follow $ref, allOf and the first real branch of anyOf/oneOf; siblings win over targets."""
        part: Schema = dict(raw) if isinstance(raw, dict) else {}
        nullable = False
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
                at = reference.removeprefix("#")
            elif "allOf" in part:
                together: Schema = {}
                for index, branch in enumerate(part.pop("allOf")):
                    effective = self._effective(branch, f"{at}/allOf/{index}", seen)[0]
                    together = _merge(together, effective)
                part = _merge(together, part)
            elif "anyOf" in part or "oneOf" in part:
                branches = part.pop("anyOf", None) or part.pop("oneOf")
                real = [branch for branch in branches if not _is_null(branch)]
                nullable = nullable or len(real) < len(branches)
                part = _merge(real[0] if real else {"type": "null"}, part)
            else:
                return part, nullable, at, seen

    def _step(self, at: str) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SchemaInvalid(
                at, "refers to so many parts that it cannot be unfolded; use fewer references"
            )

    def _object(
        self, part: Schema, path: tuple[str, ...], at: str, seen: tuple[str, ...], *, nullable: bool
    ) -> ObjectNode:
        if "[]" in part.get("properties", {}):  # stands for the items of an array in paths
            raise SchemaInvalid(f"{at}/properties/[]", "cannot be the name of a property; use another")
        children = tuple(
            (name, self._node(child, (*path, name), f"{at}/properties" + pointer([name]), seen))
            for name, child in part.get("properties", {}).items()
        )
        return ObjectNode(
            path=path,
            name=path[-1] if path else "",
            children=children,
            required=frozenset(part.get("required", ())),
            title=part.get("title"),
            description=part.get("description"),
            nullable=nullable,
        )

    def _array(
        self, part: Schema, path: tuple[str, ...], at: str, seen: tuple[str, ...], *, nullable: bool
    ) -> ArrayNode:
        item = self._node(part.get("items", {}), (*path, "[]"), f"{at}/items", seen)
        return ArrayNode(
            path=path,
            name=_name(path),
            item=item,
            title=part.get("title"),
            description=part.get("description"),
            nullable=nullable,
        )

    def _leaf(self, part: Schema, kind: LeafType, path: tuple[str, ...], *, nullable: bool) -> Leaf:
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise SchemaInvalid("", f"asks for more than {MAX_LEAVES} values; split it into several schemas")
        choices = [part["const"]] if "const" in part else part.get("enum", [])
        return Leaf(
            path=path,
            name=_name(path),
            type=kind,
            title=part.get("title"),
            description=part.get("description"),
            format=part.get("format"),
            enum=tuple(choice for choice in choices if choice is not None),
            nullable=nullable or None in choices,
        )


def _name(path: tuple[str, ...]) -> str:
    return next((piece for piece in reversed(path) if piece != "[]"), "")


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


def _type_of(part: Schema, at: str) -> tuple[str, bool]:
    """Return the type to fill and whether null is allowed too. No type at all means a string."""
    declared = part.get("type")
    types = [declared] if isinstance(declared, str) else list(declared or ())
    real = [name for name in types if name != "null"]
    if types and not real:
        raise SchemaInvalid(f"{at}/type", "is only 'null', so there is nothing to extract")
    if real:
        return real[0], "null" in types
    if "properties" in part:
        return "object", False
    if "items" in part:
        return "array", False
    choices = [part["const"]] if "const" in part else part.get("enum", [])
    return _type_of_choices([choice for choice in choices if choice is not None]), False


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
