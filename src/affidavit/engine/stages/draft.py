"""Blocks and tables of a page on their way to the result: they name words by index, and have no ids."""

from __future__ import annotations

from dataclasses import dataclass

from affidavit.engine.result import BlockType, BoundingBox

WordLine = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CellDraft:
    """A cell; `lines` are its words, line by line."""

    row: int
    column: int
    row_span: int
    column_span: int
    box: BoundingBox
    lines: tuple[WordLine, ...]
    header: bool = False


@dataclass(frozen=True, slots=True)
class TableDraft:
    """A table in the reading frame; cells in row order."""

    box: BoundingBox
    rows: int
    columns: int
    cells: tuple[CellDraft, ...]


@dataclass(frozen=True, slots=True)
class BlockDraft:
    """A block in reading order. A table has no lines of its own: they are in its cells."""

    type: BlockType
    lines: tuple[WordLine, ...]
    level: int | None = None
    table: TableDraft | None = None
