"""Read items that stand under a heading without the names of columns, as the posts of a résumé do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from affidavit.engine.schema import ArrayNode, LeafType
from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.entries import Entry, Found, Record, found
from affidavit.engine.stages.fields.lexicon import LEGAL_FORMS, Kind
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import Row, Segment, View
from affidavit.engine.stages.values.folding import split_name

HEADING_WORDS = 5
AS_LARGE = 0.95  # of the heading's height: the next heading
SAME_EDGE = 0.6  # word heights between left edges of one column
APART = 1.4  # times the median gap between rows, from which on an item ends
MOST_ROWS = 300  # of a section
LEAST_VALUES = 2  # of an item
SURE, IN_ORDER = 0.75, 0.6  # of a value by its look, and of one by its place in the item alone

_YEAR = re.compile(r"\b(19|20)\d\d\b")
_JOINT = re.compile(r"\s+[|\u2022\u00b7\u2013\u2014-]\s+|,\s+|\s+at\s+")
_TIMES = frozenset({"period", "dates", "date", "year", "years", "from", "when", "duration", "time"})
_BODIES = frozenset(
    {"employer", "company", "organisation", "organization", "institution", "school", "university"}
)
_BODY_WORDS = frozenset(
    {"university", "college", "school", "institute", "academy", "ministry", "authority", "hospital", "agency"}
    | {"universit\u00e4t", "hochschule", "schule", "universit\u00e9", "\u00e9cole", "universidad", "escuela"}
)


class SectionReader:
    """Looks for the section of an array and takes its entries apart."""

    def __init__(self, view: View, spans: Spans) -> None:
        self._view = view
        self._spans = spans

    def items(self, node: ArrayNode, plans: Sequence[Plan], taken: frozenset[int]) -> Found | None:
        """Return the entries under the heading that names the array; None without one, or in a table."""
        if len(plans) < LEAST_VALUES:
            return None
        rows = self._section({label_key(name) for name in _names(node)})
        if not rows or any(row.number in taken for row in rows):
            return None
        records = [self._record(_texts(entry), plans) for entry in self._entries(rows)]
        times = {plan.key for plan in plans if _is_time(plan)}
        dated = [record for record in records if not times or times & record.keys()]
        kept = [Entry(record) for record in dated if len(record) >= LEAST_VALUES]
        if 2 * len(kept) <= len(records):  # most of the section is something else
            return None
        return found(kept, frozenset(row.number for row in rows)) if kept else None

    def _section(self, names: set[str]) -> list[Row]:
        """Return the rows from the heading to the next one that is as large, or stands as it does."""
        for at, row in enumerate(self._view.rows):
            if len(row.segments) > 1 or len(row.tokens) > HEADING_WORDS:
                continue
            if label_key(row.segments[0].text) in names:
                return self._below(row, self._view.rows[at + 1 : at + 1 + MOST_ROWS])
        return []

    def _below(self, heading: Row, rows: Sequence[Row]) -> list[Row]:
        section: list[Row] = []
        for row in rows:
            is_large = _height(row) >= AS_LARGE * _height(heading)
            if is_large and len(row.segments) == 1 and len(row.tokens) <= HEADING_WORDS:
                is_same = abs(row.box[0] - heading.box[0]) <= SAME_EDGE * _height(heading)
                if is_same or _height(row) > _height(heading):
                    break
            section.append(row)
        return section

    def _entries(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """Yield the rows of each entry: it begins at the left edge, or after a gap where all rows do."""
        height = self._view.heights[rows[0].page]
        edge = min(row.box[0] for row in rows)
        hangs = any(row.box[0] - edge > 2 * SAME_EDGE * height for row in rows)
        gaps = [b.box[1] - a.box[3] for a, b in pairwise(rows) if a.page == b.page]
        usual = median(gaps) if gaps else 0.0
        entry: list[Row] = []
        for row in rows:
            is_left = row.box[0] - edge <= SAME_EDGE * height
            is_apart = bool(entry) and row.box[1] - entry[-1].box[3] > APART * usual
            if entry and (is_left if hangs else is_apart):
                yield entry
                entry = []
            entry.append(row)
        if entry:
            yield entry

    def _record(self, texts: Sequence[Span], plans: Sequence[Plan]) -> Record:
        texts = _cut(texts, len(plans))
        record: Record = {}
        left = list(texts)
        for plan in plans:
            at = next((index for index, text in enumerate(left) if self._looks_like(text, plan)), None)
            if at is not None:
                self._put(record, plan, self._typed(left.pop(at), plan), SURE)
        for plan in plans:
            is_words = plan.leaf.type is LeafType.STRING and not _is_time(plan)
            if is_words and plan.key not in record and left:
                self._put(record, plan, left.pop(0), IN_ORDER)
        return record

    def _looks_like(self, text: Span, plan: Plan) -> bool:
        if _is_time(plan):
            return _YEAR.search(text.text) is not None
        if self._spans.has_grammar(plan.kind) and plan.kind not in (Kind.QUANTITY, Kind.CODE):
            return bool(self._spans.of(text.segment, plan.kind))
        words = {word.casefold().strip(".,") for word in text.text.split()}
        return bool(_BODIES & set(split_name(plan.leaf.name))) and bool(words & (_BODY_WORDS | LEGAL_FORMS))

    def _typed(self, text: Span, plan: Plan) -> Span:
        """Return the value of the plan's kind in a text; the text itself for a time that is no date."""
        if plan.kind is Kind.TEXT or not self._spans.has_grammar(plan.kind):
            return text
        return next(iter(self._spans.of(text.segment, plan.kind)), text)

    def _put(self, record: Record, plan: Plan, span: Span, score: float) -> None:
        if fits(span, plan.leaf):
            record[plan.key] = Candidate(span, score * reading_confidence(span))


def _names(node: ArrayNode) -> Iterator[str]:
    yield " ".join(split_name(node.name))
    yield from filter(None, (node.title, node.description, *node.labels))


def _is_time(plan: Plan) -> bool:
    return plan.kind is not Kind.PARTY and bool(_TIMES & set(split_name(plan.leaf.name)))


def _texts(rows: Sequence[Row]) -> list[Span]:
    return [_whole(segment) for row in rows for segment in row.segments]


def _whole(segment: Segment) -> Span:
    return Span(segment, 0, len(segment.text), segment.text, 1.0)


def _cut(texts: Sequence[Span], wanted: int) -> list[Span]:
    """Cut texts at commas and dashes where there are fewer of them than values."""
    if len(texts) >= wanted:
        return list(texts)
    pieces: list[Span] = []
    for text in texts:
        start = 0
        for joint in () if _YEAR.search(text.text) else _JOINT.finditer(text.text):
            pieces.append(_piece(text, start, joint.start()))
            start = joint.end()
        pieces.append(_piece(text, start, len(text.text)))
    return pieces


def _piece(text: Span, start: int, end: int) -> Span:
    return Span(text.segment, start, end, text.segment.text[start:end], 1.0)


def _height(row: Row) -> float:
    return median(token.box[3] - token.box[1] for token in row.tokens)
