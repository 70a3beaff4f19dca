"""Read the value of a property out of the lines of a cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.choices import choice_spans
from affidavit.engine.stages.fields.headers import lines_of
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import Segment, View
from affidavit.engine.stages.values.currencies import CURRENCY_CODES
from affidavit.engine.stages.values.folding import split_name

CONTINUES = 0.9  # word heights between the lines of one text
TEXT_FIT = 0.9
LONGEST_SUFFIX = 14  # letters behind a number: its unit
MEANT = 0.6  # of a score that the name of the column is worth, at least

Lines = Sequence[Segment | None]

_ATTRIBUTE = re.compile(r"[^\W\d][^:]{0,40}\s?[:=]\s*\S")
_WHOLE_TEXT = frozenset(
    {"description", "desc", "details", "text", "narrative", "remarks", "notes", "comment"}
)
_NUMBER = re.compile(r"\d{1,6}[.)]?")  # of a position
_ENDS = " \t:;,|\u2013"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a table a property stands: a column, of which maybe one line; how surely, 0 to 1.

    `behind` is the plan behind whose value it stands, as a unit does behind a quantity. `lines` are
    those of the column's name, and whether the last of them is in brackets.
    """

    column: int
    plan: Plan
    strength: float
    line: int | None = None
    behind: Plan | None = None
    lines: int = 0
    ends_in_brackets: bool = False


class CellReader:
    """Reads cells as the plans want them."""

    def __init__(self, view: View, spans: Spans) -> None:
        self._view = view
        self._spans = spans

    def value(self, lines: Lines, place: Place) -> Candidate | None:
        """Return the value of a property in the lines of its column, from the item's first line on."""
        asked = lines if place.line is None else lines[_offset(lines, place) :]
        found = next(self._found(asked, place), None)
        if found is None:
            return None
        meant = MEANT + (1 - MEANT) * min(1.0, place.strength)
        return Candidate(found, found.fit * meant * reading_confidence(found))

    def is_clean(self, cell: Segment | None, plan: Plan) -> bool:
        """Tell whether a cell is the plan's value and no more: a figure with its currency or unit."""
        if cell is None:
            return False
        if plan.kind is Kind.CODE:
            return _NUMBER.fullmatch(cell.text) is not None
        options = [span for span in self.spans(cell, plan) if fits(span, plan.leaf)]
        return any(_is_bare(span) for span in options)

    def spans(self, segment: Segment, plan: Plan) -> Sequence[Span]:
        """Return what a line may hold for a plan; for a plan without a grammar, its words."""
        if plan.kind in (Kind.CHOICE, Kind.BOOLEAN):
            return choice_spans(segment, plan.leaf)
        if self._spans.has_grammar(plan.kind) and plan.kind is not Kind.CODE:
            return self._spans.of(segment, plan.kind)
        text = segment.text.rstrip(_ENDS)
        return [Span(segment, 0, len(text), text, TEXT_FIT)] if text else []

    def values_after(self, segment: Segment, start: int, plan: Plan) -> Sequence[Span]:
        """Return what stands for a plan behind a place in a line; for a plan without a grammar, all of it."""
        if self.is_free(plan) or plan.kind is Kind.CODE:
            text = segment.text[start:].strip(_ENDS)
            at = segment.text.index(text, start)
            return [Span(segment, at, at + len(text), text, TEXT_FIT)] if text else []
        return [span for span in self.spans(segment, plan) if span.start >= start]

    def _found(self, lines: Lines, place: Place) -> Iterator[Span]:
        plan = place.plan
        if place.behind:
            yield from self._rests(lines, place.behind, plan)
            return
        if self.is_free(plan):
            yield from self._texts(lines, plan)
            return
        for line in lines:
            options = [span for span in self.spans(line, plan) if fits(span, plan.leaf)] if line else []
            if options:
                yield max(options, key=lambda span: (span.fit, -span.start))
            if line is not None and plan.kind is Kind.CODE:
                return

    def is_free(self, plan: Plan) -> bool:
        """Tell whether any words may stand for a plan."""
        return plan.kind not in (Kind.CHOICE, Kind.BOOLEAN, Kind.CODE) and not self._spans.has_grammar(
            plan.kind
        )

    def _rests(self, lines: Lines, before: Plan, plan: Plan) -> Iterator[Span]:
        """Yield the words behind a value."""
        for line in filter(None, lines):
            ends = [span.end for span in self.spans(line, before) if fits(span, before.leaf)][:1]
            for rest in (rest for end in ends for rest in self.values_after(line, end, plan)):
                is_unit = any(char.isalpha() for char in rest.text) and len(rest.text) <= LONGEST_SUFFIX
                if is_unit and fits(rest, plan.leaf):
                    yield rest

    def _texts(self, lines: Lines, plan: Plan) -> Iterator[Span]:
        """Yield the text of a cell: its first line and those that go on close under it."""
        taken: list[Segment] = []
        for line in lines:
            if line is None:
                continue
            if taken and not self._goes_on(taken[-1], line, plan):
                break
            taken.append(line)
        if taken:
            whole = Segment(taken[0].page, taken[0].row, tuple(t for line in taken for t in line.tokens))
            text = whole.text.rstrip(_ENDS)
            span = Span(whole, 0, len(text), _mended(taken).rstrip(_ENDS), TEXT_FIT)
            if text and fits(span, plan.leaf):
                yield span

    def _goes_on(self, above: Segment, below: Segment, plan: Plan) -> bool:
        if below.page != above.page:
            return False
        is_near = below.box[1] - above.box[3] < CONTINUES * self._view.heights[above.page]
        wants_all = not _WHOLE_TEXT.isdisjoint(split_name(plan.leaf.name))
        return is_near and (wants_all or _ATTRIBUTE.match(below.text) is None)


def _offset(lines: Lines, place: Place) -> int:
    """Return which line of a cell answers the line of the name; lines in brackets answer each other."""
    line = place.line or 0
    filled = [each for each in lines if each is not None]
    missing = place.lines - len(filled)
    in_brackets = place.ends_in_brackets and bool(filled) and filled[-1].text.startswith("(")
    if missing > 0 and in_brackets and lines[0] is not None:
        return max(0, line - missing)
    return line


def lines_in(rows: Sequence[Sequence[Segment | None]], column: int) -> Lines:
    """Return the lines of an item's column; those of one cell that holds several, one by one."""
    if len(rows) > 1:
        return [row[column] for row in rows]
    cell = rows[0][column]
    if cell is None:
        return [None]
    return [Segment(cell.page, cell.row, line) for line in lines_of(cell.tokens)]


def _mended(lines: Sequence[Segment]) -> str:
    """Join lines; a word that a hyphen cuts at a line's end is one, and keeps it before a capital."""
    text = lines[0].text
    for line in lines[1:]:
        if text.endswith("-") and text[-2:-1].isalpha():
            text = (text[:-1] if line.text[:1].islower() else text) + line.text
        else:
            text = f"{text} {line.text}"
    return text


def _is_bare(span: Span) -> bool:
    """Tell whether only a currency stands before the value, and only a unit behind it."""
    text = span.segment.text
    before = "".join(char for char in text[: span.start] if char.isalpha())
    behind = text[span.end :]
    if before and before.upper() not in CURRENCY_CODES:
        return False
    letters = sum(char.isalpha() for char in behind)
    return letters <= LONGEST_SUFFIX and ":" not in text and not any(char.isdigit() for char in behind)
