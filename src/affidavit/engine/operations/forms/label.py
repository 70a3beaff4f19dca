"""Find the words beside a field that say what it is for."""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.engine.operations.shapes.forms import FieldType
from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.fields.view import Segment, Token, View, split_at_gaps

FARTHEST_BESIDE = 220.0  # points between a field and a label in its row
FARTHEST_ABOVE = 3.0  # word heights
MOST_ASKED = 1_000
LONGEST = 12  # words; more is a sentence about something else
INSIDE = 0.5  # of a word, from which on it is a field's value and no label

_MARKED = frozenset({FieldType.CHECKBOX, FieldType.RADIO})


class Labels:
    """The words of one page that are in no field, in rows."""

    def __init__(self, view: View, page: int, boxes: Sequence[BoundingBox]) -> None:
        self._height = view.heights.get(page, 10.0)
        self._boxes = boxes
        self._asked = 0
        self._segments = [
            Segment(page=page, row=row.number, tokens=part)
            for row in view.rows
            if row.page == page
            for part in split_at_gaps([t for t in row.tokens if not self._in_field(t)], self._height)
        ]

    def beside(self, box: BoundingBox, kind: FieldType) -> tuple[Token, ...]:
        """Return the words of the label: left of a field or over it; right of a box to tick.

        None once MOST_ASKED boxes were asked about: a page with more is no form.
        """
        self._asked += 1
        if self._asked > MOST_ASKED:
            return ()
        places = (
            (self._right, self._left, self._above)
            if kind in _MARKED
            else (self._left, self._above, self._right)
        )
        for place in places:
            found = place(box)
            if found is not None:
                return found.tokens[-LONGEST:] if place == self._left else found.tokens[:LONGEST]
        return ()

    def _in_field(self, token: Token) -> bool:
        x0, y0, x1, y1 = token.box
        area = max((x1 - x0) * (y1 - y0), 1e-6)
        return any(
            max(0.0, min(x1, box[2]) - max(x0, box[0])) * max(0.0, min(y1, box[3]) - max(y0, box[1]))
            > INSIDE * area
            for box in self._boxes
        )

    def _left(self, box: BoundingBox) -> Segment | None:
        return self._nearest(
            box, [each for each in self._in_row(box) if each.box[2] <= box[0] + 2], to_left=True
        )

    def _right(self, box: BoundingBox) -> Segment | None:
        return self._nearest(
            box, [each for each in self._in_row(box) if each.box[0] >= box[2] - 2], to_left=False
        )

    def _nearest(self, box: BoundingBox, found: Sequence[Segment], *, to_left: bool) -> Segment | None:
        best = min(found, key=lambda each: _gap(each.box, box), default=None)
        if best is None or _gap(best.box, box) > FARTHEST_BESIDE:
            return None
        first, last = (best.box[2], box[0]) if to_left else (box[2], best.box[0])
        between = (each for each in self._boxes if each != box and _share(each, box) > 0.3)
        return None if any(each[0] >= first - 2 and each[2] <= last + 2 for each in between) else best

    def _above(self, box: BoundingBox) -> Segment | None:
        over = [
            each
            for each in self._segments
            if -2 <= box[1] - each.box[3] <= FARTHEST_ABOVE * self._height
            and min(each.box[2], box[2]) > max(each.box[0], box[0])
        ]
        return max(over, key=lambda each: each.box[3], default=None)

    def _in_row(self, box: BoundingBox) -> list[Segment]:
        return [each for each in self._segments if _share(each.box, box) > 0.3]


def _share(one: BoundingBox, other: BoundingBox) -> float:
    """Return how much of the lower of two boxes lies beside the other."""
    overlap = min(one[3], other[3]) - max(one[1], other[1])
    return overlap / max(min(one[3] - one[1], other[3] - other[1]), 1e-6)


def _gap(one: BoundingBox, other: BoundingBox) -> float:
    return max(one[0] - other[2], other[0] - one[2], 0.0)


def spelled(tokens: Sequence[Token]) -> str | None:
    """Return a label as text, without the colon, mark or blanks to write on around it."""
    text = " ".join(token.text for token in tokens).strip(" :*_.\u2026\uff1a")
    return text or None
