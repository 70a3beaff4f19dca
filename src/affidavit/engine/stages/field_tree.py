"""Take the fields of an extraction apart into a tree shaped as the schema, and lay one out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from affidavit.engine.result import FieldValue
from affidavit.engine.schema import ArrayNode, Leaf, Node, ObjectNode
from affidavit.engine.stages.conformance import coerced
from affidavit.engine.stages.fields.assembly import NO_VALUE, Filled, below_object, object_of

# A value for a leaf, a list for an array, a dictionary by name for an object.
Tree = FieldValue | list["Tree"] | dict[str, "Tree"]


def tree_of(node: Node, data: Any, fields: dict[str, FieldValue], path: str = "") -> Tree:
    """Return the tree of `data`, with the entries of `fields` at its leaves; what is absent has no value."""
    match node:
        case Leaf():
            return fields.get(path, NO_VALUE)
        case ArrayNode():
            items = data if isinstance(data, list) else []
            return [tree_of(node.item, item, fields, f"{path}[{n}]") for n, item in enumerate(items)]
        case ObjectNode():
            known = data if isinstance(data, dict) else {}
            return {
                name: tree_of(child, known.get(name), fields, below_object(path, name))
                for name, child in node.children
            }


def leaves_of(tree: Tree) -> Iterator[FieldValue]:
    """Yield the values of a tree in order."""
    match tree:
        case FieldValue():
            yield tree
        case list():
            for item in tree:
                yield from leaves_of(item)
        case dict():
            for child in tree.values():
                yield from leaves_of(child)


def own_leaves(tree: Tree) -> Iterator[FieldValue]:
    """Yield the values of an item that stand in no further list: as many for each item of a list."""
    match tree:
        case FieldValue():
            yield tree
        case dict():
            for child in tree.values():
                yield from own_leaves(child)


def without_empty(tree: Tree) -> Tree:
    """Return the tree without the items of lists that hold no value."""
    match tree:
        case FieldValue():
            return tree
        case list():
            items = [without_empty(item) for item in tree]
            return [item for item in items if any(value.value is not None for value in leaves_of(item))]
        case dict():
            return {name: without_empty(child) for name, child in tree.items()}


def changed(tree: Tree, change: Callable[[FieldValue], FieldValue]) -> Tree:
    """Return the tree with every value changed."""
    match tree:
        case FieldValue():
            return change(tree)
        case list():
            return [changed(item, change) for item in tree]
        case dict():
            return {name: changed(child, change) for name, child in tree.items()}


def lay_out(root: ObjectNode, tree: Tree) -> Filled:
    """Return the data of a tree and its entries by their paths.

    A value that is missing is null where the schema allows it or asks for one, and left out elsewhere.
    """
    fields: dict[str, FieldValue] = {}
    data = _laid_out(root, tree, "", fields)
    return Filled({} if data is None else data, fields)


def _laid_out(node: Node, tree: Tree, path: str, fields: dict[str, FieldValue]) -> Any:
    match node, tree:
        case Leaf(), FieldValue():
            value = coerced(tree.value, node)
            fields[path] = tree if value is tree.value else tree.model_copy(update={"value": value})
            return value
        case ArrayNode(), list():
            return [_laid_out(node.item, item, f"{path}[{n}]", fields) for n, item in enumerate(tree)]
        case ObjectNode(), dict():
            return _object(node, tree, path, fields)
    raise TypeError("a tree has the shape of its schema")


def _object(node: ObjectNode, tree: dict[str, Tree], path: str, fields: dict[str, FieldValue]) -> Any:
    values = {
        name: _laid_out(child, tree[name], below_object(path, name), fields) for name, child in node.children
    }
    return object_of(node, values)
