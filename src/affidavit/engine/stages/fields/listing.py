"""Read items that stand in no table with names: lines of text that end in an amount, as on a receipt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.entries import Entry, Found, Record, found
from affidavit.engine.stages.fields.lexicon import (
    DESCRIPTION,
    LINE_AMOUNT,
    QUANTITY,
    UNIT_PRICE,
    Kind,
)
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.totals import is_total
from affidavit.engine.stages.fields.view import Row, Segment, View

SAME_EDGE = 2.0  # word heights between the right edges of amounts
MAX_GAP = 4.0  # word heights between lines of one list
REACH = 12  # rows under a list in which its sum is printed
SUMMED, ENDED = 0.9, 0.6  # how sure a list is whose amounts add up to a printed sum, or that one ends
LEAST_ITEMS = 2  # without a sum that proves them
LEAST_LETTERS = 2
TOLERANCE = Decimal("0.02")
MOST_ROWS = 5_000

_COUNT = re.compile(r"^(?P<n>\d{1,4}(?:[.,]\d{1,3})?)\s*(?:[xX\u00d7*@]\s|(?:pcs?|st|stk|ea)\b\.?\s*|\s)")
_TIMES = re.compile(r"(?P<n>\d{1,4}(?:[.,]\d{1,3})?)\s*(?:[xX\u00d7*@])\s*\D{0,3}(?P<price>\d+[.,]\d{2})\b")
_FLAG = re.compile(r"^[A-Z*#]{1,2}\d?$")  # of the tax, behind an amount


@dataclass(frozen=True)
class Line:
    """A row of a list: its words, its amount if it ends in one, and where the amount ends."""

    row: Row
    words: Segment | None
    amount: Span | None

    @property
    def edge(self) -> float:
        return self.amount.box[2] if self.amount else 0.0


class ListReader:
    """Looks for lists of words with amounts in one document."""

    def __init__(self, view: View, spans: Spans) -> None:
        self._view = view
        self._spans = spans

    def items(self, plans: Sequence[Plan]) -> Found | None:
        """Return the items of the list whose amounts add up best; None for arrays of something else."""
        by_concept = {plan.concept.key: plan for plan in plans if plan.concept}
        if DESCRIPTION not in by_concept or not {LINE_AMOUNT, UNIT_PRICE} & by_concept.keys():
            return None
        options = [option for group in self._groups() if (option := self._read(group, by_concept))]
        return max(options, key=lambda option: option.score, default=None)

    def _groups(self) -> Iterator[list[Line]]:
        """Yield the lines over each sum, down from the last gap, sum or row that is no line of a list."""
        group: list[Line] = []
        for row in self._view.rows[:MOST_ROWS]:
            if group and self._is_apart(group[-1].row, row):
                group = []
            if is_total(row.segments):
                if group:
                    yield group
                group = []
            else:
                group.append(self._line(row))

    def _is_apart(self, above: Row, row: Row) -> bool:
        return row.page != above.page or row.box[1] - above.box[3] > MAX_GAP * self._view.heights[row.page]

    def _line(self, row: Row) -> Line:
        tokens = list(row.tokens)
        if len(tokens) > 1 and _FLAG.match(tokens[-1].text):
            tokens.pop()
        whole = Segment(row.page, row.number, tuple(tokens))
        amounts = [span for span in self._spans.of(whole, Kind.MONEY) if span.fit >= SUMMED]
        if not amounts or amounts[-1].end < len(whole.text):
            return Line(row, whole, None)
        words = whole.between(0, amounts[-1].start)
        words = tuple(token for token in words if token not in amounts[-1].tokens)
        return Line(row, Segment(row.page, row.number, words) if words else None, amounts[-1])

    def _read(self, group: Sequence[Line], plans: dict[str, Plan]) -> Found | None:
        lines = self._listed(group)
        entries = list(self._entries(lines, plans))
        amounts = [line.amount.value for line in lines if line.amount]
        sure = self._sureness(amounts, group[-1].row)
        if not entries or not sure:
            return None
        return found(entries, frozenset(line.row.number for line in lines), sure)

    def _listed(self, group: Sequence[Line]) -> list[Line]:
        """Return the lines from the first item on: amounts end at one edge, the last one's."""
        priced = [at for at, line in enumerate(group) if line.amount]
        if not priced:
            return []
        edge = group[priced[-1]].edge
        slack = SAME_EDGE * self._view.heights[group[0].row.page]
        aligned = [at for at in priced if abs(group[at].edge - edge) <= slack]
        start = aligned[0]
        if start and not _letters(group[start].words) and group[start - 1].amount is None:
            start -= 1
        return [line for at, line in enumerate(group) if at >= start and (not line.amount or at in aligned)]

    def _sureness(self, amounts: Sequence[Decimal], last: Row) -> float:
        after = self._view.rows[last.number + 1 : last.number + 1 + REACH]
        printed = {
            span.value for row in after for part in row.segments for span in self._spans.of(part, Kind.MONEY)
        }
        if any(abs(sum(amounts, Decimal(0)) - value) <= TOLERANCE for value in printed):
            return SUMMED
        return ENDED if len(amounts) >= LEAST_ITEMS else 0.0

    def _entries(self, lines: Sequence[Line], plans: dict[str, Plan]) -> Iterator[Entry]:
        name: Segment | None = None
        for line in lines:
            if line.amount is None:
                name = line.words
                continue
            words = line.words if _letters(line.words) >= LEAST_LETTERS else name
            record = self._record(line, words, plans)
            if len(record) > 1:
                yield Entry(record)
            name = None

    def _record(self, line: Line, words: Segment | None, plans: dict[str, Plan]) -> Record:
        spans: dict[str, Span] = {}
        if line.amount:
            spans[LINE_AMOUNT if LINE_AMOUNT in plans else UNIT_PRICE] = line.amount
        for part in {id(each): each for each in (words, line.words) if each}.values():
            spans.update(_counted(part, self._spans))
        if words:
            spans.update(_described(words))
        return {
            plans[key].key: Candidate(span, span.fit * reading_confidence(span))
            for key, span in spans.items()
            if key in plans and fits(span, plans[key].leaf)
        }


def _letters(words: Segment | None) -> int:
    return sum(char.isalpha() for char in words.text) if words else 0


def _counted(words: Segment, spans: Spans) -> dict[str, Span]:
    """Return the quantity in front of the words, and the price that it is multiplied with."""
    times, first = _TIMES.search(words.text), _COUNT.match(words.text)
    found: dict[str, Span] = {}
    for each in spans.of(words, Kind.QUANTITY):
        if times and each.start == times.start("n"):
            found[QUANTITY] = each
        elif times and each.end == times.end("price"):
            found[UNIT_PRICE] = each
        elif first and each.start == 0 and each.end == first.end("n"):
            found.setdefault(QUANTITY, each)
    prices = [each for each in spans.of(words, Kind.MONEY) if each.fit >= SUMMED]
    if prices and UNIT_PRICE not in found:
        found[UNIT_PRICE] = prices[-1]
    return found


def _described(words: Segment) -> dict[str, Span]:
    """Return the words without the quantity before them and the prices behind them."""
    text = words.text
    first = _COUNT.match(text)
    start = first.end() if first else 0
    times = _TIMES.search(text, start)
    end = times.start() if times else len(text)
    body = re.sub(r"[\s@xX\u00d7*]*(?:[^\w\s]?\s*\d+[.,]\d{2}\s*)+$", "", text[start:end]).strip(" .:-\t")
    if sum(char.isalpha() for char in body) < LEAST_LETTERS:
        return {}
    at = text.index(body, start)
    return {DESCRIPTION: Span(words, at, at + len(body), body, 0.8)}
