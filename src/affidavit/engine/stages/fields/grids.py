"""See tables, ruled or only aligned, as grids: headers, and rows of cells under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from affidavit.engine.result import BoundingBox, Cell, Table
from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.lexicon import TOTAL_LABELS
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.view import Row, Segment, Token, View, split_at_gaps, union

MAX_GAP = 4.0  # word heights between rows of one table
HEADER_PITCH = 1.7  # word heights between the lines of one header
HEADER_LINES = 3  # over and under the line with the most headers
TIGHT_GAP = 0.45  # of a word's height between columns that are set close
TOTAL_WORDS = 3
TOTAL_CELLS = 3  # a row with more is an item whose name starts with "Total"

_TOTALS = frozenset(label_key(label) for label in TOTAL_LABELS)

Cells = tuple[Segment | None, ...]


@dataclass(frozen=True)
class Grid:
    """Rows of cells under headers. A cell is the segment of its words, or None.

    `is_ruled` tells that each row is one of a table; else it is a line of text, and several may
    make one item. `used_rows` are the rows of the view that the grid covers, `edges` its left and
    right in page units.
    """

    page: int
    headers: tuple[Segment, ...]
    rows: tuple[Cells, ...]
    used_rows: frozenset[int]
    edges: tuple[float, float]
    is_ruled: bool


def table_grids(view: View) -> Iterator[Grid]:
    """Yield a grid for each table that reading found, in order; the first row is its header."""
    for page in view.document.pages:
        for table in page.tables:
            grid = _of_table(view, table)
            if grid:
                yield grid


def row_grids(
    view: View, hits: Sequence[Hit], names_enough: Callable[[Sequence[Segment]], bool]
) -> Iterator[Grid]:
    """Yield a grid for each row of text whose segments are headers, as `names_enough` judges."""
    by_segment: dict[int, list[Hit]] = {}
    for hit in hits:
        by_segment.setdefault(id(hit.segment), []).append(hit)
    for at, row in enumerate(view.rows):
        parts = (_headers(segment, by_segment.get(id(segment), ())) for segment in row.segments)
        headers = list(chain.from_iterable(parts))
        if names_enough(headers):
            yield _below(view, at, headers)


def is_total(cells: Sequence[Segment | None]) -> bool:
    """Tell whether a row closes or carries the table: its first words are a total's label."""
    filled = [cell for cell in cells if cell is not None and cell.tokens]
    if not filled or len(filled) > TOTAL_CELLS:
        return False
    words = filled[0].text.rstrip(" :").split()
    starts = {label_key(" ".join(words[:length])) for length in range(1, TOTAL_WORDS + 1)}
    return bool(starts & _TOTALS)


def _of_table(view: View, table: Table) -> Grid | None:
    cells: dict[int, dict[int, Segment]] = {}
    for cell in table.cells:
        segment = _segment_of(view, cell, table.page)
        if segment:
            cells.setdefault(cell.row, {})[cell.column] = segment
    first, *others = sorted(cells) or [0]
    if not others:
        return None
    empty = Segment(table.page, -1, ())
    return Grid(
        page=table.page,
        headers=tuple(cells[first].get(column, empty) for column in range(table.columns)),
        rows=tuple(tuple(cells[number].get(column) for column in range(table.columns)) for number in others),
        used_rows=_rows_in(view, table.page, table.box),
        edges=(table.box[0], table.box[2]),
        is_ruled=True,
    )


def _segment_of(view: View, cell: Cell, page: int) -> Segment | None:
    tokens = view.tokens_of(cell.words)
    return Segment(page, -1, tokens) if tokens else None


def _rows_in(view: View, page: int, box: BoundingBox) -> frozenset[int]:
    """Return the rows whose words mostly lie in `box`, which is in page units, not straightened."""
    return frozenset(
        row.number
        for row in view.rows
        if row.page == page and sum(_is_inside(token, box) for token in row.tokens) * 2 > len(row.tokens)
    )


def _is_inside(token: Token, box: BoundingBox) -> bool:
    x0, y0, x1, y1 = token.word.box
    return box[0] <= (x0 + x1) / 2 <= box[2] and box[1] <= (y0 + y1) / 2 <= box[3]


def _headers(segment: Segment, hits: Sequence[Hit]) -> list[Segment]:
    """Return the headers in a segment: itself, or its parts where it holds nothing but several labels."""
    cut = [Segment(segment.page, segment.row, hit.tokens) for hit in sorted(hits, key=lambda hit: hit.start)]
    covered = sum(len(part.tokens) for part in cut) == len(segment.tokens)
    return cut if len(cut) > 1 and covered else [segment]


def _below(view: View, at: int, headers: Sequence[Segment]) -> Grid:
    """Return the grid under the headers in row `at`, down to a total, a gap or the page's end."""
    height = view.heights[view.rows[at].page]
    columns, last = _completed(view, at, headers, height)
    body = list(_body(view, last, columns, height))
    box = union(column.box for column in columns)
    return Grid(
        page=view.rows[at].page,
        headers=tuple(columns),
        rows=tuple(cells for _, cells in body),
        used_rows=frozenset(range(view.rows[at].number, view.rows[last].number + 1))
        | {row for row, _ in body},
        edges=(box[0], box[2]),
        is_ruled=False,
    )


def _body(view: View, last: int, columns: Sequence[Segment], height: float) -> Iterator[tuple[int, Cells]]:
    """Yield the rows under a header; over the page's end, if the next page starts with such a row."""
    above = view.rows[last]
    for row in view.rows[last + 1 :]:
        cells = _cells(row, columns, height)
        filled = sum(cell is not None for cell in cells)
        is_next_page = row.page == above.page + 1 and filled * 2 >= len(columns)
        is_near = row.page == above.page and row.box[1] - above.box[3] <= MAX_GAP * height
        if is_total(row.segments) or not (is_near or is_next_page):
            return
        yield row.number, cells
        above = row


def _completed(view: View, at: int, headers: Sequence[Segment], height: float) -> tuple[list[Segment], int]:
    """Add the other lines of headers that take several, and return the last line's place too."""
    columns = list(headers)
    last = at
    for step in (-1, 1):
        here = at
        for _ in range(HEADER_LINES):
            other = here + step
            if not 0 <= other < len(view.rows) or not _goes_with(view.rows[here], view.rows[other], height):
                break
            columns = _merged(columns, view.rows[other])
            here = other
        last = max(last, here)
    return sorted(columns, key=lambda column: column.box[0]), last


def _goes_with(header: Row, other: Row, height: float) -> bool:
    """Tell whether a row is another line of the header: close, without digits, short words."""
    distance = abs(other.box[1] - header.box[1])
    has_digits = any(char.isdigit() for token in other.tokens for char in token.text)
    is_short = all(len(segment.tokens) <= 2 for segment in other.segments)
    return other.page == header.page and distance <= HEADER_PITCH * height and not has_digits and is_short


def _merged(columns: Sequence[Segment], row: Row) -> list[Segment]:
    merged = list(columns)
    for segment in row.segments:
        over = [at for at, column in enumerate(merged) if _overlap(segment.box, column.box) > 0]
        if not over:
            merged.append(segment)
            continue
        column = merged[over[0]]
        tokens = sorted(
            (*column.tokens, *segment.tokens), key=lambda token: (round(token.box[1]), token.box[0])
        )
        merged[over[0]] = Segment(column.page, column.row, tuple(tokens))
    return merged


def _cells(row: Row, headers: Sequence[Segment], height: float) -> Cells:
    """Sort the words of a row under the headers."""
    cells: list[list[Token]] = [[] for _ in headers]
    for segment in row.segments:
        for tokens in _parts(segment, headers, height):
            cells[_column(union(token.box for token in tokens), headers)].extend(tokens)
    return tuple(Segment(row.page, row.number, tuple(tokens)) if tokens else None for tokens in cells)


def _parts(segment: Segment, headers: Sequence[Segment], height: float) -> list[tuple[Token, ...]]:
    """Cut a segment under several headers at its wider spaces, if that parts it by header."""
    if sum(_overlap(segment.box, header.box) > 0 for header in headers) <= 1:
        return [segment.tokens]
    parts = split_at_gaps(segment.tokens, height, TIGHT_GAP)
    columns = [_column(union(token.box for token in tokens), headers) for tokens in parts]
    return parts if len(set(columns)) == len(columns) else [segment.tokens]


def _column(box: BoundingBox, headers: Sequence[Segment]) -> int:
    """Return the header over a box; over a wide one, the header where it starts."""
    over = [at for at, header in enumerate(headers) if _overlap(box, header.box) > 0]
    return over[0] if over else max(range(len(headers)), key=lambda at: _overlap(box, headers[at].box))


def _overlap(one: BoundingBox, other: BoundingBox) -> float:
    return min(one[2], other[2]) - max(one[0], other[0])


def joined(above: Segment, below: Segment) -> Segment:
    """Return the words of both, as one segment."""
    return Segment(above.page, above.row, (*above.tokens, *below.tokens))
