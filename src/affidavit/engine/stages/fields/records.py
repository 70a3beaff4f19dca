"""Fill arrays of objects: from tables whose headers name the properties, else from aligned rows of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from affidavit.engine.result import BoundingBox, Cell, Table
from affidavit.engine.stages.fields.assignment import best_matching
from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.choices import choice_spans
from affidavit.engine.stages.fields.labels import Hit, Phrases, labels_in
from affidavit.engine.stages.fields.lexicon import TOTAL_LABELS, Kind
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import NUMERIC_KINDS, Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import Row, Segment, Token, View

MIN_COLUMNS = 2  # a table that names only one of several properties is another table
MAX_GAP = 4.0  # word heights between rows of one table
CONTINUES = 1.9  # word heights between lines of one cell
TEXT_FIT = 0.9

Record = dict[str, Candidate]
_TOTALS = frozenset(label_key(label) for label in TOTAL_LABELS)


@dataclass(frozen=True)
class Grid:
    """Rows of cells under headers; a cell is the segment of its words, or None."""

    headers: tuple[Segment, ...]
    rows: tuple[tuple[Segment | None, ...], ...]
    used_rows: frozenset[int] = field(default=frozenset())


class RecordFinder:
    """Looks for the items of arrays in one document."""

    def __init__(self, view: View, spans: Spans, phrases: Phrases, hits: Sequence[Hit]) -> None:
        self._view = view
        self._spans = spans
        self._phrases = phrases
        self._hits = hits

    def records(self, plans: Sequence[Plan]) -> tuple[list[Record], frozenset[int]]:
        """Return the items, each a candidate by leaf key, and the rows of text that the table takes."""
        grids = [*self._table_grids(), *self._row_grids(plans)]
        best: tuple[float, list[Record], frozenset[int]] = (0.0, [], frozenset())
        for run in self._runs(grids, plans):
            records = [record for grid, columns in run for record in self._read(grid, columns)]
            score = sum(candidate.score for record in records for candidate in record.values())
            if score > best[0]:
                used = frozenset(row for grid, _ in run for row in grid.used_rows)
                best = (score, records, used)
        return best[1], best[2]

    def _runs(
        self, grids: Sequence[Grid], plans: Sequence[Plan]
    ) -> Iterator[list[tuple[Grid, dict[int, Plan]]]]:
        """Yield grids that continue one another: same headers, or none and as many columns."""
        run: list[tuple[Grid, dict[int, Plan]]] = []
        for grid in grids:
            columns = self._match(grid, plans)
            if columns and run and self._continues(run[-1], (grid, columns)):
                run.append((grid, columns))
            elif columns:
                if run:
                    yield run
                run = [(grid, columns)]
            elif (
                run and len(grid.headers) == len(run[-1][0].headers) and _page(grid) == _page(run[-1][0]) + 1
            ):
                headless = Grid(grid.headers, (grid.headers, *grid.rows), grid.used_rows)
                run.append((headless, run[-1][1]))
        if run:
            yield run

    def _continues(self, last: tuple[Grid, dict[int, Plan]], here: tuple[Grid, dict[int, Plan]]) -> bool:
        same = {plan.key for plan in last[1].values()} == {plan.key for plan in here[1].values()}
        return same and _page(here[0]) > _page(last[0])

    def _match(self, grid: Grid, plans: Sequence[Plan]) -> dict[int, Plan]:
        """Return which property each column holds, by the meaning of its header and what stands under it."""
        width = len(grid.headers)
        gains = [
            [*(self._column_score(grid, column, plan) for column in range(width)), *([0.0] * len(plans))]
            for plan in plans
        ]
        if not gains:
            return {}
        matched = {
            column: plan
            for plan, column, row in zip(plans, best_matching(gains), gains, strict=True)
            if column < width and row[column] > 0
        }
        return matched if len(matched) >= min(MIN_COLUMNS, len(plans)) else {}

    def _column_score(self, grid: Grid, column: int, plan: Plan) -> float:
        strength = self._header_strength(grid.headers[column], plan)
        cells = [row[column] for row in grid.rows if row[column] is not None]
        if strength <= 0 or not cells:
            return strength * 0.5
        filled = sum(self._cell(cell, plan) is not None for cell in cells if cell)
        return strength * (0.4 + 0.6 * filled / len(cells))

    def _header_strength(self, header: Segment, plan: Plan) -> float:
        whole = self._phrases.get(label_key(header.text), {})
        best = max((whole.get(key, 0.0) for key in plan.keys), default=0.0)
        return (
            best
            or max((hit.strength(plan.keys) for hit in labels_in(header, self._phrases)), default=0.0) * 0.9
        )

    def _read(self, grid: Grid, columns: Mapping[int, Plan]) -> list[Record]:
        """Return the records of a grid; a row with words only continues the one above."""
        numeric = [column for column, plan in columns.items() if plan.kind in NUMERIC_KINDS]
        records: list[Record] = []
        for row in grid.rows:
            if _is_total(row):
                continue
            record = {
                plan.key: candidate
                for column, plan in columns.items()
                if (candidate := self._cell(row[column], plan)) is not None
            }
            keys = {columns[column].key for column in numeric}
            if record and (not keys or keys & record.keys()):
                records.append(record)
        return records

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

    def _table_grids(self) -> Iterator[Grid]:
        for page in self._view.document.pages:
            for table in page.tables:
                grid = self._grid_of(table)
                if grid:
                    yield grid

    def _grid_of(self, table: Table) -> Grid | None:
        cells: dict[int, dict[int, Segment]] = {}
        for cell in table.cells:
            segment = self._segment_of(cell, table.page)
            if segment:
                cells.setdefault(cell.row, {})[cell.column] = segment
        numbers = sorted(cells)
        if len(numbers) < 2:  # noqa: PLR2004  a header and something under it
            return None
        empty = Segment(table.page, -1, ())
        headers = tuple(cells[numbers[0]].get(column, empty) for column in range(table.columns))
        rows = tuple(
            tuple(cells[number].get(column) for column in range(table.columns)) for number in numbers[1:]
        )
        return Grid(headers, rows, self._rows_in(table.page, table.box))

    def _segment_of(self, cell: Cell, page: int) -> Segment | None:
        tokens = self._view.tokens_of(cell.words)
        return Segment(page, -1, tokens) if tokens else None

    def _rows_in(self, page: int, box: BoundingBox) -> frozenset[int]:
        """Return the rows whose words mostly lie in `box`, in unstraightened page units."""
        return frozenset(
            row.number
            for row in self._view.rows
            if row.page == page and sum(_is_inside(token, box) for token in row.tokens) * 2 > len(row.tokens)
        )

    def _row_grids(self, plans: Sequence[Plan]) -> Iterator[Grid]:
        """Yield a grid for each row of text that has headers of at least two properties."""
        for at, row in enumerate(self._view.rows):
            headers = self._headers(row)
            named = {
                plan.key for header in headers for plan in plans if self._header_strength(header, plan) > 0
            }
            if len(named) >= min(MIN_COLUMNS + (len(plans) > 3), len(plans)):  # noqa: PLR2004
                yield self._grid_below(at, headers)

    def _headers(self, row: Row) -> list[Segment]:
        """Return the headers in a row: its segments, cut where one holds several labels."""
        headers: list[Segment] = []
        for segment in row.segments:
            hits = sorted(labels_in(segment, self._phrases), key=lambda hit: hit.start)
            if len(hits) < 2 or len(segment.tokens) < 3:  # noqa: PLR2004
                headers.append(segment)
                continue
            headers.extend(Segment(row.page, row.number, hit.tokens) for hit in hits if hit.tokens)
        return headers

    def _grid_below(self, at: int, headers: Sequence[Segment]) -> Grid:
        header = self._view.rows[at]
        height = self._view.heights[header.page]
        rows: list[tuple[Segment | None, ...]] = []
        used = {header.number}
        bottom = header.box[3]
        for row in self._view.rows[at + 1 :]:
            if row.page != header.page or row.box[1] - bottom > MAX_GAP * height:
                break
            if _is_total(row.segments):
                break
            rows.append(_cells(row, headers))
            used.add(row.number)
            bottom = row.box[3]
        return Grid(tuple(headers), tuple(_joined(rows, height)), frozenset(used))


def _page(grid: Grid) -> int:
    return grid.headers[0].page


def _is_total(cells: Sequence[Segment | None]) -> bool:
    """Tell whether a row closes or carries the table: its first words are a total's label."""
    first = next((cell for cell in cells if cell is not None and cell.tokens), None)
    if first is None:
        return False
    words = first.text.rstrip(" :").split()
    starts = {label_key(" ".join(words[:length])) for length in (1, 2, 3)}
    has_label = bool(starts & _TOTALS)
    return has_label and sum(cell is not None for cell in cells) <= 3  # noqa: PLR2004


def _is_inside(token: Token, box: BoundingBox) -> bool:
    x0, y0, x1, y1 = token.word.box
    return box[0] <= (x0 + x1) / 2 <= box[2] and box[1] <= (y0 + y1) / 2 <= box[3]


def _cells(row: Row, headers: Sequence[Segment]) -> tuple[Segment | None, ...]:
    """Sort the words of a row under the headers."""
    cells: list[list[Token]] = [[] for _ in headers]
    for segment in row.segments:
        over = [at for at, header in enumerate(headers) if _overlap(segment.box, header.box) > 0]
        if len(over) <= 1:
            column = over[0] if over else _nearest(segment.box, headers)
            cells[column].extend(segment.tokens)
            continue
        for token in segment.tokens:
            cells[_nearest(token.box, headers)].append(token)
    return tuple(Segment(row.page, row.number, tuple(tokens)) if tokens else None for tokens in cells)


def _overlap(one: BoundingBox, other: BoundingBox) -> float:
    return min(one[2], other[2]) - max(one[0], other[0])


def _nearest(box: BoundingBox, headers: Sequence[Segment]) -> int:
    """Return the header that the box overlaps most, or whose edge is nearest to its own."""
    return max(range(len(headers)), key=lambda at: _overlap(box, headers[at].box))


def _joined(
    rows: Sequence[tuple[Segment | None, ...]], height: float
) -> Iterator[tuple[Segment | None, ...]]:
    """Lay a row that only goes on with the words of one cell to the row above it."""
    pending: tuple[Segment | None, ...] | None = None
    for row in rows:
        filled = [at for at, cell in enumerate(row) if cell is not None]
        if pending and len(filled) == 1 and _goes_on(pending[filled[0]], row[filled[0]], height):
            pending = tuple(_added(above, below) for above, below in zip(pending, row, strict=True))
            continue
        if pending:
            yield pending
        pending = row
    if pending:
        yield pending


def _goes_on(above: Segment | None, below: Segment | None, height: float) -> bool:
    if above is None or below is None:
        return False
    return below.box[1] - above.box[3] < (CONTINUES - 1) * height and not below.text[:1].isdigit()


def _added(above: Segment | None, below: Segment | None) -> Segment | None:
    if above is None or below is None:
        return above or below
    return Segment(above.page, above.row, (*above.tokens, *below.tokens))
