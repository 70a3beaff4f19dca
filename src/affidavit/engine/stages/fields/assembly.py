"""Lay found values out as the schema asks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affidavit.engine.result import FieldValue
from affidavit.engine.schema import ArrayNode, Leaf, Node, ObjectNode
from affidavit.engine.stages.conformance import coerced

NO_VALUE = FieldValue(value=None, confidence=0)
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
    return Filled({} if data is None else data, builder.fields)


class _Builder:
    def __init__(self) -> None:
        self.fields: dict[str, FieldValue] = {}

    def object(self, node: ObjectNode, path: str, item: Item) -> Any:
        values = {name: self._node(child, below_object(path, name), item) for name, child in node.children}
        return object_of(node, values)

    def _node(self, node: Node, path: str, item: Item) -> Any:
        match node:
            case Leaf():
                found = item.values.get(node.path, NO_VALUE)
                fitting = coerced(found.value, node)
                self.fields[path] = found if fitting is found.value else _with(found, fitting)
                return fitting
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


def object_of(node: ObjectNode, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an object with these members, so that it breaks its schema only where it must.

    What is missing is null where the schema allows that or asks for it, and left out elsewhere. An object
    of which nothing was found is null where it may be, but for the one at the top.
    """
    built = {
        name: values[name]
        for name, child in node.children
        if name in node.required or _may_stand(child, values[name])
    }
    return None if node.path and node.nullable and not _has_content(built) else built


def _may_stand(node: Node, value: Any) -> bool:
    """Tell whether a member that is not required is better there than left out."""
    if value is None:
        return node.nullable
    if not isinstance(node, ObjectNode) or _has_content(value):
        return True
    return all(value.get(name) is not None or child.nullable for name, child in _required(node))


def _required(node: ObjectNode) -> list[tuple[str, Node]]:
    return [(name, child) for name, child in node.children if name in node.required]


def _with(found: FieldValue, value: Any) -> FieldValue:
    return found.model_copy(update={"value": value})


def _has_content(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_content(child) for child in value.values())
    return value is not None and value != []
