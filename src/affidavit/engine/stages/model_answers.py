"""Find on the pages what a model says, and join what it says of the parts of a long document."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from affidavit.engine.passage import Passage
from affidavit.engine.result import Alternative, Citation, Document, FieldValue, Match
from affidavit.engine.schema import ArrayNode, Leaf, LeafType, Node, ObjectNode
from affidavit.engine.stages.field_tree import Tree, leaves_of, own_leaves
from affidavit.engine.stages.fields.assembly import NO_VALUE
from affidavit.engine.stages.ground import Locator
from affidavit.engine.stages.planted import planted_words
from affidavit.engine.stages.values.folding import squash

# What a model's value is worth by how it was found; not calibrated, as that differs by model.
SURE: Final = {Match.EXACT: 88, Match.NORMALIZED: 84, Match.FUZZY: 65}
SAID: Final = 60  # a yes or no that a quote speaks for
ELSEWHERE: Final = 50  # printed, but not where the model says
RECKONED: Final = 45  # not printed, but made of numbers in the quote
UNFOUND: Final = 10  # not in the document, as far as we can see
DISTINCT: Final = 6  # letters and figures that hardly stand in a document by chance
ALTERNATIVES: Final = 2
MOST_SEARCHES: Final = 3_000  # values that are looked for; whoever answers more is not believed beyond
MOST_ENDING: Final = 300  # items before a cut between chunks that may be said again after it


class Grounder:
    """Finds the values of answers in one document."""

    def __init__(self, document: Document) -> None:
        self._locator = Locator.of(document)
        self._planted = planted_words(document)
        self._searches = 0
        self._blocks = {word.id: word.block for page in document.pages for word in page.words}

    def tree(self, node: Node, answer: Any) -> Tree:
        """Return an answer that fits `answer_schema(node)` with each value found, or not."""
        return self._tree(node, answer, [])

    def blocks_of(self, tree: Tree) -> set[str | None]:
        """Return the blocks that the values of a tree cite."""
        return {
            self._blocks.get(word)
            for value in leaves_of(tree)
            for citation in value.citations
            for word in citation.words
        }

    def _tree(self, node: Node, answer: Any, near: list[Citation]) -> Tree:
        """`near` collects what the other values of the same item cite."""
        match node:
            case Leaf():
                found = self._field(node, answer["value"], answer["quote"], near)
                near.extend(found.citations)
                return found
            case ArrayNode():
                return [self._tree(node.item, item, []) for item in answer]
            case ObjectNode():
                return {name: self._tree(child, answer[name], near) for name, child in node.children}

    def _field(self, leaf: Leaf, value: Any, quote: str | None, near: Sequence[Citation]) -> FieldValue:
        if value is None or value == "":
            return NO_VALUE
        found = self._found(leaf, value, quote, near)
        words = {word for citation in found.citations for word in citation.words}
        if words and words <= self._planted:  # shown, but of no effect
            return FieldValue(value=None, confidence=0, alternatives=(_alternative(found),))
        return found

    def _found(self, leaf: Leaf, value: Any, quote: str | None, near: Sequence[Citation]) -> FieldValue:
        self._searches += 1
        if self._searches > MOST_SEARCHES:
            return FieldValue(value=value, confidence=UNFOUND)
        context = _context(quote, value)
        citation = self._locator.locate(value, leaf, quote=context, near=near)
        quoted = self._locator.quote(context, near=near) if context else citation if quote else None
        if citation is not None and quoted is not None and _is_within(citation, quoted, quote or ""):
            sure = SAID if isinstance(value, bool) else SURE[citation.match]
            return FieldValue(value=value, confidence=sure, citations=(citation,))
        if citation is not None and citation.match is not Match.FUZZY and _is_distinct(value):
            return FieldValue(value=value, confidence=ELSEWHERE, citations=(citation,))
        if quoted is not None and leaf.type in (LeafType.NUMBER, LeafType.INTEGER) and quote:
            inputs = self._locator.inputs(value, quote) if _is_number(value) else ()
            if inputs:
                return FieldValue(value=value, confidence=RECKONED, citations=inputs)
        return FieldValue(value=value, confidence=UNFOUND)


def joined(
    node: Node, trees: Sequence[Tree], chunks: Sequence[Sequence[Passage]], grounder: Grounder
) -> Tree:
    """Return one tree of those of consecutive chunks: of a value the best found, of a list all of it.

    What stands in two chunks, where they overlap, is taken once.
    """
    match node:
        case Leaf():
            return best([tree for tree in trees if isinstance(tree, FieldValue)])
        case ObjectNode():
            parts = [tree for tree in trees if isinstance(tree, dict)]
            return {
                name: joined(child, [part[name] for part in parts], chunks, grounder)
                for name, child in node.children
            }
        case ArrayNode():
            lists = [tree for tree in trees if isinstance(tree, list)]
            fresh = [lists[0]] if lists else []
            for (before, after), (chunk, following) in zip(pairwise(lists), pairwise(chunks), strict=False):
                shared = {passage.id for passage in chunk} & {passage.id for passage in following}
                fresh.append(_unsaid(before, after, shared, grounder))
            return [item for items in fresh for item in items]


def best(values: Sequence[FieldValue]) -> FieldValue:
    """Return the value that is grounded best, the first of equals, with the others beside it."""
    known = [value for value in values if value.value is not None]
    if not known:
        return next((value for value in values if value.alternatives), NO_VALUE)
    chosen = max(known, key=lambda value: (bool(value.citations), value.confidence))
    others = [_alternative(each) for each in known if not is_same(each.value, chosen.value)]
    return chosen.model_copy(update={"alternatives": tuple(others[:ALTERNATIVES])})


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values say the same, however they are spelled."""
    if _is_number(one) and _is_number(other):
        return abs(float(one) - float(other)) < 1e-9
    if isinstance(one, str) and isinstance(other, str):
        return one == other or (bool(squash(one)) and squash(one) == squash(other))
    return type(one) is type(other) and bool(one == other)


def _unsaid(before: list[Tree], after: list[Tree], shared: set[str], grounder: Grounder) -> list[Tree]:
    """Return the items of `after` that `before` does not end with."""
    ending = before[-MOST_ENDING:]
    said = [item for item in ending if not (blocks := grounder.blocks_of(item)) or blocks & shared]
    fresh = []
    for item in after:
        same = next((each for each in said if _is_repeat(each, item)), None)
        if same is None:
            fresh.append(item)
        else:
            said.remove(same)
    return fresh


def _is_repeat(one: Tree, other: Tree) -> bool:
    pairs = list(zip(own_leaves(one), own_leaves(other), strict=True))
    return bool(pairs) and all(is_same(a.value, b.value) for a, b in pairs)


def _alternative(value: FieldValue) -> Alternative:
    return Alternative(value=value.value, confidence=value.confidence // 2, citations=value.citations)


def _context(quote: str | None, value: Any) -> str | None:
    """Return a quote that says more than the value: one that does not, leads to the first place of many."""
    return quote if quote and quote.strip() and squash(quote) != squash(str(value)) else None


def _is_within(citation: Citation, quoted: Citation, quote: str) -> bool:
    if set(citation.words) <= set(quoted.words):
        return True
    words, inside = (
        [squash(word) for word in quote.split()],
        [squash(word) for word in citation.quote.split()],
    )
    return any(words[at : at + len(inside)] == inside for at in range(len(words) - len(inside) + 1))


def _is_distinct(value: Any) -> bool:
    return not isinstance(value, bool) and len(squash(str(value))) >= DISTINCT


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
