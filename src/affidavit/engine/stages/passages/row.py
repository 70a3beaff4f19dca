"""Read the rows of a table, each cell under what its column is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from affidavit.engine.result import Cell as TableCell
from affidavit.engine.result import Table
from affidavit.engine.stages.fields.view import Segment, View


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's words, and the header over them; empty where there is none."""

    header: str
    segment: Segment

    @property
    def text(self) -> str:
        return self.segment.text


@dataclass(frozen=True, slots=True)
class Row:
    """The words of a row from left to right, and its cells that hold any."""

    segment: Segment
    cells: tuple[Cell, ...]


def table_rows(table: Table, view: View) -> Iterator[Row]:
    """Yield the rows of a table that are no header, each with the header of its columns."""
    headers = _header_rows(table)
    names = _column_names(table, headers)
    by_row: dict[int, list[TableCell]] = {}
    for cell in table.cells:
        if cell.row not in headers and cell.words:
            by_row.setdefault(cell.row, []).append(cell)
    for row in sorted(by_row):
        cells = []
        for cell in sorted(by_row[row], key=lambda each: each.column):
            tokens = view.tokens_of(cell.words)
            if tokens:
                segment = Segment(page=table.page, row=-1, tokens=tokens)
                cells.append(Cell(names.get(cell.column, ""), segment))
        if cells:
            tokens = tuple(token for cell in cells for token in cell.segment.tokens)
            yield Row(Segment(page=table.page, row=-1, tokens=tokens), tuple(cells))


def _header_rows(table: Table) -> frozenset[int]:
    marked = frozenset(cell.row for cell in table.cells if cell.header)
    if marked or table.rows <= 1:
        return marked
    first = [cell for cell in table.cells if cell.row == 0 and cell.text.strip()]
    wordy = len(first) > 1 and not any(char.isdigit() for cell in first for char in cell.text)
    return frozenset({0}) if wordy and table.columns > 2 else frozenset()


def _column_names(table: Table, headers: frozenset[int]) -> dict[int, str]:
    names: dict[int, list[str]] = {}
    for cell in table.cells:
        if cell.row in headers and cell.text.strip():
            for column in range(cell.column, cell.column + cell.column_span):
                names.setdefault(column, []).append(cell.text.strip())
    return {column: " ".join(parts) for column, parts in names.items()}
