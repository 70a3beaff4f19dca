"""Pair the rows and columns of a matrix so that the gains add up to the most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Gains = NDArray[np.float64]
Row = int
Column = int


def pairs(gains: Gains) -> list[tuple[Row, Column]]:
    """Return the pairs with the greatest sum of gains; each row and column at most once.

    Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987), O(n² m) for the smaller side n.
    """
    if 0 in gains.shape:
        return []
    if gains.shape[0] > gains.shape[1]:
        return sorted((row, column) for column, row in pairs(gains.T))
    matching = _Matching(gains.max() - gains)
    for row in range(gains.shape[0]):
        matching.add(row)
    return sorted((row, column) for column, row in matching.owner.items())


@dataclass(frozen=True, slots=True)
class _Path:
    """The cheapest way from a row to a free column: how far each column is, and from which row."""

    distance: Gains
    came_from: NDArray[np.int_]
    settled: list[Column]
    end: Column


class _Matching:
    """A matching that grows by a row at a time; the prices keep all reduced costs at zero or above."""

    def __init__(self, costs: Gains) -> None:
        self.owner: dict[Column, Row] = {}
        self._column_of: dict[Row, Column] = {}
        self._costs = costs
        self._row_price = np.zeros(costs.shape[0])
        self._column_price = np.zeros(costs.shape[1])

    def add(self, row: Row) -> None:
        """Give `row` a column; others move along the cheapest path to a free one."""
        path = self._shortest(row)
        reached = path.distance[path.end]
        self._row_price[row] += reached
        for column in path.settled:
            self._row_price[self.owner[column]] += reached - path.distance[column]
            self._column_price[column] += path.distance[column] - reached
        self._move_along(path, row)

    def _shortest(self, row: Row) -> _Path:
        columns = self._costs.shape[1]
        distance, came_from = np.full(columns, np.inf), np.full(columns, -1)
        is_open = np.ones(columns, dtype=bool)
        settled: list[Column] = []
        here, reached = row, 0.0
        while True:
            through = reached + self._costs[here] - self._row_price[here] - self._column_price
            closer = is_open & (through < distance)
            distance[closer], came_from[closer] = through[closer], here
            nearest = int(np.where(is_open, distance, np.inf).argmin())
            if nearest not in self.owner:
                return _Path(distance, came_from, settled, nearest)
            settled.append(nearest)
            is_open[nearest] = False
            here, reached = self.owner[nearest], float(distance[nearest])

    def _move_along(self, path: _Path, row: Row) -> None:
        column = path.end
        while True:
            mover = int(path.came_from[column])
            left = self._column_of.get(mover)
            self.owner[column], self._column_of[mover] = mover, column
            if mover == row or left is None:
                return
            column = left
