"""See tables, ruled or only aligned, as grids: names of columns, and rows of cells under them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from affidavit.engine.result import BoundingBox, Cell, Page, Table
from affidavit.engine.stages.fields.gutters import Cells, Gutters
from affidavit.engine.stages.fields.headers import Header, HitsOf, has_digits, is_header, parted_by
from affidavit.engine.stages.fields.totals import is_carried, is_total
from affidavit.engine.stages.fields.view import Row, Segment, View, union

MAX_GAP = 4.0  # word heights between rows of one table
WIDE_GAP = 9.0  # where soon a row fills half of the columns, with figures
LINES_BETWEEN = 6  # rows in which it must
MOST_TITLES = 2  # rows of a table over the names of its columns
HEAD_ROWS = 30  # of the next page, under which a table may go on
MOST_ROWS = 20_000  # of one table


@dataclass(frozen=True)
class Grid:
    """Rows of cells under names of columns. A cell is the segment of its words, or None.

    `is_ruled` tells that each row is one of a table; else it is a line of text, and several may
    make one item: then `gutters` parts further rows alike, and `is_closed` tells that a total ends
    it. `used_rows` are the rows of the view that the grid covers, `edges` its left and right in page
    units.
    """

    page: int
    headers: tuple[Segment, ...]
    rows: tuple[Cells, ...]
    used_rows: frozenset[int]
    edges: tuple[float, float]
    gutters: Gutters | None = None
    is_closed: bool = False

    @property
    def is_ruled(self) -> bool:
        return self.gutters is None

    @property
    def first_row(self) -> int:
        return min(self.used_rows, default=-1)


def table_grids(view: View) -> Iterator[Grid]:
    """Yield the grids of each table that reading found, in order; several where its header is unclear."""
    rows: dict[int, list[Row]] = {}
    for row in view.rows:
        rows.setdefault(row.page, []).append(row)
    for page in view.document.pages:
        for table in page.tables:
            yield from _of_table(view, table, rows.get(page.number, []))


def grid_below(view: View, header: Header, hits: HitsOf) -> Grid:
    """Return the grid under a header, down to a total, another header, a gap or the page's end."""
    body, is_closed = body_below(view, header.last, hits, header.names)
    if not body and not is_closed:
        body, is_closed = _over_page(view, header, hits)
    own = [segment for row in view.rows[header.first : header.last + 1] for segment in row.segments]
    header = parted_by(header, body, {id(each): hits[id(each)] for each in own if id(each) in hits})
    gutters = Gutters.under([name.box for name in header.names], body, view.heights[header.names[0].page])
    box = union(name.box for name in header.names)
    used = range(view.rows[header.first].number, view.rows[header.last].number + 1)
    return Grid(
        page=body[0].page if body else header.names[0].page,
        headers=header.names,
        rows=tuple(gutters.cells(row) for row in body),
        used_rows=frozenset(used) | {row.number for row in body},
        edges=(box[0], box[2]),
        gutters=gutters,
        is_closed=is_closed,
    )


def _over_page(view: View, header: Header, hits: HitsOf) -> tuple[list[Row], bool]:
    """Return the body of a header at the foot of a page: from the first row of figures on the next one."""
    page = view.rows[header.last].page
    ahead = view.rows[header.last + 1 : header.last + 1 + 2 * HEAD_ROWS]
    following = [at for at, row in enumerate(ahead, start=header.last + 1) if row.page == page + 1]
    for at in following[:HEAD_ROWS]:
        row = view.rows[at]
        if is_header(row, hits):
            break
        if (
            len(row.segments) * 2 >= len(header.names)
            and has_digits(row.tokens)
            and not is_total(row.segments)
        ):
            body, is_closed = body_below(view, at, hits, header.names)
            return [row, *body], is_closed
    return [], False


def body_below(view: View, last: int, hits: HitsOf, names: Sequence[Segment]) -> tuple[list[Row], bool]:
    """Return the rows that stand close under row `last` of the view, and whether a total ends them.

    Rows may stand further down where soon one fills half of the columns.
    """
    body: list[Row] = []
    above = view.rows[last]
    for row in view.rows[last + 1 : last + 1 + MOST_ROWS]:
        near = row.page == above.page and _is_near(view, above, row, names)
        if is_total(row.segments):
            return body, near and not is_carried(row.segments)
        if not near or is_header(row, hits):
            return body, False
        body.append(row)
        above = row
    return body, False


def _is_near(view: View, above: Row, row: Row, names: Sequence[Segment]) -> bool:
    height = view.heights[row.page]
    white = (row.box[1] - above.box[3]) / height
    if white <= MAX_GAP or white > WIDE_GAP:
        return white <= MAX_GAP
    is_title = row.box[0] <= min(name.box[0] for name in names if name.tokens) + height
    ahead = view.rows[row.number : row.number + (1 if is_title else LINES_BETWEEN)]
    return any(other.page == row.page and _fills(other, len(names)) for other in ahead)


def _fills(row: Row, columns: int) -> bool:
    return len(row.segments) * 2 >= columns and has_digits(row.tokens)


def _of_table(view: View, table: Table, rows: Sequence[Row]) -> Iterator[Grid]:
    cells: dict[int, dict[int, Segment]] = {}
    for cell in table.cells:
        segment = _segment_of(view, cell, table.page)
        if segment:
            cells.setdefault(cell.row, {})[cell.column] = segment
    numbers = sorted(cells)
    lying = _words_in(view.pages[table.page], table.box)
    used = frozenset(row.number for row in rows if _is_in(row, lying))
    for skipped in range(min(MOST_TITLES + 1, len(numbers) - 1)):
        yield Grid(
            page=table.page,
            headers=_names(cells[numbers[skipped]], table),
            rows=tuple(_row(cells[number], table.columns) for number in numbers[skipped + 1 :]),
            used_rows=used,
            edges=(table.box[0], table.box[2]),
        )


def _row(cells: Mapping[int, Segment], columns: int) -> Cells:
    return tuple(cells.get(column) for column in range(columns))


def _names(cells: Mapping[int, Segment], table: Table) -> tuple[Segment, ...]:
    empty = Segment(table.page, -1, ())
    return tuple(cells.get(column, empty) for column in range(table.columns))


def _segment_of(view: View, cell: Cell, page: int) -> Segment | None:
    tokens = view.tokens_of(cell.words)
    return Segment(page, -1, tokens) if tokens else None


def _is_in(row: Row, words: Collection[str]) -> bool:
    """Tell whether most words of a row are among these."""
    return sum(token.word.id in words for token in row.tokens) * 2 > len(row.tokens)


def _words_in(page: Page, box: BoundingBox) -> frozenset[str]:
    """Return the ids of the words in a box of the page, neither of them straightened."""
    return frozenset(word.id for word in page.words if _is_inside(word.box, box))


def _is_inside(inner: BoundingBox, box: BoundingBox) -> bool:
    x0, y0, x1, y1 = inner
    return box[0] <= (x0 + x1) / 2 <= box[2] and box[1] <= (y0 + y1) / 2 <= box[3]
