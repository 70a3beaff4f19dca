"""Fill arrays of objects: from the tables whose columns name the properties, over pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from affidavit.engine.stages.fields.cell import Place, lines_in
from affidavit.engine.stages.fields.entries import Record
from affidavit.engine.stages.fields.gathering import Gatherer, Item
from affidavit.engine.stages.fields.grids import HEAD_ROWS, Grid, body_below, grid_below, table_grids
from affidavit.engine.stages.fields.gutters import Gutters
from affidavit.engine.stages.fields.headers import Header, complete, has_digits, header_parts, is_header
from affidavit.engine.stages.fields.labels import Hit, Phrases, labels_in
from affidavit.engine.stages.fields.matching import ColumnMatcher, line_labels
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.totals import is_total
from affidavit.engine.stages.fields.view import View

SAME_EDGE = 6.0  # page units
LEAST_MARKS = 3  # segments and labels in a row that may name columns
MOST_NAME_WORDS = 40


@dataclass(frozen=True)
class Table:
    """The items that one table on one page holds, each a candidate by leaf key; `rows` are the view's."""

    records: tuple[Record, ...]
    rows: frozenset[int]

    @property
    def first_row(self) -> int:
        return min(self.rows, default=0)


Run = list[tuple[Grid, tuple[Place, ...]]]


class RecordFinder:
    """Looks for the items of arrays in one document."""

    def __init__(self, view: View, matcher: ColumnMatcher, phrases: Phrases, hits: Sequence[Hit]) -> None:
        self._view = view
        self._matcher = matcher
        self._reader = matcher.reader
        self._hits: dict[int, list[Hit]] = {}
        for hit in hits:
            self._hits.setdefault(id(hit.segment), []).append(hit)
        self._named = list(self._rows_with_names(line_labels(phrases)))
        self._ruled = list(table_grids(view))
        self._below: dict[int, Grid] = {}
        self._starts: dict[int, int] = {}
        for at, row in enumerate(view.rows):
            self._starts.setdefault(row.page, at)

    def options(self, plans: Sequence[Plan]) -> Iterator[list[Table]]:
        """Yield what each run of tables makes of the properties, table by table."""
        for run in (*self._runs(self._ruled, plans), *self._runs(self._aligned(plans), plans)):
            tables = [table for table in self._read(run) if table.records]
            if tables:
                yield tables

    def _rows_with_names(self, phrases: Phrases) -> Iterator[tuple[int, Header, Header]]:
        """Yield the rows that may name columns: alone, and with the lines over and under them."""
        for at, row in enumerate(self._view.rows):
            hits = sum(len(self._hits.get(id(segment), ())) for segment in row.segments)
            if not hits or len(row.segments) + hits < LEAST_MARKS or len(row.tokens) > MOST_NAME_WORDS:
                continue
            labels = {id(segment): labels_in(segment, phrases) for segment in row.segments}
            parts = header_parts(row, labels)
            if len(parts) > 1:
                yield at, Header(tuple(parts), at, at), complete(self._view, at, parts)

    def _aligned(self, plans: Sequence[Plan]) -> list[Grid]:
        grids: list[Grid] = []
        for at, alone, full in self._named:
            if self._matcher.names_enough(alone, full, plans):
                if at not in self._below:
                    self._below[at] = grid_below(self._view, full, self._hits)
                grids.append(self._below[at])
        return grids

    def _runs(self, grids: Sequence[Grid], plans: Sequence[Plan]) -> Iterator[Run]:
        """Yield grids that continue one another: same columns on a later page, or none and like edges."""
        run: Run = []
        for grid in grids:
            places = self._matcher.match(grid, plans)
            if places and run and _continues(run[-1], (grid, places)):
                run.append((grid, places))
            elif places:
                if run:
                    yield run
                run = [(grid, places)]
            elif run and _is_headless(grid, run[-1][0]):
                headless = replace(grid, rows=(grid.headers, *grid.rows))
                if self._is_like(headless, run[-1]):
                    run.append((headless, run[-1][1]))
        if run:
            yield run

    def _is_like(self, grid: Grid, last: tuple[Grid, tuple[Place, ...]]) -> bool:
        """Tell whether a row of a table without a header has the figures of the last table's rows."""
        gatherer = Gatherer(self._view, self._reader, last[1])
        pattern = gatherer.pattern(last[0].rows)
        return any(gatherer.is_like(row, pattern) for row in grid.rows)

    def _read(self, run: Run) -> Iterator[Table]:
        pages = {grid.page for grid, _ in run}
        for grid, places in run:
            for part in (grid, *self._continued(grid, places, pages)):
                yield Table(tuple(self._records(part, places)), part.used_rows)

    def _records(self, grid: Grid, places: Sequence[Place]) -> list[Record]:
        rows = [row for row in grid.rows if not is_total(row)]
        items = Gatherer(self._view, self._reader, places).items(rows, is_ruled=grid.is_ruled)
        records = (self._record(item, places) for item in items)
        return [record for record in records if record]

    def _record(self, item: Item, places: Sequence[Place]) -> Record:
        record: Record = {}
        for place in places:
            candidate = self._reader.value(lines_in(item, place.column), place)
            if candidate is not None:
                record[place.plan.key] = candidate
        return record

    def _continued(self, grid: Grid, places: Sequence[Place], pages: set[int]) -> Iterator[Grid]:
        """Yield what stands in the same columns at the head of the following pages, without a header."""
        if grid.gutters is None or grid.is_closed:
            return
        gatherer = Gatherer(self._view, self._reader, places)
        pattern = gatherer.pattern(grid.rows)
        page = grid.page + 1
        while page not in pages and page in self._starts:
            at = self._first_like(grid.gutters, page, gatherer, pattern)
            if at is None:
                return
            body, is_closed = body_below(self._view, at, self._hits, grid.headers)
            body = [self._view.rows[at], *body]
            used = frozenset(row.number for row in body)
            rows = tuple(map(grid.gutters.cells, body))
            yield replace(grid, page=page, rows=rows, used_rows=used, is_closed=is_closed)
            if is_closed:
                return
            page += 1

    def _first_like(
        self, gutters: Gutters, page: int, gatherer: Gatherer, pattern: frozenset[int]
    ) -> int | None:
        start = self._starts[page]
        for at, row in enumerate(self._view.rows[start : start + HEAD_ROWS], start=start):
            if row.page != page or is_header(row, self._hits):
                return None
            if not is_total(row.segments) and gatherer.is_like(gutters.cells(row), pattern):
                return at
        return None


def _continues(last: tuple[Grid, Sequence[Place]], here: tuple[Grid, Sequence[Place]]) -> bool:
    """Tell whether a table with the same properties stands below another."""
    same = {place.plan.key for place in last[1]} == {place.plan.key for place in here[1]}
    return same and here[0].first_row > max(last[0].used_rows, default=-1)


def _is_headless(grid: Grid, last: Grid) -> bool:
    """Tell whether a table goes on with the last page's: as many columns between the same edges."""
    if not grid.is_ruled or len(grid.headers) != len(last.headers) or grid.page != last.page + 1:
        return False
    if not any(has_digits(cell.tokens) for cell in grid.headers):
        return False
    return all(abs(here - there) <= SAME_EDGE for here, there in zip(grid.edges, last.edges, strict=True))
