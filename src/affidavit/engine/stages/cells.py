"""Tidy the cells of a table: drop what is empty, join what rules part by mistake, mark the headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from affidavit.engine.stages.draft import CellDraft, TableDraft
from affidavit.engine.stages.token import Token, union

MOST_HEADER_ROWS = 3

Place = tuple[int, int]


def compact(table: TableDraft) -> TableDraft:
    """Drop rows and columns in which no cell begins: two rules of one double line, say."""
    rows = sorted({cell.row for cell in table.cells if cell.lines or cell.row_span == 1})
    columns = sorted({cell.column for cell in table.cells if cell.lines})
    if not rows or not columns:
        return table
    kept_rows = [row for row in rows if any(cell.row == row and cell.lines for cell in table.cells)]
    cells = []
    for cell in table.cells:
        row_span = sum(cell.row <= row < cell.row + cell.row_span for row in kept_rows)
        column_span = sum(cell.column <= at < cell.column + cell.column_span for at in columns)
        if row_span and column_span:
            row = sum(at < cell.row for at in kept_rows)
            column = sum(at < cell.column for at in columns)
            cells.append(replace(cell, row=row, column=column, row_span=row_span, column_span=column_span))
    return replace(table, rows=len(kept_rows), columns=len(columns), cells=tuple(cells))


def merged(table: TableDraft) -> TableDraft:
    """Join neighbouring columns of which no row fills both: one column whose rules do not quite meet."""
    column = 0
    while column + 1 < table.columns:
        here, beside = _filled(table, column), _filled(table, column + 1)
        apart = any(here[row] != beside[row] for row in here.keys() & beside.keys())
        if apart or table.columns <= 2:
            column += 1
        else:
            table = _joined(table, column)
    return table


def _filled(table: TableDraft, column: int) -> dict[int, Place]:
    """Return, for each row whose cell in this column holds words, where that cell begins."""
    return {
        row: (cell.row, cell.column)
        for cell in table.cells
        if cell.lines and cell.column <= column < cell.column + cell.column_span
        for row in range(cell.row, cell.row + cell.row_span)
    }


def _joined(table: TableDraft, column: int) -> TableDraft:
    cells: dict[Place, CellDraft] = {}
    for cell in table.cells:
        crosses = cell.column <= column < cell.column + cell.column_span - 1
        place = cell.column - (cell.column > column)
        moved = replace(cell, column=place, column_span=cell.column_span - crosses)
        other = cells.get((cell.row, place))
        if other is None or (cell.lines and not other.lines):
            box = union([other.box, cell.box]) if other else cell.box
            cells[cell.row, place] = replace(moved, box=box)
    return replace(table, columns=table.columns - 1, cells=tuple(cells.values()))


def with_headers(table: TableDraft, tokens: Sequence[Token]) -> TableDraft:
    """Mark the cells of the leading rows that name columns: rows of words over rows with figures."""
    count = _header_rows(table, tokens)
    cells = tuple(replace(cell, header=cell.row < count) for cell in table.cells)
    return replace(table, cells=cells)


def _header_rows(table: TableDraft, tokens: Sequence[Token]) -> int:
    """Count the leading rows that are all bold over rows that are not, or all words over figures."""
    bold = [
        _share(table, row, lambda words: all(tokens[at].bold for at in words)) for row in range(table.rows)
    ]
    figures = [_share(table, row, lambda words: _has_digit(words, tokens)) for row in range(table.rows)]
    count = 0
    while count < min(MOST_HEADER_ROWS, table.rows - 1):
        is_bold = bold[count] == 1 and bold[-1] < 1
        is_wordy = figures[count] == 0 and any(share > 0 for share in figures[count + 1 :])
        if not is_bold and not (is_wordy and (count == 0 or _spans(table, count - 1))):
            break
        count += 1
    return count


def _share(table: TableDraft, row: int, test: Callable[[list[int]], bool]) -> float:
    cells = [cell for cell in table.cells if cell.row == row and cell.lines]
    hits = sum(test([word for line in cell.lines for word in line]) for cell in cells)
    return hits / max(len(cells), 1)


def _has_digit(words: list[int], tokens: Sequence[Token]) -> bool:
    return any(char.isdigit() for at in words for char in tokens[at].text)


def _spans(table: TableDraft, row: int) -> bool:
    return any(cell.row == row and cell.row_span + cell.column_span > 2 for cell in table.cells)
