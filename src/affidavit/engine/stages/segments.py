"""Join words to segments, the runs between wide gaps, and segments to rows that share a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.token import Token

WIDE_GAP = 1.2  # of the font size; a space is 0.3, in justified text up to 0.8


class Segment(NamedTuple):
    """Words that stand together on one line, or a whole table. `words` index the page's tokens."""

    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    words: tuple[int, ...]
    table: int = -1

    @property
    def box(self) -> BoundingBox:
        return self.x0, self.y0, self.x1, self.y1

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2


Row = list[Segment]


def segments_of(tokens: Sequence[Token], chosen: Iterable[int]) -> list[Segment]:
    """Return the segments of the chosen words: kept together as their source did, cut at wide gaps."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for index in chosen:
        token = tokens[index]
        groups.setdefault((token.segment, token.native), []).append(index)
    segments: list[Segment] = []
    for group in groups.values():
        segments.extend(_cut(tokens, group))
    return segments


def _cut(tokens: Sequence[Token], group: list[int]) -> list[Segment]:
    if len(group) == 1:
        return [segment_of(tokens, group)]
    group.sort(key=lambda index: tokens[index].x0)
    runs = [[group[0]]]
    for before, index in pairwise(group):
        left, right = tokens[before], tokens[index]
        if right.x0 - left.x1 > WIDE_GAP * max(left.size, right.size, 1.0):
            runs.append([])
        runs[-1].append(index)
    return [segment_of(tokens, run) for run in runs]


def segment_of(tokens: Sequence[Token], words: Sequence[int]) -> Segment:
    """Return the segment of these words, which are in reading order and at least one."""
    first = tokens[words[0]]
    _, x0, y0, x1, y1, size, *_ = first
    for index in words[1:]:
        token = tokens[index]
        x0, y0 = min(x0, token.x0), min(y0, token.y0)
        x1, y1, size = max(x1, token.x1), max(y1, token.y1), max(size, token.size)
    return Segment(x0, y0, x1, y1, size, tuple(words))


def rows_of(segments: Iterable[Segment]) -> list[Row]:
    """Return the rows from top to bottom, each from left to right.

    A segment joins the row above it when they share more than half of the lower one's height.
    """
    rows: list[Row] = []
    top = bottom = 0.0
    for segment in sorted(segments, key=attrgetter("middle")):
        height = min(segment.y1 - segment.y0, bottom - top)
        shared = min(bottom, segment.y1) - max(top, segment.y0)
        if rows and height > 0 and shared > 0.5 * height:
            rows[-1].append(segment)
        else:
            rows.append([segment])
            top, bottom = segment.y0, segment.y1
    for row in rows:
        row.sort(key=attrgetter("x0"))
    return rows
