"""See the running text of a document as paragraphs, whatever lines they are printed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import Row, Segment, View

PITCH = 1.75  # word heights from line to line of one paragraph
MOST_WORDS = 600_000  # of a document that are read as running text; 2,000 dense pages have about a million
MOST_IN_ONE = 600  # words of a paragraph; more is a page without paragraphs

_NUMBERED = re.compile(
    r"^(?:(?:article|section|clause|§|artikel)\s*)?\(?(?:\d{1,3}(?:\.\d{1,3})+|(?:\d{1,3}|[A-Za-z]|[IVXivx]{1,5})[.)])\s",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+(?=[A-Z\u00c0-\u00de\"\u201c(])")


@dataclass(frozen=True)
class Paragraph:
    """Lines that run on. `segment` holds all their words."""

    segment: Segment

    @cached_property
    def text(self) -> str:
        return self.segment.text

    def span(self, start: int, end: int, fit: float = 1.0) -> Span:
        """Return the value that is printed at `text[start:end]`."""
        return Span(self.segment, start, end, self.text[start:end], fit)

    def sentence_around(self, at: int) -> tuple[int, int]:
        """Return where the sentence around a place starts and ends."""
        start = 0
        for match in _SENTENCE_END.finditer(self.text):
            if match.start() >= at:
                return start, match.start()
            start = match.end()
        return start, len(self.text)


def paragraphs(view: View) -> list[Paragraph]:
    """Return the paragraphs of a document in order, as far as MOST_WORDS go."""
    found: list[Paragraph] = []
    words = 0
    for rows in _runs(view):
        tokens = tuple(token for row in rows for token in row.tokens)
        words += len(tokens)
        if words > MOST_WORDS:
            break
        found.append(Paragraph(Segment(rows[0].page, rows[0].number, tokens)))
    return found


def _runs(view: View) -> Iterator[list[Row]]:
    run: list[Row] = []
    words = 0
    for row in view.rows:
        if run and (not _goes_on(view, run[-1], row) or words > MOST_IN_ONE):
            yield run
            run, words = [], 0
        run.append(row)
        words += len(row.tokens)
    if run:
        yield run


def _goes_on(view: View, above: Row, row: Row) -> bool:
    """Tell whether a line continues the one above: close under it, and no new number or heading."""
    if above.page != row.page:
        return False
    if row.box[1] - above.box[1] > PITCH * view.heights[row.page] or len(row.segments) > 1:
        return False
    return _NUMBERED.match(row.segments[0].text) is None
