"""Gather the rows under a table's header into items, and leave out what is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from affidavit.engine.stages.fields.cell import CellReader, Place
from affidavit.engine.stages.fields.gutters import Cells
from affidavit.engine.stages.fields.lexicon import POSITION, Kind
from affidavit.engine.stages.fields.plans import NUMERIC_KINDS, Plan
from affidavit.engine.stages.fields.view import View, union

LEAST_FIGURES = 0.5  # of the fullest row's, that a row needs to be one of an item
MANY_FIGURES = 5
WIDE_GAP = 2.0  # word heights between rows of words, at which a table without figures ends
NEAR = 1.2  # word heights between lines over a row of figures and the row

Item = tuple[Cells, ...]

_COUNTED = NUMERIC_KINDS | {Kind.DATE}


class Gatherer:
    """Tells items apart by their figures: a row that has most of the columns' is one of an item."""

    def __init__(self, view: View, reader: CellReader, places: Sequence[Place]) -> None:
        self._view = view
        self._reader = reader
        self._counted = [place for place in places if _is_counted(place.plan) and not place.line]
        self._places = places
        self._fewest = 1 if self._counted else min(2, len(places))

    def items(self, rows: Sequence[Cells], *, is_ruled: bool) -> list[Item]:
        """Return the items, each the rows that hold it, in order."""
        if not self._counted and not is_ruled:
            rows = self._together(rows)
        figures = [self._figures(row) for row in rows]
        fullest = max(map(len, figures), default=0)
        least = max(self._fewest, fullest * LEAST_FIGURES)
        marked = [len(found) >= least for found in figures]
        if not any(marked):
            return []
        if is_ruled:
            return [(row,) for row, is_one in zip(rows, marked, strict=True) if is_one]
        return list(self._grouped(rows, figures, marked))

    def pattern(self, rows: Sequence[Cells]) -> frozenset[int]:
        """Return the columns in which most of the rows of figures have one; all of them without such rows."""
        figures = [self._figures(row) for row in rows]
        fullest = max(map(len, figures), default=0)
        if not fullest:
            return frozenset(place.column for place in self._counted)
        full = [found for found in figures if len(found) >= max(1.0, fullest * LEAST_FIGURES)]
        return frozenset(
            column for column in set().union(*full) if sum(column in found for found in full) * 2 > len(full)
        )

    def is_like(self, row: Cells, pattern: frozenset[int]) -> bool:
        """Tell whether a row has the figures of a pattern, of five or more all but one."""
        return bool(pattern) and len(pattern - self._figures(row)) <= (len(pattern) >= MANY_FIGURES)

    def _together(self, rows: Sequence[Cells]) -> Sequence[Cells]:
        """Return the rows before the first wide gap: words without figures do not tell where a table ends."""
        gaps = [self._gap(above, below) for above, below in pairwise(rows)]
        widest = max(WIDE_GAP, 2 * min(gaps, default=0.0))
        return rows[: next((at for at, gap in enumerate(gaps, 1) if gap > widest), len(rows))]

    def _figures(self, row: Cells) -> frozenset[int]:
        if self._counted:
            clean = (
                place.column
                for place in self._counted
                if self._reader.is_clean(row[place.column], place.plan)
            )
            return frozenset(clean)
        filled = frozenset(place.column for place in self._places if row[place.column] is not None)
        first = min(place.column for place in self._places)
        return filled if first in filled else frozenset()

    def _grouped(
        self, rows: Sequence[Cells], figures: Sequence[frozenset[int]], marked: Sequence[bool]
    ) -> Iterator[Item]:
        owners = self._owners(rows, figures, marked)
        for owner in sorted(set(owners) - {-1}):
            yield tuple(row for row, whose in zip(rows, owners, strict=True) if whose == owner)

    def _owners(
        self, rows: Sequence[Cells], figures: Sequence[frozenset[int]], marked: Sequence[bool]
    ) -> list[int]:
        """Return for each row the first row of its item, -1 for none.

        Lines go with the row of figures above them; where lines stand close over the first such
        row already, the figures are not at the top of an item, and each line goes with the nearest.
        """
        starts: list[int] = []
        held: frozenset[int] = frozenset()
        for at, is_one in enumerate(marked):
            if is_one and (not starts or held & figures[at]):
                starts.append(at)
                held = frozenset()
            if starts and is_one:
                held |= figures[at]
        leading = self._leading(rows, starts[0])
        return [self._owner(rows, at, starts, centred=leading) for at in range(len(rows))]

    def _leading(self, rows: Sequence[Cells], first: int) -> bool:
        texts = [place.column for place in self._places if place.plan.kind is Kind.TEXT]
        if first == 0 or not texts or not any(rows[first - 1][column] for column in texts):
            return False
        return self._gap(rows[first - 1], rows[first]) < NEAR

    def _owner(self, rows: Sequence[Cells], at: int, starts: Sequence[int], *, centred: bool) -> int:
        above = max((start for start in starts if start <= at), default=-1)
        below = min((start for start in starts if start > at), default=-1)
        if not centred or at in starts:
            return above
        up = self._way(rows, above, at) if above >= 0 else float("inf")
        down = self._way(rows, at, below) if below >= 0 else float("inf")
        return above if up <= down else below

    def _way(self, rows: Sequence[Cells], first: int, last: int) -> float:
        return max((self._gap(one, other) for one, other in pairwise(rows[first : last + 1])), default=0.0)

    def _gap(self, above: Cells, below: Cells) -> float:
        """Return the white between two rows in word heights, endless over a page's end."""
        upper, lower = [cell for cell in above if cell], [cell for cell in below if cell]
        if not upper or not lower or upper[0].page != lower[0].page:
            return float("inf")
        white = union(cell.box for cell in lower)[1] - union(cell.box for cell in upper)[3]
        return white / self._view.heights[upper[0].page]


def _is_counted(plan: Plan) -> bool:
    return plan.kind in _COUNTED or (plan.concept is not None and plan.concept.key == POSITION)
