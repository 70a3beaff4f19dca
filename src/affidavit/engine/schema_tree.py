"""The tree of values that a schema asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class LeafType(StrEnum):
    """The JSON type of a value to fill."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value to fill. `path` has a name per object level and `[]` for the items of an array.

    `type` is what to look for; `other_types` are allowed as well. `pattern` is the caller's: it must
    only be run behind the walls and within a `time_limit`. `labels`, `anchor` and `pages` are the
    caller's hints, see `schema_hints`; pages below 0 count from the end.
    """

    path: tuple[str, ...]
    name: str
    type: LeafType
    title: str | None = None
    description: str | None = None
    format: str | None = None
    enum: tuple[Any, ...] = ()
    nullable: bool = False
    other_types: tuple[LeafType, ...] = ()
    pattern: str | None = None
    examples: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    anchor: str | None = None
    pages: tuple[int, ...] = ()

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

    def may_be_on(self, page: int, page_count: int) -> bool:
        """Tell whether the caller's hint allows this page, from 1, of a document of so many."""
        return not self.pages or page in self.pages or page - page_count - 1 in self.pages


@dataclass(frozen=True, slots=True)
class ArrayNode:
    """An array whose items are all alike."""

    path: tuple[str, ...]
    name: str
    item: Node
    title: str | None = None
    description: str | None = None
    nullable: bool = False
    labels: tuple[str, ...] = ()
    anchor: str | None = None
    pages: tuple[int, ...] = ()


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
    labels: tuple[str, ...] = ()
    anchor: str | None = None
    pages: tuple[int, ...] = ()


Node = Leaf | ArrayNode | ObjectNode


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
