"""Find where the columns under a header part, and sort the words of a row into them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.fields.view import Row, Segment, Token

READ_ROWS = 60  # that show where the columns part
SAME_EDGE = 0.25  # word heights between words that start or end alike
BODY_WEIGHT = 2  # of a word under a header, beside the header's 1
LEAST_GAP = 0.08  # word heights: words closer than that are not parted

Cells = tuple[Segment | None, ...]
Interval = tuple[float, float]


class Gutters:
    """The white between neighbouring columns: one cut for each, in page units, from left to right."""

    def __init__(self, cuts: Sequence[float], starts: Sequence[frozenset[int]], height: float) -> None:
        self._cuts = tuple(cuts)
        self._starts = tuple(starts)
        self._height = height

    @classmethod
    def under(cls, headers: Sequence[BoundingBox], rows: Sequence[Row], height: float) -> Gutters:
        """Cut between headers, from left to right, where the fewest words of the rows stand."""
        most = max((len(row.segments) for row in rows[:READ_ROWS]), default=0)
        shown = [row for row in rows[:READ_ROWS] if len(row.segments) >= max(2, most / 2)]
        words = [*headers, *(token.box for row in shown for token in row.tokens for _ in range(BODY_WEIGHT))]
        cuts = [_cut(left, right, words) for left, right in pairwise(headers)]
        bare = cls(cuts, (), height)
        starts: list[set[int]] = [set() for _ in headers]
        for row in shown:
            for at, cell in enumerate(bare.cells(row)):
                if cell is not None:
                    starts[at].add(bare._edge(cell.tokens[0]))
        return cls(cuts, [frozenset(edges) for edges in starts], height)

    @classmethod
    def between(cls, edges: Sequence[float], height: float) -> Gutters:
        """Cut at the given inner edges of a ruled table."""
        return cls(edges, (), height)

    def cells(self, row: Row) -> Cells:
        """Return the words of a row by column; a run of words over a cut stays where it starts."""
        found: list[list[Token]] = [[] for _ in range(len(self._cuts) + 1)]
        alone = len(row.segments) == 1
        for segment in row.segments:
            for part in self._parts(segment, alone=alone):
                found[self._column(part)].extend(part)
        return tuple(Segment(row.page, row.number, tuple(part)) if part else None for part in found)

    def _parts(self, segment: Segment, *, alone: bool) -> list[list[Token]]:
        parts = [[segment.tokens[0]]]
        for before, token in pairwise(segment.tokens):
            if self._is_parted(before, token, alone=alone):
                parts.append([])
            parts[-1].append(token)
        return parts

    def _is_parted(self, before: Token, token: Token, *, alone: bool) -> bool:
        """Tell whether a cut runs between two words; a line alone must start anew where others do."""
        slack = SAME_EDGE * self._height
        if token.box[0] - before.box[2] < LEAST_GAP * self._height:
            return False
        for at, cut in enumerate(self._cuts, start=1):
            if before.box[2] - slack <= cut <= token.box[0] + slack and before.box[0] < cut < token.box[2]:
                return not alone or self._starts_like(at, token)
        return False

    def _starts_like(self, column: int, token: Token) -> bool:
        edge = self._edge(token)
        return bool(self._starts) and not self._starts[column].isdisjoint((edge - 1, edge, edge + 1))

    def _edge(self, token: Token) -> int:
        return round(token.box[0] / max(SAME_EDGE * self._height, 0.1))

    def _column(self, part: Sequence[Token]) -> int:
        """Return the column of a run of words: where its first word mostly stands."""
        middle = (part[0].box[0] + part[0].box[2]) / 2
        return sum(cut <= middle for cut in self._cuts)


def _cut(left: BoundingBox, right: BoundingBox, words: Sequence[BoundingBox]) -> float:
    """Return the middle of the widest white between two headers, which fewest words cross."""
    low, high = (left[0] + left[2]) / 2, (right[0] + right[2]) / 2
    if high <= low:
        return (low + high) / 2
    whites = _whites(low, high, words)
    fewest = min(count for _, count in whites)
    between = (min(left[2], right[0]), max(left[2], right[0]))

    def worth(white: Interval) -> tuple[bool, float]:
        shared = min(white[1], between[1]) - max(white[0], between[0])
        return shared > 0, white[1] - white[0]

    best = max((white for white, count in whites if count == fewest), key=worth)
    inner = (max(best[0], between[0]), min(best[1], between[1]))
    return sum(inner) / 2 if inner[0] < inner[1] else sum(best) / 2


def _whites(low: float, high: float, words: Sequence[BoundingBox]) -> list[tuple[Interval, int]]:
    """Return the stretches of low..high with how many words stand over each."""
    changes = sorted(
        [(max(box[0], low), 1) for box in words if box[0] < high and box[2] > low]
        + [(min(box[2], high), -1) for box in words if box[0] < high and box[2] > low]
    )
    stretches, at, count = [], low, 0
    for place, step in changes:
        if place > at:
            stretches.append(((at, place), count))
        at, count = place, count + step
    if high > at or not stretches:
        stretches.append(((at, high), count))
    return stretches
