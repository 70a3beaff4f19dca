"""Make tables of ruling lines that cross: a grid, its cells with spans, and the words in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.cells import compact, merged, with_headers
from affidavit.engine.stages.draft import CellDraft, TableDraft, WordLine
from affidavit.engine.stages.segments import rows_of, segments_of
from affidavit.engine.stages.token import Rule, Token, union

LEAST_SNAP = 2.0  # points
SNAP = 0.3  # of the body's font size: lines closer than this are one line
COVERS = 0.6  # share of a cell's side that a line must cover to part it from its neighbour
MOST_WORDS = 60  # in the median cell: more is prose in boxes, not a table
MOST_CELLS = 20_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the columns and rows of a table begin and end, and which squares belong together."""

    xs: list[float]
    ys: list[float]
    levels: list[Rule]
    plumbs: list[Rule]


def ruled_tables(tokens: Sequence[Token], rules: Sequence[Rule], size: float) -> list[TableDraft]:
    """Return the tables whose cells are ruled, with the words that lie in them.

    `size` is the body's font size. A frame, a single box or a rule under a heading makes no table:
    at least two rows and two columns must hold words.
    """
    snap = max(LEAST_SNAP, SNAP * size)
    tables = []
    for levels, plumbs in _crossing(rules, snap):
        grid = _grid(levels, plumbs, snap)
        if grid is not None:
            table = _table(grid, tokens, snap)
            if table is not None:
                tables.append(table)
    return _outermost(tables)


def _crossing(rules: Sequence[Rule], snap: float) -> list[tuple[list[Rule], list[Rule]]]:
    """Return the groups of lines that touch each other, level and plumb ones apart."""
    levels = [rule for rule in rules if rule.level]
    plumbs = [rule for rule in rules if not rule.level]
    if len(levels) < 2 or not plumbs:
        return []
    level, plumb = np.array(levels), np.array(plumbs)
    touches = (
        (level[:, None, 0] - snap <= plumb[None, :, 0])
        & (plumb[None, :, 0] <= level[:, None, 2] + snap)
        & (plumb[None, :, 1] - snap <= level[:, None, 1])
        & (level[:, None, 1] <= plumb[None, :, 3] + snap)
    )
    return [
        ([levels[at] for at in chosen], [plumbs[at] for at in crossed])
        for chosen, crossed in _components(touches)
        if len(chosen) > 1
    ]


def _components(touches: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Return the rows and columns of the matrix that hang together, group by group."""
    rows_of_column = [np.nonzero(column)[0].tolist() for column in touches.T]
    columns_of_row = [np.nonzero(row)[0].tolist() for row in touches]
    seen: set[int] = set()
    groups = []
    for start, columns in enumerate(columns_of_row):
        if start in seen or not columns:
            continue
        rows, crossed, waiting = {start}, set(), [start]
        while waiting:
            for column in columns_of_row[waiting.pop()]:
                if column not in crossed:
                    crossed.add(column)
                    fresh = [row for row in rows_of_column[column] if row not in rows]
                    rows.update(fresh)
                    waiting += fresh
        seen |= rows
        groups.append((sorted(rows), sorted(crossed)))
    return groups


def _grid(levels: list[Rule], plumbs: list[Rule], snap: float) -> Grid | None:
    left, right = min(rule.x0 for rule in levels), max(rule.x1 for rule in levels)
    # A table that is open at its sides has columns outside its outermost plumb lines.
    xs = _snapped([rule.x0 for rule in plumbs] + [left, right], 2 * snap)
    ys = _snapped([rule.y0 for rule in levels], snap)
    if len(xs) < 3 or len(ys) < 3 or len(xs) * len(ys) > MOST_CELLS:
        return None
    return Grid(xs, ys, levels, plumbs)


def _snapped(places: list[float], snap: float) -> list[float]:
    groups: list[list[float]] = []
    for place in sorted(places):
        if groups and place - groups[-1][-1] <= snap:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [sum(group) / len(group) for group in groups]


def _table(grid: Grid, tokens: Sequence[Token], snap: float) -> TableDraft | None:
    box = (grid.xs[0], grid.ys[0], grid.xs[-1], grid.ys[-1])
    inside = [index for index, token in enumerate(tokens) if not token.turned and _holds(box, token)]
    squares = _squares(grid, snap)
    words: dict[tuple[int, int], list[int]] = {}
    for index in inside:
        token = tokens[index]
        row = _slot(grid.ys, (token.y0 + token.y1) / 2)
        column = _slot(grid.xs, (token.x0 + token.x1) / 2)
        words.setdefault(squares[row, column], []).append(index)
    if not _is_table(words, squares):
        return None
    cells = [_cell(grid, place, members, words, tokens) for place, members in _members(squares).items()]
    table = TableDraft(box, len(grid.ys) - 1, len(grid.xs) - 1, tuple(cells))
    return with_headers(merged(compact(table)), tokens)


def _holds(box: BoundingBox, token: Token) -> bool:
    x, y = (token.x0 + token.x1) / 2, (token.y0 + token.y1) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _slot(edges: list[float], place: float) -> int:
    return int(np.clip(np.searchsorted(edges, place) - 1, 0, len(edges) - 2))


Place = tuple[int, int]


def _squares(grid: Grid, snap: float) -> dict[Place, Place]:
    """Return, for each square of the grid, the top left square of the cell that it is part of."""
    rows, columns = len(grid.ys) - 1, len(grid.xs) - 1
    below = _parted(grid.levels, grid.ys, grid.xs, snap, level=True)
    beside = _parted(grid.plumbs, grid.xs, grid.ys, snap, level=False)
    owner: dict[Place, Place] = {}
    for row in range(rows):
        for column in range(columns):
            if (row, column) not in owner:
                wide = _extent(column, columns, partial(_is_beside, beside, owner, row))
                span = range(column, column + wide)
                high = _extent(row, rows, partial(_is_below, below, span))
                for y in range(row, row + high):
                    for x in span:
                        owner.setdefault((y, x), (row, column))
    return owner


def _is_beside(beside: dict[Place, bool], owner: dict[Place, Place], row: int, column: int) -> bool:
    """Tell whether a new cell begins at this column of the row."""
    return beside[column, row] or (row, column) in owner


def _is_below(below: dict[Place, bool], columns: range, row: int) -> bool:
    """Tell whether a rule parts these columns from the row above."""
    return any(below[row, column] for column in columns)


def _extent(start: int, count: int, is_parted: Callable[[int], bool]) -> int:
    end = start + 1
    while end < count and not is_parted(end):
        end += 1
    return end - start


def _parted(
    rules: list[Rule], places: list[float], across: list[float], snap: float, *, level: bool
) -> dict[Place, bool]:
    """Tell for each edge (number of the grid line, number of the slot along it) whether it is ruled."""
    covered: dict[Place, float] = {}
    for rule in rules:
        place, start, end = (rule.y0, rule.x0, rule.x1) if level else (rule.x0, rule.y0, rule.y1)
        line = min(range(len(places)), key=lambda at: abs(places[at] - place))
        for slot in range(len(across) - 1):
            shared = min(end, across[slot + 1]) - max(start, across[slot])
            if shared > 0:
                covered[line, slot] = covered.get((line, slot), 0.0) + shared
    return {
        (line, slot): covered.get((line, slot), 0.0) >= COVERS * (across[slot + 1] - across[slot]) - snap / 4
        for line in range(len(places))
        for slot in range(len(across) - 1)
    }


def _is_table(words: dict[Place, list[int]], squares: dict[Place, Place]) -> bool:
    rows, columns = {row for row, _ in words}, {column for _, column in words}
    if len(rows) < 2 or len(columns) < 2 or len(words) < 3:
        return False
    return len(set(squares.values())) > 3 and median(map(len, words.values())) <= MOST_WORDS


def _members(squares: dict[Place, Place]) -> dict[Place, list[Place]]:
    members: dict[Place, list[Place]] = {}
    for place, owner in squares.items():
        members.setdefault(owner, []).append(place)
    return members


def _cell(
    grid: Grid, place: Place, members: list[Place], words: dict[Place, list[int]], tokens: Sequence[Token]
) -> CellDraft:
    last_row, last_column = max(row for row, _ in members), max(column for _, column in members)
    row, column = place
    box = (grid.xs[column], grid.ys[row], grid.xs[last_column + 1], grid.ys[last_row + 1])
    return CellDraft(
        row,
        column,
        last_row - row + 1,
        last_column - column + 1,
        box,
        lines_of(tokens, words.get(place, [])),
    )


def lines_of(tokens: Sequence[Token], words: Sequence[int]) -> tuple[WordLine, ...]:
    """Return the words of a cell, line by line."""
    rows = rows_of(segments_of(tokens, words))
    return tuple(tuple(word for segment in row for word in segment.words) for row in rows)


def _outermost(tables: list[TableDraft]) -> list[TableDraft]:
    """Leave out tables inside the cells of others, and what they share words with."""
    kept: list[TableDraft] = []
    for table in sorted(tables, key=lambda table: -_area(table.box)):
        x, y = (table.box[0] + table.box[2]) / 2, (table.box[1] + table.box[3]) / 2
        if not any(t.box[0] <= x <= t.box[2] and t.box[1] <= y <= t.box[3] for t in kept):
            kept.append(table)
    return kept


def _area(box: BoundingBox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def words_of(table: TableDraft) -> set[int]:
    """Return the indices of all words in the table's cells."""
    return {word for cell in table.cells for line in cell.lines for word in line}


def text_box(table: TableDraft, tokens: Sequence[Token]) -> BoundingBox:
    """Return the box around the table's words and rules."""
    return union([table.box, *(tokens[word].box for word in words_of(table))])
