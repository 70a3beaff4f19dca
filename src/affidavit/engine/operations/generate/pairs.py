"""Find the labelled values of a document, each with its words and the heading that it stands under."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from affidavit.engine.operations.generate.typing import TEXT, ValueType, type_of
from affidavit.engine.operations.kinds import match_title
from affidavit.engine.result import BlockType, BoundingBox, Page, Table
from affidavit.engine.stages.fields.lexicon import BY_KEY, CONCEPTS, LEGAL_FORMS, Kind, Scope
from affidavit.engine.stages.fields.view import Row, Segment, Token, View
from affidavit.engine.stages.values.folding import fold, squash

MOST_LABEL_WORDS: Final = 6
MOST_LABEL_CHARACTERS: Final = 60
MOST_VALUE_WORDS: Final = 14
PROSE_WORDS: Final = 16  # in a segment; a colon in it announces a clause, not a value
MOST_ROWS: Final = 20_000  # of the document that are looked at
BELOW_ROWS: Final = 2
BELOW_HEIGHTS: Final = 3.0
MOST_PAIRS: Final = 1000

_WITH_COLON = re.compile(r"(?P<label>[^:\uff1a]{1,60}?)\s*[:\uff1a]\s*(?P<value>\S.*)", re.DOTALL)
_NO_LABEL = re.compile(
    r".*\d$|(?:https?|urn|mailto|page|seite|pagina|p\u00e1gina|blatt)$|.*[.!?] .*", re.IGNORECASE
)
_AMOUNT = re.compile(r"\d[.,]\d")
_RATE = re.compile(r"\s*\(?\d+(?:[.,]\d+)?\s*%\)?\s*")


@dataclass(frozen=True, slots=True)
class Pair:
    """A value and the label that it is printed with. `section` is the heading over both, if any."""

    label: str
    value: str
    tokens: tuple[Token, ...]
    section: str | None = None
    concept: str | None = None


def find_pairs(view: View, tables: Sequence[Table]) -> list[Pair]:
    """Return the labelled values in reading order, without those inside `tables`."""
    blocked = [(table.page, table.box) for table in tables]
    rows = [row for row in view.rows[:MOST_ROWS] if row.segments]
    headings = _headings(view)
    pairs: list[Pair] = []
    for index, row in enumerate(rows):
        free = [segment for segment in row.segments if not _is_inside(segment, blocked)]
        for label, value, tokens in _in_row(free, rows[index + 1 : index + 1 + BELOW_ROWS], view):
            section = _section(headings, row)
            pairs.append(Pair(label, value, tokens, section, concept_of(label)))
        if len(pairs) >= MOST_PAIRS:
            break
    return pairs


def concept_of(label: str, *, in_line: bool = False) -> str | None:
    """Return the key of what a label surely means in business documents, None when it is not known.

    `in_line` asks for what it means over a column of items; else for what it means outside of them.
    """
    return _strong_labels(in_line=in_line).get(squash(label))


def type_with(concept: str | None, found: ValueType) -> ValueType:
    """Return the type of what is known by name, which one value may hide; else the type that was found."""
    return _BY_KIND.get(BY_KEY[concept].kind, found) if concept else found


_BY_KIND = {
    Kind.DATE: ValueType("string", "date"),
    Kind.MONEY: ValueType("number"),
    Kind.QUANTITY: ValueType("number"),
    Kind.PERCENT: ValueType("number"),
    Kind.CODE: TEXT,
    Kind.CURRENCY: ValueType("string", "currency"),
    Kind.EMAIL: ValueType("string", "email"),
}


@cache
def _strong_labels(*, in_line: bool) -> dict[str, str]:
    known: dict[str, str] = {}
    for concept in CONCEPTS:
        if (concept.scope is Scope.LINE) is in_line:
            for label in (concept.key.replace("_", " "), *concept.strong):
                known.setdefault(squash(label), concept.key)
    return known


Found = tuple[str, str, tuple[Token, ...]]


def _in_row(segments: Sequence[Segment], below: Sequence[Row], view: View) -> Iterator[Found]:
    taken: set[int] = set()
    for at, segment in enumerate(segments):
        if at in taken:
            continue
        following = segments[at + 1] if at + 1 < len(segments) else None
        inline = _inline(segment)
        if inline:
            yield inline
        elif (label := _label_of(segment, following)) is None:
            continue
        elif following is not None and _is_value(following, label):
            taken.add(at + 1)
            yield label, following.text.strip(), following.tokens
        elif value := _value_below(segment, below, view, label):
            yield label, value.text.strip(), value.tokens


def _inline(segment: Segment) -> Found | None:
    """Read `Label: value` in one segment."""
    match = _WITH_COLON.fullmatch(segment.text)
    if match is None or len(segment.tokens) > PROSE_WORDS:
        return None
    label = _clean(match["label"])
    if not label or _NO_LABEL.fullmatch(match["label"].strip()):
        return None
    tokens = segment.between(match.start("value"), match.end("value"))
    return (label, match["value"].strip(), tokens) if tokens else None


def _label_of(segment: Segment, following: Segment | None) -> str | None:
    """Return the label that a segment is: it ends in a colon, is a known one, or stands left of a value."""
    text = segment.text.strip()
    label = _clean(text)
    if not label or len(segment.tokens) > MOST_LABEL_WORDS:
        return None
    is_announced = text.endswith((":", "\uff1a"))
    if is_announced:
        return label
    if match_title(label) is not None:
        return None
    if concept_of(label):
        return label
    is_plain = not any(map(str.isdigit, label)) and label[:1].isupper()
    if is_plain and following is not None and type_of(following.text, label) != TEXT:
        return label
    return None


def _is_value(segment: Segment, label: str) -> bool:
    text = segment.text.strip()
    if len(segment.tokens) > MOST_VALUE_WORDS or text.endswith(":") or _inline(segment):
        return False
    return type_of(text, label) != TEXT or concept_of(text) is None


def _value_below(label: Segment, rows: Sequence[Row], view: View, name: str) -> Segment | None:
    """Return the segment right under a label, starting at its edge."""
    height = view.heights[label.page]
    for row in rows:
        if row.page != label.page or row.box[1] - label.box[3] > BELOW_HEIGHTS * height:
            return None
        for segment in row.segments:
            if abs(segment.box[0] - label.box[0]) < 1.5 * height and _is_value(segment, name):
                return segment
    return None


def _clean(text: str) -> str:
    """Return a label without the signs and the rate around it; empty when it is none."""
    label = _RATE.sub(" ", text).strip(" \t:\uff1a.*\u2022-\u2013|")
    is_label = any(map(str.isalpha, label)) and len(label) <= MOST_LABEL_CHARACTERS
    is_label = is_label and not _AMOUNT.search(label)
    return label if is_label and len(label.split()) <= MOST_LABEL_WORDS else ""


def _is_inside(segment: Segment, boxes: Sequence[tuple[int, BoundingBox]]) -> bool:
    x, y = (segment.box[0] + segment.box[2]) / 2, (segment.box[1] + segment.box[3]) / 2
    return any(
        page == segment.page and box[0] - 2 <= x <= box[2] + 2 and box[1] - 2 <= y <= box[3] + 2
        for page, box in boxes
    )


@dataclass(frozen=True, slots=True)
class _Heading:
    page: int
    bottom: float
    text: str


def _headings(view: View) -> list[_Heading]:
    """Return the headings below the document's own title, in order."""
    found = [heading for page in view.document.pages for heading in _of_page(page)]
    return [each for at, each in enumerate(found) if at or not match_title(each.text)]


def _of_page(page: Page) -> Iterator[_Heading]:
    for block in page.blocks:
        if block.type is BlockType.HEADING:
            text = page.markdown[block.range[0] : block.range[1]].lstrip("# ").strip("*_ \n")
            if text and "\n" not in text and not LEGAL_FORMS & set(fold(text).split()):
                yield _Heading(page.number, block.box[3], _clean(text) or text[:MOST_LABEL_CHARACTERS])


def _section(headings: Sequence[_Heading], row: Row) -> str | None:
    """Return the last heading above a row; a heading reaches over the end of its page."""
    above = [heading for heading in headings if (heading.page, heading.bottom) <= (row.page, row.box[1] + 2)]
    return above[-1].text if above else None


def doubled(pairs: Sequence[Pair]) -> frozenset[str]:
    """Return the squashed labels that stand more than twice: they belong to a list, not to the document."""
    ordered = sorted(squash(pair.label) for pair in pairs)
    return frozenset(
        one for (one, two), three in zip(pairwise(ordered), ordered[2:], strict=False) if one == two == three
    )
