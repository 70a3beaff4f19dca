"""Read rows of text that is set in columns but was not found to be a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from affidavit.engine.stages.fields.view import Segment
from affidavit.engine.stages.passages.row import Cell, Row

LEAST_COLUMNS = 3  # two columns are pairs
FARTHEST_HEADER = 60  # rows above


def loose_rows(rows: Sequence[Sequence[Segment]]) -> Iterator[Row]:
    """Yield the rows with values in three columns and more, under the last row of words above them."""
    header: Sequence[Segment] = ()
    since = 0
    for row in rows:
        since += 1
        if len(row) < LEAST_COLUMNS:
            continue
        if not any(char.isdigit() for segment in row for char in segment.text):
            header, since = row, 0
            continue
        names = header if since <= FARTHEST_HEADER and header and header[0].page == row[0].page else ()
        cells = tuple(Cell(_over(names, segment), segment) for segment in row)
        tokens = tuple(token for segment in row for token in segment.tokens)
        yield Row(Segment(page=row[0].page, row=-1, tokens=tokens), cells)


def _over(names: Sequence[Segment], segment: Segment) -> str:
    best = max(names, key=lambda name: _overlap(name, segment), default=None)
    return best.text if best is not None and _overlap(best, segment) > 0 else ""


def _overlap(one: Segment, other: Segment) -> float:
    return min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
