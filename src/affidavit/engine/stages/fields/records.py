"""Fill arrays of objects: from tables whose headers name the properties, else from aligned rows of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

from affidavit.engine.stages.fields.assignment import best_matching
from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.choices import choice_spans
from affidavit.engine.stages.fields.grids import Cells, Grid, is_total, joined, row_grids, table_grids
from affidavit.engine.stages.fields.labels import Hit, Phrases, labels_in
from affidavit.engine.stages.fields.lexicon import LINE_AMOUNT, QUANTITY, UNIT_PRICE, Kind
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import NUMERIC_KINDS, Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import Segment, View

MIN_COLUMNS = 2  # a table that names only one of several properties is another table
MANY_PROPERTIES = 4  # of which a row of text must name one more
CONTINUES = 0.6  # word heights between the lines of one cell
LEAST_NUMBERS = 0.5  # of the numbers that the fullest item has
SAME_EDGE = 6.0  # page units
TEXT_FIT = 0.9
PART_OF_HEADER = 0.9  # a label that is only a part of a header
EMPTY_COLUMN = 0.5
MOSTLY = 0.6  # of the rows; a discount may change single ones
MULTIPLIES = 0.6  # what price times quantity is worth to a column, beside its header's 1.0
TRIED_ROWS, TRIED_COLUMNS = 50, 8  # in search of products
TOLERANCE = Decimal("0.02")

Record = dict[str, Candidate]
Columns = dict[int, Plan]
Run = list[tuple[Grid, Columns]]


class RecordFinder:
    """Looks for the items of arrays in one document."""

    def __init__(self, view: View, spans: Spans, phrases: Phrases, hits: Sequence[Hit]) -> None:
        self._view = view
        self._spans = spans
        self._phrases = phrases
        self._hits = hits
        self._headers: dict[str, dict[str, float]] = {}

    def records(self, plans: Sequence[Plan]) -> tuple[list[Record], frozenset[int]]:
        """Return the items, each a candidate by leaf key, and the rows of text that the table takes."""
        best: tuple[float, list[Record], frozenset[int]] = (0.0, [], frozenset())
        ruled = list(table_grids(self._view))
        aligned = list(row_grids(self._view, self._hits, lambda headers: self._names_enough(headers, plans)))
        for run in (*self._runs(ruled, plans), *self._runs(aligned, plans)):
            records = [record for grid, columns in run for record in self._read(grid, columns)]
            score = sum(candidate.score for record in records for candidate in record.values())
            if score > best[0]:
                best = (score, records, frozenset(row for grid, _ in run for row in grid.used_rows))
        return best[1], best[2]

    def _names_enough(self, headers: Sequence[Segment], plans: Sequence[Plan]) -> bool:
        least = MIN_COLUMNS + (len(plans) >= MANY_PROPERTIES)
        if len(headers) < min(least, len(plans)):
            return False
        named = {plan.key for header in headers for plan in plans if self._header_strength(header, plan) > 0}
        return len(named) >= min(least, len(plans))

    def _runs(self, grids: Sequence[Grid], plans: Sequence[Plan]) -> Iterator[Run]:
        """Yield grids that continue one another: same headers, or none and as many columns."""
        run: Run = []
        for grid in grids:
            columns = self._match(grid, plans)
            if columns and run and _continues(run[-1], (grid, columns)):
                run.append((grid, columns))
            elif columns:
                if run:
                    yield run
                run = [(grid, columns)]
            elif run and _is_headless(grid, run[-1][0]):
                headless = replace(grid, rows=(grid.headers, *grid.rows))
                run.append((headless, run[-1][1]))
        if run:
            yield run

    def _match(self, grid: Grid, plans: Sequence[Plan]) -> Columns:
        """Return which property each column holds, by the meaning of its header and what stands under it."""
        width = len(grid.headers)
        products = self._products(grid)
        gains = [
            [
                *(self._column_score(grid, column, plan, products) for column in range(width)),
                *([0.0] * len(plans)),
            ]
            for plan in plans
        ]
        if not gains:
            return {}
        matched = {
            column: plan
            for plan, column, row in zip(plans, best_matching(gains), gains, strict=True)
            if column < width and row[column] > 0
        }
        named = sum(self._header_strength(grid.headers[column], plan) > 0 for column, plan in matched.items())
        return matched if named >= min(MIN_COLUMNS, len(plans)) else {}

    def _column_score(
        self, grid: Grid, column: int, plan: Plan, products: Mapping[str, frozenset[int]]
    ) -> float:
        strength = self._header_strength(grid.headers[column], plan)
        if plan.concept and column in products.get(plan.concept.key, ()):
            strength += MULTIPLIES
        cells = [row[column] for row in grid.rows if row[column] is not None]
        if strength <= 0 or not cells:
            return strength * EMPTY_COLUMN
        filled = sum(self._cell(cell, plan) is not None for cell in cells if cell)
        return strength * (EMPTY_COLUMN + (1 - EMPTY_COLUMN) * filled / len(cells)) if filled else 0.0

    def _header_strength(self, header: Segment, plan: Plan) -> float:
        meanings = self._meanings(header)
        return max((meanings.get(key, 0.0) for key in plan.keys), default=0.0)

    def _meanings(self, header: Segment) -> Mapping[str, float]:
        """Return what a header may mean: as a whole, else by the labels in it."""
        known = self._headers.get(header.text)
        if known is None:
            known = dict(self._phrases.get(label_key(header.text), {}))
            for hit in labels_in(header, self._phrases):
                for key, strength in hit.keys.items():
                    known[key] = max(known.get(key, 0.0), strength * PART_OF_HEADER)
            self._headers[header.text] = known
        return known

    def _products(self, grid: Grid) -> dict[str, frozenset[int]]:
        """Return the columns that may be quantity, price and amount because one times one is the other."""
        numbers = [[self._number(cell) for cell in row] for row in grid.rows[:TRIED_ROWS]]
        numeric = [at for at in range(len(grid.headers)) if any(row[at] is not None for row in numbers)]
        found: dict[str, set[int]] = {QUANTITY: set(), UNIT_PRICE: set(), LINE_AMOUNT: set()}
        for one, other, result in permutations(numeric[:TRIED_COLUMNS], 3):
            if one < other and _multiply([(row[one], row[other], row[result]) for row in numbers]):
                found[QUANTITY] |= {one, other}
                found[UNIT_PRICE] |= {one, other}
                found[LINE_AMOUNT] |= {result}
        return {key: frozenset(columns) for key, columns in found.items()}

    def _number(self, cell: Segment | None) -> Decimal | None:
        spans = self._spans.of(cell, Kind.MONEY) if cell else ()
        return spans[0].value if len(spans) == 1 else None

    def _read(self, grid: Grid, columns: Columns) -> list[Record]:
        """Return the records of a grid; a line with far fewer numbers than the others is none."""
        rows = [row for row in grid.rows if not is_total(row)]
        if not grid.is_ruled:
            rows = list(self._gathered(rows, columns))
        numeric = {plan.key for plan in columns.values() if plan.kind in NUMERIC_KINDS}
        records = []
        for row in rows:
            record = {
                plan.key: candidate
                for column, plan in columns.items()
                if (candidate := self._cell(row[column], plan)) is not None
            }
            if record:
                records.append(record)
        fullest = max((len(numeric & record.keys()) for record in records), default=0)
        least = max(1, fullest * LEAST_NUMBERS) if numeric else 0
        return [record for record in records if len(numeric & record.keys()) >= least]

    def _gathered(self, rows: Sequence[Cells], columns: Columns) -> Iterator[Cells]:
        """Gather the lines of each item: a new one starts where a number would stand twice."""
        item: list[Segment | None] = []
        for row in rows:
            if item and not self._starts_anew(item, row, columns):
                for at, cell in enumerate(row):
                    item[at] = self._grown(item[at], cell, columns.get(at))
                continue
            if item:
                yield tuple(item)
            item = list(row)
        if item:
            yield tuple(item)

    def _starts_anew(self, item: Sequence[Segment | None], row: Cells, columns: Columns) -> bool:
        numeric = [column for column, plan in columns.items() if plan.kind in NUMERIC_KINDS]
        if not numeric:
            first = min(columns)
            return row[first] is not None
        return any(
            item[column] is not None and self._cell(row[column], columns[column]) is not None
            for column in numeric
        )

    def _grown(self, above: Segment | None, below: Segment | None, plan: Plan | None) -> Segment | None:
        """Add a line to a cell: free text goes on over lines that follow closely, all else is one line."""
        if above is None or below is None:
            return above or below
        height = self._view.heights[above.page]
        last = above.tokens[-1].box[3]
        is_text = plan is not None and plan.kind is Kind.TEXT
        return joined(above, below) if is_text and below.box[1] - last < CONTINUES * height else above

    def _cell(self, segment: Segment | None, plan: Plan) -> Candidate | None:
        if segment is None:
            return None
        options = [span for span in self._cell_spans(segment, plan) if fits(span, plan.leaf)]
        if not options:
            return None
        span = max(options, key=lambda each: each.fit)
        return Candidate(span, span.fit * reading_confidence(span))

    def _cell_spans(self, segment: Segment, plan: Plan) -> Sequence[Span]:
        if plan.kind in (Kind.CHOICE, Kind.BOOLEAN):
            return choice_spans(segment, plan.leaf)
        if self._spans.has_grammar(plan.kind) and plan.kind is not Kind.CODE:
            return self._spans.of(segment, plan.kind)
        text = segment.text.strip()
        return [Span(segment, 0, len(text), text, TEXT_FIT)]


def _multiply(rows: Sequence[tuple[Decimal | None, Decimal | None, Decimal | None]]) -> bool:
    """Tell whether in most of the rows that have all three, the first two multiply to the third."""
    full = [(a, b, c) for a, b, c in rows if a is not None and b is not None and c is not None]
    right = sum(abs(a * b - c) <= TOLERANCE and c not in (0, a) for a, b, c in full)
    return right > 0 and right >= MOSTLY * len(full)


def _continues(last: tuple[Grid, Columns], here: tuple[Grid, Columns]) -> bool:
    same = {plan.key for plan in last[1].values()} == {plan.key for plan in here[1].values()}
    return same and here[0].page > last[0].page


def _is_headless(grid: Grid, last: Grid) -> bool:
    """Tell whether a table goes on with the last page's: as many columns between the same edges."""
    if not grid.is_ruled or len(grid.headers) != len(last.headers) or grid.page != last.page + 1:
        return False
    return all(abs(here - there) <= SAME_EDGE for here, there in zip(grid.edges, last.edges, strict=True))
