"""Find the texts near which a caller says that values stand."""

from __future__ import annotations

from collections.abc import Mapping

from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.view import Segment, View

NEAR_ROWS = 25  # after the anchor: a section of a page
FAR, BEFORE = 0.7, 0.4  # of a score


class Anchors:
    """Where anchors stand in one document."""

    def __init__(self, view: View) -> None:
        self._rows = {
            row.number: label_key(" ".join(part.text for part in row.segments)) for row in view.rows
        }
        self._found: dict[str, tuple[int, ...]] = {}

    def nearness(self, anchor: str, segment: Segment) -> float:
        """Return what is left of a score: all of it in the rows after the anchor, little before it.

        An anchor that the document does not have says nothing.
        """
        rows = self._rows_of(anchor)
        if not rows:
            return 1.0
        after = [segment.row - row for row in rows if row <= segment.row]
        if not after:
            return BEFORE
        return 1.0 if min(after) <= NEAR_ROWS else FAR

    def _rows_of(self, anchor: str) -> tuple[int, ...]:
        if anchor not in self._found:
            self._found[anchor] = _containing(label_key(anchor), self._rows)
        return self._found[anchor]


def _containing(wanted: str, rows: Mapping[int, str]) -> tuple[int, ...]:
    return tuple(number for number, text in rows.items() if wanted and wanted in text)
