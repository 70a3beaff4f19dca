"""Put the segments of a page in reading order: find columns of text by the white between them.

The page is cut in bands of white that run across it. A run of bands with a common gutter is read
column by column when both sides stand on their own: prose, or lines that do not answer each
other. Labels with values beside them, and rows of figures, are read row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from statistics import median

from affidavit.engine.stages.segments import Row, Segment, rows_of
from affidavit.engine.stages.token import Token

GUTTER = 0.9  # of the font size, at least
CORE = 0.2  # of a line's height that is cut at top and bottom, where descenders meet ascenders
ALIGNED = 0.4  # share of the rows that face each other, up to which two sides are independent
FULL_WIDTH = 0.55  # of its column, from which a row counts as a full line of prose
FULL_ROWS = 0.6  # share of full rows that makes a side prose
PROSE_WIDTH = 10.0  # font sizes: a narrower column is a column of labels or figures
LONGEST_RUN = 400  # bands that are looked at together
LONE_BANDS = 8  # that a column may begin above the one beside it
DEEPEST = 12  # columns within columns

Gap = tuple[float, float]
EVERYWHERE: list[Gap] = [(float("-inf"), float("inf"))]


def reading_order(segments: Sequence[Segment], tokens: Sequence[Token], depth: int = 0) -> list[list[Row]]:
    """Return regions in reading order, each a list of rows from top to bottom."""
    bands = _bands(segments)
    whites = [_white(band) for band in bands]
    regions: list[list[Row]] = []
    flow: list[Segment] = []
    at = 0
    while at < len(bands):
        end, gutter = _run(bands, whites, at)
        run = [segment for band in bands[at:end] for segment in band]
        if gutter is not None and depth < DEEPEST and _are_columns(run, gutter, tokens):
            _flush(flow, regions)
            left, right = _parted(run, gutter)
            regions += reading_order(left, tokens, depth + 1) + reading_order(right, tokens, depth + 1)
            at = end
        else:
            step = 1 if gutter is None else max(1, (end - at) // 3)
            flow += [segment for band in bands[at : at + step] for segment in band]
            at += step
    _flush(flow, regions)
    return regions


def _flush(flow: list[Segment], regions: list[list[Row]]) -> None:
    if flow:
        regions.append(rows_of(flow))
        flow.clear()


def _bands(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Return groups of segments that no level white line crosses, from top to bottom."""
    bands: list[list[Segment]] = []
    bottom = float("-inf")
    for segment in sorted(segments, key=_core_top):
        if _core_top(segment) >= bottom:
            bands.append([])
        bands[-1].append(segment)
        bottom = max(bottom, segment.y1 - CORE * (segment.y1 - segment.y0))
    return bands


def _core_top(segment: Segment) -> float:
    return segment.y0 + CORE * (segment.y1 - segment.y0)


def _run(bands: list[list[Segment]], whites: list[list[Gap]], start: int) -> tuple[int, Gap | None]:
    """Return where the run of bands with a common gutter ends, and the widest such gutter."""
    least = GUTTER * median(segment.size for segment in bands[start])
    gaps = EVERYWHERE
    end = start
    best: Gap | None = None
    for white in islice(whites, start, start + LONGEST_RUN):
        gaps = [gap for gap in _shared(gaps, white) if gap[1] - gap[0] >= least]
        inner = _inner(gaps)
        if not gaps or (best is not None and inner is None):
            break
        best = inner
        end += 1
        if best is None and end - start >= LONE_BANDS:
            break
    return max(end, start + 1), best


def _inner(gaps: list[Gap]) -> Gap | None:
    """Return the widest gap that has text on both sides, or None."""
    finite = [gap for gap in gaps if gap[0] > float("-inf") and gap[1] < float("inf")]
    if not finite:
        return None
    return max(finite, key=lambda gap: gap[1] - gap[0])


def _white(band: list[Segment]) -> list[Gap]:
    gaps: list[Gap] = []
    right = float("-inf")
    for segment in sorted(band, key=attrgetter("x0")):
        if segment.x0 > right:
            gaps.append((right, segment.x0))
        right = max(right, segment.x1)
    gaps.append((right, float("inf")))
    return gaps


def _shared(some: list[Gap], others: list[Gap]) -> list[Gap]:
    shared: list[Gap] = []
    i = j = 0
    while i < len(some) and j < len(others):
        start, end = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if start < end:
            shared.append((start, end))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return shared


def _parted(run: list[Segment], gutter: Gap) -> tuple[list[Segment], list[Segment]]:
    left = [segment for segment in run if segment.x1 <= gutter[0]]
    return left, [segment for segment in run if segment.x1 > gutter[0]]


def _are_columns(run: list[Segment], gutter: Gap, tokens: Sequence[Token]) -> bool:
    left, right = (rows_of(side) for side in _parted(run, gutter))
    if min(len(left), len(right)) < 2:
        return False
    if _are_labelled(right, tokens) and not _have_labels_last(left, tokens):
        return True  # labels with their values on the right need no label from the left
    if _facing(left, right) <= ALIGNED * min(len(left), len(right)):
        return True
    return min(len(left), len(right)) > 2 and _is_prose(left) and _is_prose(right)


def _are_labelled(rows: list[Row], tokens: Sequence[Token]) -> bool:
    """Tell whether most rows are a label that ends in a colon and a value after it."""
    labelled = 0
    for row in rows:
        words = [tokens[word].text for segment in row for word in segment.words]
        labelled += any(word.endswith(":") for word in words[:-1])
    return 2 * labelled > len(rows)


def _have_labels_last(rows: list[Row], tokens: Sequence[Token]) -> bool:
    return any(row[-1].words and tokens[row[-1].words[-1]].text.endswith(":") for row in rows)


def _facing(left: list[Row], right: list[Row]) -> int:
    """Count the rows that have a row of the other side on their own baseline."""
    count = i = j = 0
    while i < len(left) and j < len(right):
        here, there = left[i][0], right[j][0]
        if abs(here.y1 - there.y1) <= 0.25 * max(here.size, there.size):
            count, i, j = count + 1, i + 1, j + 1
        elif here.y1 < there.y1:
            i += 1
        else:
            j += 1
    return count


def _is_prose(rows: list[Row]) -> bool:
    start = min(row[0].x0 for row in rows)
    width = max(row[-1].x1 for row in rows) - start
    size = median(row[0].size for row in rows)
    full = sum(len(row) == 1 and row[0].x1 - row[0].x0 >= FULL_WIDTH * width for row in rows)
    return width >= PROSE_WIDTH * size and full >= FULL_ROWS * len(rows)
