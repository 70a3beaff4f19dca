"""Weigh the values of rules and of a model against each other.

Where both say the same, both were right more often than either. Where they differ, the one that is
grounded better stands, less surely, and the other beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from affidavit.engine.result import Alternative, FieldValue
from affidavit.engine.schema import ArrayNode, Leaf, Node, ObjectNode
from affidavit.engine.stages.field_tree import Tree, changed, leaves_of, own_leaves
from affidavit.engine.stages.model_answers import ALTERNATIVES, is_same

MOST: Final = 99  # never certain
CONTESTED: Final = 0.7  # of its confidence when words speak for another value too
DOUBTED: Final = 0.9  # when the other value stands nowhere
ALONE: Final = 0.8  # an item that only one of the two has
MOST_ITEMS: Final = 500  # that are aligned; more are taken from the rules as they are
GROUNDED_SHARE: Final = 0.5  # of an item's values, for it to stand on the model's word


def combine(node: Node, rules: Tree, model: Tree) -> Tree:
    """Return one tree of two that have the shape of `node`."""
    match node:
        case Leaf():
            return _value(_leaf(rules), _leaf(model))
        case ObjectNode():
            ours, theirs = _named(rules), _named(model)
            return {name: combine(child, ours[name], theirs[name]) for name, child in node.children}
        case ArrayNode():
            return _items(node.item, _listed(rules), _listed(model))


def _value(rules: FieldValue, model: FieldValue) -> FieldValue:
    if model.value is None:
        return _beside(rules, model.alternatives)
    if rules.value is None:
        return _beside(model, rules.alternatives)
    if is_same(rules.value, model.value):
        together = 1 - (1 - rules.confidence / 100) * (1 - model.confidence / 100)
        chosen = rules if rules.citations or not model.citations else model
        others = tuple(each for each in rules.alternatives if not is_same(each.value, rules.value))
        return chosen.model_copy(
            update={"confidence": min(MOST, round(100 * together)), "alternatives": others}
        )
    winner, loser = (rules, model) if _weight(rules) >= _weight(model) else (model, rules)
    left = CONTESTED if loser.citations else DOUBTED
    other = Alternative(value=loser.value, confidence=loser.confidence // 2, citations=loser.citations)
    lowered = winner.model_copy(update={"confidence": round(winner.confidence * left), "alternatives": ()})
    return _beside(lowered, (other, *winner.alternatives, *loser.alternatives))


def _weight(value: FieldValue) -> tuple[bool, int]:
    return bool(value.citations), value.confidence


def _beside(value: FieldValue, others: tuple[Alternative, ...]) -> FieldValue:
    """Return the value with more alternatives, each of them once."""
    kept: list[Alternative] = []
    for each in (*value.alternatives, *others):
        if not is_same(each.value, value.value) and not any(is_same(each.value, k.value) for k in kept):
            kept.append(each)
    return value.model_copy(update={"alternatives": tuple(kept[:ALTERNATIVES])})


def _items(node: Node, rules: list[Tree], model: list[Tree]) -> list[Tree]:
    if not rules:
        return model
    if not model or max(len(rules), len(model)) > MOST_ITEMS:
        return rules
    return [
        each for ours, theirs in _aligned(rules, model) if (each := _item(node, ours, theirs)) is not None
    ]


def _item(node: Node, ours: Tree | None, theirs: Tree | None) -> Tree | None:
    if ours is not None and theirs is not None:
        return combine(node, ours, theirs)
    if ours is not None:
        return changed(ours, _lowered)
    return changed(theirs, _lowered) if theirs is not None and _is_grounded(theirs) else None


def _lowered(value: FieldValue) -> FieldValue:
    return value.model_copy(update={"confidence": round(value.confidence * ALONE)})


def _is_grounded(item: Tree) -> bool:
    known = [value for value in leaves_of(item) if value.value is not None]
    return bool(known) and sum(bool(value.citations) for value in known) >= GROUNDED_SHARE * len(known)


def _aligned(rules: list[Tree], model: list[Tree]) -> Iterator[tuple[Tree | None, Tree | None]]:
    """Yield the items in order, paired so that most values agree: both lists follow the document."""
    scores = [[0.0] * (len(model) + 1) for _ in range(len(rules) + 1)]
    likeness = [[_likeness(ours, theirs) for theirs in model] for ours in rules]
    for i in reversed(range(len(rules))):
        for j in reversed(range(len(model))):
            paired = scores[i + 1][j + 1] + likeness[i][j]
            scores[i][j] = max(paired, scores[i + 1][j], scores[i][j + 1])
    i = j = 0
    while i < len(rules) or j < len(model):
        if (
            i < len(rules)
            and j < len(model)
            and likeness[i][j] > 0
            and (scores[i][j] == scores[i + 1][j + 1] + likeness[i][j])
        ):
            yield rules[i], model[j]
            i, j = i + 1, j + 1
        elif j == len(model) or (i < len(rules) and scores[i][j] == scores[i + 1][j]):
            yield rules[i], None
            i += 1
        else:
            yield None, model[j]
            j += 1


def _likeness(ours: Tree, theirs: Tree) -> float:
    """Return how much two items agree: values that are the same less half of those that differ."""
    likeness = 0.0
    for one, other in zip(own_leaves(ours), own_leaves(theirs), strict=True):
        if one.value is not None and other.value is not None:
            likeness += 1.0 if is_same(one.value, other.value) else -0.5
    return likeness


def _leaf(tree: Tree) -> FieldValue:
    assert isinstance(tree, FieldValue)
    return tree


def _named(tree: Tree) -> dict[str, Tree]:
    assert isinstance(tree, dict)
    return tree


def _listed(tree: Tree) -> list[Tree]:
    assert isinstance(tree, list)
    return tree
