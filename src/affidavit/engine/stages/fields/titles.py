"""Find the title of a document: the largest text at the head of its first page."""

from __future__ import annotations

from statistics import median

from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import Row, Segment, View

HEAD = 0.5  # of the page
LARGER = 1.15  # than the page's words
ALIKE = 0.12  # by which heights of one title differ
PITCH = 2.6  # of its own height, between the lines of a title
MOST_LINES = 4


def find_title(view: View) -> Span | None:
    """Return the title, over several lines if it needs them; None where no text stands out."""
    rows = [row for row in view.rows if row.page == view.rows[0].page and _may_be_title(view, row)]
    if not rows:
        return None
    largest = max(_height(row) for row in rows)
    if largest < LARGER * median(t.box[3] - t.box[1] for t in view.tokens[rows[0].page]):
        return _capitals(rows[0])
    lines: list[Row] = []
    for row in rows:
        is_large = _height(row) >= (1 - ALIKE) * largest
        is_next = not lines or row.box[1] - lines[-1].box[1] <= PITCH * largest
        if is_large and is_next and len(lines) < MOST_LINES:
            lines.append(row)
        elif lines:
            break
    segment = Segment(lines[0].page, lines[0].number, tuple(token for row in lines for token in row.tokens))
    return Span(segment, 0, len(segment.text), segment.text, 1.0)


def _capitals(row: Row) -> Span | None:
    """Return a first line that is set in capitals, as titles are where all text is of one size."""
    segment = row.segments[0]
    return Span(segment, 0, len(segment.text), segment.text, 0.8) if segment.text.isupper() else None


def _may_be_title(view: View, row: Row) -> bool:
    text = " ".join(segment.text for segment in row.segments)
    is_text = sum(char.isalpha() for char in text) > max(3, len(text) // 2)
    is_flat = row.box[2] - row.box[0] > row.box[3] - row.box[1]
    return row.box[1] < HEAD * view.pages[row.page].height and is_text and is_flat and len(row.segments) == 1


def _height(row: Row) -> float:
    return median(token.box[3] - token.box[1] for token in row.tokens)
