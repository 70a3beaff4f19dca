"""Find tables that no line rules: a row of column names over rows of figures that stand under them.

Deliberately narrow. A table must have at least three columns, a header of words, and rows below it
whose cells fall under its names, with figures in at least one column; anything else stays text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.draft import CellDraft, TableDraft
from affidavit.engine.stages.grid import lines_of
from affidavit.engine.stages.segments import Row, Segment, rows_of
from affidavit.engine.stages.token import Token, union

LEAST_COLUMNS = 3
LONGEST_NAME = 5  # words in the name of a column
FAR = 2.5  # font sizes of white, beyond which the table has ended
CONTINUES = 0.9  # font sizes of white, up to which a row without figures continues the one above
LOOSER = 1.6  # times the white between the first rows, beyond which the table has ended
FILLED = 0.5  # share of the columns that a row of the table fills

_FIGURE = re.compile(r"[-+(]?\W{0,3}\d[\d.,'\u2019/:-]*\)?\W{0,2}(?:[A-Za-z]{1,3}\.?)?%?|[-\u2013\u2014]")


@dataclass(slots=True)
class _Column:
    """Where the cells of a column stand so far."""

    x0: float
    x1: float


@dataclass(slots=True)
class _Candidate:
    header: Row
    columns: list[_Column]
    names: list[list[Segment]]  # the header's cells, of one line or more
    rows: list[list[list[Segment]]] = field(default_factory=list)  # row, column, segments
    bottom: float = 0.0
    white: float | None = None  # between its first two rows


def aligned_tables(segments: Sequence[Segment], tokens: Sequence[Token]) -> list[TableDraft]:
    """Return the tables that alignment shows among the segments, from top to bottom."""
    rows = rows_of(segments)
    tables: list[TableDraft] = []
    at = 0
    while at < len(rows):
        table, used = _table_at(rows, at, tokens)
        if table is not None:
            tables.append(table)
        at += used
    return tables


def _table_at(rows: list[Row], at: int, tokens: Sequence[Token]) -> tuple[TableDraft | None, int]:
    header = rows[at]
    if not _names_columns(header, tokens):
        return None, 1
    columns = [_Column(segment.x0, segment.x1) for segment in header]
    candidate = _Candidate(header, columns, [[segment] for segment in header], bottom=_bottom(header))
    used = 1
    for row in rows[at + 1 :]:
        if not _take(candidate, row, tokens):
            break
        used += 1
    if not _holds(candidate, tokens):
        return None, 1
    return _drafted(candidate, tokens), used


def _names_columns(row: Row, tokens: Sequence[Token]) -> bool:
    return len(row) >= LEAST_COLUMNS and all(_is_name(segment, tokens) for segment in row)


def _is_name(segment: Segment, tokens: Sequence[Token]) -> bool:
    text = " ".join(tokens[word].text for word in segment.words)
    is_label = text.endswith(":") or any(char.isdigit() for char in text)
    return len(segment.words) <= LONGEST_NAME and not is_label


def _is_figure(segment: Segment, tokens: Sequence[Token]) -> bool:
    text = "".join(tokens[word].text for word in segment.words)
    return len(text) < 24 and _FIGURE.fullmatch(text) is not None


def _take(candidate: _Candidate, row: Row, tokens: Sequence[Token]) -> bool:
    """Add the row to the candidate, or tell that the table ends above it."""
    white = min(segment.y0 for segment in row) - candidate.bottom
    size = max(segment.size for segment in row)
    if white > FAR * size or (candidate.white is not None and white > LOOSER * max(candidate.white, size)):
        return False
    cells = _placed(candidate, row)
    if cells is None:
        return False
    figures = sum(_is_figure(segment, tokens) for segment in row)
    if figures and _fills(cells, candidate):
        if len(candidate.rows) == 1:
            candidate.white = white
        candidate.rows.append(cells)
    elif white <= CONTINUES * size and (not cells[0] or not figures):
        above = candidate.rows[-1] if candidate.rows else candidate.names
        for column, more in zip(above, cells, strict=True):
            column.extend(more)
    else:
        return False
    candidate.bottom = _bottom(row)
    for place, cell in zip(candidate.columns, cells, strict=True):
        for segment in cell:
            place.x0, place.x1 = min(place.x0, segment.x0), max(place.x1, segment.x1)
    return True


def _placed(candidate: _Candidate, row: Row) -> list[list[Segment]] | None:
    """Return the segments by column, or None when one stands under two columns."""
    cells: list[list[Segment]] = [[] for _ in candidate.columns]
    for segment in row:
        under = [_overlap(segment, column) for column in candidate.columns]
        best = max(range(len(under)), key=under.__getitem__)
        others = [at for at, name in enumerate(candidate.header) if at != best and _is_under(segment, name)]
        if others:
            return None
        if under[best] <= 0:
            best = min(range(len(under)), key=lambda at: _distance(segment, candidate.columns[at]))
        cells[best].append(segment)
    return cells


def _overlap(segment: Segment, column: _Column) -> float:
    return min(segment.x1, column.x1) - max(segment.x0, column.x0)


def _is_under(segment: Segment, name: Segment) -> bool:
    return min(segment.x1, name.x1) - max(segment.x0, name.x0) > 0.5 * (name.x1 - name.x0)


def _distance(segment: Segment, column: _Column) -> float:
    return max(column.x0 - segment.x1, segment.x0 - column.x1)


def _fills(cells: list[list[Segment]], candidate: _Candidate) -> bool:
    return sum(map(bool, cells)) >= max(2.0, FILLED * len(candidate.columns))


def _holds(candidate: _Candidate, tokens: Sequence[Token]) -> bool:
    """Tell whether the rows make a table: figures in one column at least, in most rows."""
    if not candidate.rows:
        return False
    for column in range(len(candidate.columns)):
        cells = [row[column] for row in candidate.rows if row[column]]
        figures = sum(any(_is_figure(segment, tokens) for segment in cell) for cell in cells)
        if 2 * len(cells) >= len(candidate.rows) and 2 * figures > len(cells):
            return True
    return False


def _bottom(row: Row) -> float:
    return max(segment.y1 for segment in row)


def _drafted(candidate: _Candidate, tokens: Sequence[Token]) -> TableDraft:
    grid = [candidate.names, *candidate.rows]
    tops = [min(segment.y0 for cell in row for segment in cell) for row in grid]
    bottoms = [*tops[1:], candidate.bottom]
    edges = _edges(candidate.columns)
    cells = []
    for number, row in enumerate(grid):
        for column, found in enumerate(row):
            words = [word for segment in found for word in segment.words]
            slot: BoundingBox = (edges[column], tops[number], edges[column + 1], bottoms[number])
            box = union([segment.box for segment in found]) if found else slot
            cells.append(CellDraft(number, column, 1, 1, box, lines_of(tokens, words), header=number == 0))
    around = (edges[0], tops[0], edges[-1], candidate.bottom)
    return TableDraft(around, len(grid), len(candidate.columns), tuple(cells))


def _edges(columns: list[_Column]) -> list[float]:
    inner = [(one.x1 + other.x0) / 2 for one, other in pairwise(columns)]
    return [columns[0].x0, *inner, columns[-1].x1]
