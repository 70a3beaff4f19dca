"""Match the columns of a table with the properties of an item: by their names, and by what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import permutations

from rapidfuzz import fuzz, process

from affidavit.engine.result import PageSource
from affidavit.engine.stages.fields.assignment import best_matching
from affidavit.engine.stages.fields.candidates import fits
from affidavit.engine.stages.fields.cell import CellReader, Place
from affidavit.engine.stages.fields.column_names import PropertyName
from affidavit.engine.stages.fields.grids import Grid
from affidavit.engine.stages.fields.headers import Header, lines_of
from affidavit.engine.stages.fields.labels import Phrases, labels_in
from affidavit.engine.stages.fields.lexicon import (
    ARTICLE_NUMBER,
    BY_KEY,
    DESCRIPTION,
    LINE_AMOUNT,
    POSITION,
    QUANTITY,
    UNIT,
    UNIT_PRICE,
    Kind,
    Scope,
)
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import NUMERIC_KINDS, Plan
from affidavit.engine.stages.fields.spans import Spans
from affidavit.engine.stages.fields.view import Segment, View

MIN_COLUMNS = 2  # a table that names only one of several properties is another table
MANY_PROPERTIES = 4  # of which a row of text must name one more
LEAST_SURE = 0.7  # of each of two names
LONGEST_NAME = 10  # words over a column; more explain
PART_OF_HEADER = 0.9  # a label that is only a part of a header
EMPTY_COLUMN = 0.5
MOSTLY = 0.6  # of the rows; a discount may change single ones
MULTIPLIES = 0.6  # what price times quantity is worth to a column, beside its header's 1.0
AS_CODE = 0.5  # of "Article" over codes
LAST_AMOUNT = 0.3  # what it is worth to an amount to be the last of the money columns
LEFT_OVER = 0.3  # what a column without a known name is worth to the one property that nothing names
SURE_COLUMNS, LEAST_LETTERS = 3, 4  # columns with a name beside it, and letters in its cells
FUZZY = 85  # of 100
MIN_FUZZY = 6
TRIED_ROWS, TRIED_COLUMNS = 50, 8  # in search of products
JUDGED_ROWS = 200  # by which a column is judged
TOLERANCE = Decimal("0.02")

_IN_LINES = frozenset({Scope.LINE, Scope.PARTY})
_CODE = re.compile(r"(?=\S*\d)[\w./-]{4,}")
_AMOUNT = re.compile(r"-?\d+[.,]\d\d")

Slot = tuple[int, int | None, Segment]  # a column, maybe one line of it, and its name
Products = Mapping[str, frozenset[int]]


class ColumnMatcher:
    """Knows what names of columns mean, and which column holds which property."""

    def __init__(self, view: View, spans: Spans, phrases: Phrases, reader: CellReader) -> None:
        self._view = view
        self._spans = spans
        self._phrases = line_labels(phrases)
        self.reader = reader
        self._labels = [label for label in self._phrases if len(label) >= MIN_FUZZY]
        self._known: dict[str, Mapping[str, float]] = {}
        self._names: dict[int, PropertyName] = {}
        self._multiplied: dict[int, Products] = {}

    def names_enough(self, alone: Header, full: Header, plans: Sequence[Plan]) -> bool:
        """Tell whether a row names enough of the properties to be the header of their table.

        One name may come from the lines over and under it.
        """
        least = min(MIN_COLUMNS + (len(plans) >= MANY_PROPERTIES), len(plans))
        if not _can_name(plans):
            return False
        named = self._named(alone, plans)
        if len(full.names) < max(2, least) or named < max(1, least - 1):
            return False
        return named >= least or self._named(full, plans) >= least

    def _named(self, header: Header, plans: Sequence[Plan]) -> int:
        return len({plan.key for name in header.names for plan in plans if self.strength(name, plan) > 0})

    def match(self, grid: Grid, plans: Sequence[Plan]) -> tuple[Place, ...]:
        """Return which property each column holds; nothing where too few are named."""
        named = {plan.key for plan in plans if any(self.strength(name, plan) for name in grid.headers)}
        if len(named) < min(MIN_COLUMNS, len(plans)):
            return ()
        slots = list(self._slots(grid.headers))
        products = self._products(grid)
        gains = [
            [*(self._gain(grid, slot, plan, products) for slot in slots), *([0.0] * len(plans))]
            for plan in plans
        ]
        if not gains:
            return ()
        places = [
            _place(grid, slots[at], plan, row[at])
            for plan, at, row in zip(plans, best_matching(gains), gains, strict=True)
            if at < len(slots) and row[at] > 0
        ]
        sure = [self.strength(grid.headers[place.column], place.plan) for place in places]
        if sum(each > 0 for each in sure) < min(MIN_COLUMNS, len(plans)) or sum(sure) < LEAST_SURE * min(
            2, len(plans)
        ):
            return ()
        if not grid.is_ruled and not _can_name(plans):
            return ()
        return (*places, *self._shared(grid, places, plans), *self._left_over(grid, places, plans))

    def strength(self, header: Segment, plan: Plan) -> float:
        """Return how surely a name means a property, 0 to 1."""
        return self._name_of(plan).strength(self._meanings(header), header.text)

    def _name_of(self, plan: Plan) -> PropertyName:
        if id(plan) not in self._names:
            self._names[id(plan)] = PropertyName.of(plan)
        return self._names[id(plan)]

    def _slots(self, headers: Sequence[Segment]) -> Iterator[Slot]:
        """Yield the columns; of a name whose lines name each something else, the lines."""
        for column, header in enumerate(headers):
            lines = self._stacked(header)
            if lines:
                yield from ((column, number, line) for number, line in enumerate(lines))
            else:
                yield column, None, header

    def _stacked(self, header: Segment) -> list[Segment]:
        if not header.tokens or label_key(header.text) in self._phrases:
            return []
        lines = [Segment(header.page, header.row, line) for line in lines_of(header.tokens)]
        named = sum(label_key(line.text) in self._phrases for line in lines)
        return lines if named > 1 and label_key(lines[0].text) in self._phrases else []

    def _gain(self, grid: Grid, slot: Slot, plan: Plan, products: Products) -> float:
        column, line, name = slot
        strength = self.strength(name, plan)
        concept = self._name_of(plan).concept
        if concept == ARTICLE_NUMBER and not strength and self._are_codes(grid, column):
            meanings = self._meanings(name)
            strength = AS_CODE * max(meanings.get(DESCRIPTION, 0.0), meanings.get(POSITION, 0.0))
        if concept and column in products.get(concept, ()):
            strength += MULTIPLIES
        elif concept == LINE_AMOUNT and column in products.get("last", ()):
            strength += LAST_AMOUNT
        if strength <= 0 or line:
            return strength
        cells = [row[column] for row in grid.rows[:JUDGED_ROWS] if row[column] is not None]
        if not cells:
            return strength * EMPTY_COLUMN
        filled = sum(self._holds(cell, plan) for cell in cells if cell)
        return strength * (EMPTY_COLUMN + (1 - EMPTY_COLUMN) * filled / len(cells)) if filled else 0.0

    def _are_codes(self, grid: Grid, column: int) -> bool:
        """Tell whether most cells of a column are one word with a digit, of more than a few characters."""
        cells = [row[column] for row in grid.rows[:JUDGED_ROWS]]
        texts = [cell.text for cell in cells if cell]
        return 2 * sum(_CODE.fullmatch(text) is not None for text in texts) > len(texts)

    def _holds(self, cell: Segment, plan: Plan) -> bool:
        if plan.concept and plan.concept.key == POSITION and _AMOUNT.fullmatch(cell.text):
            return False
        return any(fits(span, plan.leaf) for span in self.reader.spans(cell, plan))

    def _shared(self, grid: Grid, places: Sequence[Place], plans: Sequence[Plan]) -> Iterator[Place]:
        """Yield the properties that share a column with another: an amount with its unit, say."""
        taken = {place.plan.key for place in places}
        for plan in plans:
            if plan.key in taken:
                continue
            if plan.concept and plan.concept.key == UNIT:
                yield from _units(places, plan)
                continue
            if not self._spans.has_grammar(plan.kind) or plan.kind is Kind.CODE:
                continue
            for place in places:
                strength = self.strength(grid.headers[place.column], plan)
                if strength > 0 and place.line is None and plan.kind is not place.plan.kind:
                    yield Place(place.column, plan, strength * PART_OF_HEADER)
                    break

    def _left_over(self, grid: Grid, places: Sequence[Place], plans: Sequence[Plan]) -> Iterator[Place]:
        """Yield a last property of words: in the column with the most letters that means nothing else."""
        taken = {place.plan.key for place in places}
        missing = [plan for plan in plans if plan.key not in taken]
        if len(places) < SURE_COLUMNS or len(missing) != 1 or missing[0].concept:
            return
        used = {place.column for place in places}
        letters = {at: self._letters(grid, at) for at in range(len(grid.headers)) if at not in used}
        best = max(letters, key=lambda at: letters[at], default=None)
        if best is not None and letters[best] >= LEAST_LETTERS and self.reader.is_free(missing[0]):
            yield Place(best, missing[0], LEFT_OVER)

    def _letters(self, grid: Grid, column: int) -> float:
        """Return how many letters a cell of the column has on the average."""
        cells = [row[column] for row in grid.rows[:JUDGED_ROWS]]
        texts = [cell.text for cell in cells if cell]
        return sum(char.isalpha() for text in texts for char in text) / max(len(texts), 1)

    def _meanings(self, header: Segment) -> Mapping[str, float]:
        """Return what a name may mean: as a whole, else by the labels in it, else by likeness after OCR."""
        known = self._known.get(header.text)
        if known is None:
            known = self._known[header.text] = self._meaning(header)
        return known

    def _meaning(self, header: Segment) -> Mapping[str, float]:
        key = label_key(header.text)
        known = dict(self._phrases.get(key, {}))
        if known or not 0 < len(header.tokens) <= LONGEST_NAME:
            return known
        for hit in labels_in(header, self._phrases):
            for name, strength in hit.keys.items():
                known[name] = max(known.get(name, 0.0), strength * PART_OF_HEADER)
        if known or len(key) < MIN_FUZZY or self._view.pages[header.page].source is PageSource.NATIVE:
            return known
        found = process.extractOne(key, self._labels, scorer=fuzz.ratio, score_cutoff=FUZZY)
        return (
            {name: each * found[1] / 100 for name, each in self._phrases[found[0]].items()} if found else {}
        )

    def _products(self, grid: Grid) -> Products:
        if id(grid) not in self._multiplied:
            self._multiplied[id(grid)] = self._multiply(grid)
        return self._multiplied[id(grid)]

    def _multiply(self, grid: Grid) -> Products:
        """Return the columns that may be quantity, price and amount because one times one is the other."""
        numbers = [[self._number(cell) for cell in row] for row in grid.rows[:TRIED_ROWS]]
        numeric = [at for at in range(len(grid.headers)) if any(row[at] is not None for row in numbers)]
        found: dict[str, set[int]] = {QUANTITY: set(), UNIT_PRICE: set(), LINE_AMOUNT: set()}
        for one, other, result in permutations(numeric[-TRIED_COLUMNS:], 3):
            if one < other and _multiply([(row[one], row[other], row[result]) for row in numbers]):
                found[QUANTITY] |= {one, other}
                found[UNIT_PRICE] |= {one, other}
                found[LINE_AMOUNT] |= {result}
        last = [at for at in numeric if any(_has_cents(row[at]) for row in numbers)][-1:]
        return {**{key: frozenset(columns) for key, columns in found.items()}, "last": frozenset(last)}

    def _number(self, cell: Segment | None) -> Decimal | None:
        spans = self._spans.of(cell, Kind.MONEY) if cell else ()
        return spans[0].value if len(spans) == 1 else None


def _can_name(plans: Sequence[Plan]) -> bool:
    """Tell whether words over lines can be the header of these properties: not of a single text."""
    return len(plans) > 1 or any(plan.kind in NUMERIC_KINDS or plan.kind is Kind.DATE for plan in plans)


def _units(places: Sequence[Place], plan: Plan) -> Iterator[Place]:
    """Yield where the units stand that have no column: behind the quantities."""
    for place in places:
        if place.plan.concept and place.plan.concept.key == QUANTITY:
            yield Place(place.column, plan, place.strength * PART_OF_HEADER, behind=place.plan)


def _place(grid: Grid, slot: Slot, plan: Plan, strength: float) -> Place:
    column, line, _ = slot
    if line is None:
        return Place(column, plan, strength)
    names = lines_of(grid.headers[column].tokens)
    in_brackets = names[-1][0].text.startswith("(")
    return Place(column, plan, strength, line, lines=len(names), ends_in_brackets=in_brackets)


def line_labels(phrases: Phrases) -> Phrases:
    """Return the labels that may name a column: of properties and of concepts of lines."""
    chosen: dict[str, Mapping[str, float]] = {}
    for label, keys in phrases.items():
        kept = {
            key: each for key, each in keys.items() if key not in BY_KEY or BY_KEY[key].scope in _IN_LINES
        }
        if kept:
            chosen[label] = kept
    return chosen


def _has_cents(value: Decimal | None) -> bool:
    return value is not None and value.as_tuple().exponent == -2


def _multiply(rows: Sequence[tuple[Decimal | None, Decimal | None, Decimal | None]]) -> bool:
    """Tell whether in most of the rows that have all three, the first two multiply to the third."""
    full = [(a, b, c) for a, b, c in rows if a is not None and b is not None and c is not None]
    right = sum(abs(a * b - c) <= TOLERANCE and c not in (0, a) for a, b, c in full)
    return right > 0 and right >= MOSTLY * len(full)
