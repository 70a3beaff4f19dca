"""Apply a reviewer's corrections to a result: values set, items removed, evidence found, schema checked.

The machine's result stays as it is; what comes of it is another one, which says what was corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from statistics import mean
from typing import Annotated, Any, Final

from pydantic import Field

from affidavit.engine.errors import CorrectionsInvalid, Fault
from affidavit.engine.field_path import Step, parse_path, pointer_of
from affidavit.engine.result import BoundingBox, Citation, Document, FieldValue, Match, Result, Value
from affidavit.engine.schema import ArrayNode, Leaf, LeafType, Node, ObjectNode, compile_schema
from affidavit.engine.spec import Frozen
from affidavit.engine.stages.conformance import check
from affidavit.engine.stages.fields.assembly import NO_VALUE, below_object
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.view import Token, View
from affidavit.engine.stages.ground import Locator

CERTAIN: Final = 100  # of what a person has said
MAX_ITEMS: Final = 10_000  # of one array

Path = tuple[Step, ...]


class _Misplaced(ValueError):
    """A path that names nothing which can be corrected so."""


class CitedPlace(Frozen):
    """Where a reviewer saw a value: words by their ids, or a box on a page, or a quote."""

    page: Annotated[int | None, Field(ge=1)] = None
    box: BoundingBox | None = None
    words: Annotated[tuple[Annotated[str, Field(max_length=40)], ...], Field(max_length=500)] = ()
    quote: Annotated[str | None, Field(min_length=1, max_length=5000)] = None


class Correction(Frozen):
    """A leaf's new value, null for none; or an item of an array that is to go."""

    path: Annotated[str, Field(min_length=1, max_length=1000)]
    value: Annotated[str, Field(max_length=100_000)] | bool | int | float | None = None
    remove: bool = False
    citation: CitedPlace | None = None


class Reviewed(Value):
    """What a person changed: the machine's own fields by their paths in the machine's result.

    `corrected` has null where the machine had no such field; `removed` are the paths of items that went.
    """

    corrected: dict[str, FieldValue | None]
    removed: tuple[str, ...] = ()


def amend(
    result: Result, schema: Mapping[str, Any], corrections: Sequence[Correction], document: Document | None
) -> Result:
    """Return the result with all corrections. Raises CorrectionsInvalid, with a Fault each.

    Paths are those of the machine's result; items go after all values are set, so that no index moves
    meanwhile. Without the document, whose pages may be gone, a citation is what its box says.
    """
    work = _Amendment(result, dict(schema), document)
    for correction in corrections:
        work.take(correction)
    return work.finish()


@dataclass(slots=True)
class _Gone:
    """Stands where an item was."""


@dataclass
class _Amendment:
    result: Result
    schema: dict[str, Any]
    document: Document | None
    faults: list[Fault] = field(default_factory=list)
    changed: dict[Path, FieldValue] = field(default_factory=dict)
    removed: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = compile_schema(self.schema).root
        self.data = deepcopy(self.result.data)
        self.known = {parse_path(path): value for path, value in self.result.fields.items()}
        self.paths = {parse_path(path): path for path in self.result.fields}

    @cached_property
    def view(self) -> View | None:
        return None if self.document is None else View(self.document)

    @cached_property
    def locator(self) -> Locator | None:
        return None if self.view is None else Locator(self.view)

    def take(self, correction: Correction) -> None:
        """Apply one correction to the data, or note what is wrong with it."""
        try:
            path = parse_path(correction.path)
            if correction.remove:
                self._remove(path)
            else:
                self._set(path, correction)
        except ValueError as error:
            self.faults.append(Fault(correction.path, str(error)))

    def finish(self) -> Result:
        """Return the amended result. Raises CorrectionsInvalid."""
        if self.faults:
            raise CorrectionsInvalid(self.faults)
        fields: dict[str, FieldValue] = {}
        data = self._rebuilt(self.root, self.data, (), "", fields)
        violations = check(data, self.schema)
        mine = {pointer_of(path): path for path in self.changed}
        broken = [Fault(_spelled(mine[v.path]), v.message) for v in violations if v.path in mine]
        if broken:
            raise CorrectionsInvalid(broken)
        valued = {path: value for path, value in fields.items() if value.value is not None}
        return self.result.model_copy(
            update={
                "data": data,
                "fields": fields,
                "ungrounded_fields": tuple(path for path, value in valued.items() if not value.citations),
                "schema_violations": violations,
                "confidence": round(mean(value.confidence for value in valued.values())) if valued else None,
                "review": Reviewed(
                    corrected={_spelled(path): self.known.get(path) for path in self.changed},
                    removed=tuple(_spelled(path) for path in self.removed),
                ),
            }
        )

    def _set(self, path: Path, correction: Correction) -> None:
        leaf = _leaf_at(self.root, path)
        value = _typed(correction.value, leaf)
        holder = self._holder(path)
        last = path[-1]
        if isinstance(holder, dict) and isinstance(last, str):
            if value is None and not leaf.nullable:
                holder.pop(last, None)
            else:
                holder[last] = value
        elif isinstance(holder, list) and isinstance(last, int):
            _put(holder, last, value)
        else:
            raise _Misplaced("names no place in the data")
        self.changed[path] = self._field(value, leaf, correction.citation)

    def _holder(self, path: Path) -> Any:
        """Return what holds the last step, made on the way where the schema has it."""
        here: Any = self.data
        for step, following in pairwise(path):
            fresh: Any = [] if isinstance(following, int) else {}
            if isinstance(here, dict) and isinstance(step, str):
                if here.get(step) is None:
                    here[step] = fresh
                here = here[step]
            elif isinstance(here, list) and isinstance(step, int):
                if step == len(here):
                    _put(here, step, fresh)
                here = _item(here, step)
            else:
                raise _Misplaced("names no place in the data")
        return here

    def _remove(self, path: Path) -> None:
        holder, last = self._holder(path), path[-1]
        if not isinstance(holder, list) or not isinstance(last, int):
            raise _Misplaced("names no item of an array, and only items can be removed")
        _item(holder, last)
        holder[last] = _Gone()
        self.removed.append(path)

    def _field(self, value: Any, leaf: Leaf, place: CitedPlace | None) -> FieldValue:
        if value is None:
            return FieldValue(value=None, confidence=CERTAIN)
        citation = self._cited(value, leaf, place)
        return FieldValue(value=value, confidence=CERTAIN, citations=() if citation is None else (citation,))

    def _cited(self, value: Any, leaf: Leaf, place: CitedPlace | None) -> Citation | None:
        if place is None:
            return None if self.locator is None else self.locator.locate(value, leaf)
        if place.words or place.box is not None:
            return self._pointed(place)
        if place.quote is not None and self.locator is not None:
            quoted = Leaf(path=("quote",), name="quote", type=LeafType.STRING)
            return self.locator.locate(value, leaf, quote=place.quote) or self.locator.locate(
                place.quote, quoted
            )
        return None

    def _pointed(self, place: CitedPlace) -> Citation:
        """Return the citation of words that the reviewer pointed at. Raises ValueError."""
        tokens = self._tokens(place)
        if tokens and self.view is not None:
            return cite(self.view, tokens, Match.EXACT)
        if place.words:
            raise ValueError("cites words that the document does not have on one page")
        if place.page is None or place.page not in {page.number for page in self.result.pages}:
            raise ValueError("cites a box without a page of the document")
        assert place.box is not None
        quote = place.quote or ""
        return Citation(page=place.page, box=place.box, words=(), range=None, quote=quote, match=Match.EXACT)

    def _tokens(self, place: CitedPlace) -> list[Token]:
        if self.view is None:
            return []
        every = [token for tokens in self.view.tokens.values() for token in tokens]
        if place.words:
            wanted = set(place.words)
            found = [token for token in every if token.word.id in wanted]
            return found if len({token.page for token in found}) == 1 and len(found) == len(wanted) else []
        assert place.box is not None
        box = place.box
        return [token for token in every if token.page == place.page and _is_inside(token, box)]

    def _rebuilt(self, node: Node, data: Any, path: Path, key: str, fields: dict[str, FieldValue]) -> Any:
        """Return the data without what is gone, and give each leaf its field under its new path."""
        match node:
            case Leaf():
                fields[key] = self.changed.get(path) or self.known.get(path, NO_VALUE)
                return data
            case ObjectNode():
                found = data if isinstance(data, dict) else {}
                kept = {
                    name: self._rebuilt(
                        child, found.get(name), (*path, name), below_object(key, name), fields
                    )
                    for name, child in node.children
                }
                is_there = isinstance(data, dict)
                return {name: value for name, value in kept.items() if name in found} if is_there else data
            case ArrayNode():
                items = enumerate(data if isinstance(data, list) else ())
                left = [(at, item) for at, item in items if not isinstance(item, _Gone)]
                return [
                    self._rebuilt(node.item, item, (*path, at), f"{key}[{number}]", fields)
                    for number, (at, item) in enumerate(left)
                ]


def _leaf_at(node: Node, path: Path) -> Leaf:
    for step in path:
        match node:
            case ObjectNode() if isinstance(step, str) and step in dict(node.children):
                node = dict(node.children)[step]
            case ArrayNode() if isinstance(step, int):
                node = node.item
            case _:
                raise ValueError("is no field of the schema")
    if not isinstance(node, Leaf):
        raise _Misplaced("is no single field; correct the fields in it")
    return node


def _typed(value: Any, leaf: Leaf) -> Any:
    """Return the value as the leaf's type has it. Raises ValueError; nothing is converted but 3.0 to 3."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    for type_ in (leaf.type, *leaf.other_types):
        match type_:
            case LeafType.INTEGER if is_number and value == int(value):
                return int(value)
            case LeafType.NUMBER if is_number:
                return value
            case LeafType.BOOLEAN if isinstance(value, bool):
                return value
            case LeafType.STRING if isinstance(value, str):
                return value
    raise ValueError(f"is to be of type {leaf.type}")


def _put(items: list[Any], at: int, value: Any) -> None:
    if at == len(items) and at < MAX_ITEMS:
        items.append(value)
        return
    _item(items, at)
    items[at] = value


def _item(items: list[Any], at: int) -> Any:
    if at >= len(items):
        raise ValueError(f"is beyond the array's {len(items)} items; the next one has index {len(items)}")
    if isinstance(items[at], _Gone):
        raise _Misplaced("is in an item that is removed")
    return items[at]


def _is_inside(token: Token, box: BoundingBox) -> bool:
    x0, y0, x1, y1 = token.word.box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _spelled(path: Path) -> str:
    text = ""
    for step in path:
        text = f"{text}[{step}]" if isinstance(step, int) else below_object(text, step)
    return text
