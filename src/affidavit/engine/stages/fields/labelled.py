"""Read values beside their labels: in what stands over a table, and in blocks that repeat their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.cell import CellReader
from affidavit.engine.stages.fields.entries import Entry, Found, Record, found
from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import Segment, View

CLEAR = 0.6  # of a label that stands alone for a property
LEAST_BLOCKS = 2
LEAST_VALUES = 2  # of a block
SHARE = 0.5  # of the properties that the fullest block has
WORTH = 0.7  # of a value in a block, beside one in a table's column
MOST_HITS = 20_000


class LabelReader:
    """Reads the values that labels announce: behind the label, else right of it, else under it."""

    def __init__(self, view: View, reader: CellReader, hits: Sequence[Hit]) -> None:
        self._view = view
        self._reader = reader
        self._hits = sorted(hits, key=lambda hit: (hit.segment.row, hit.segment.box[0], hit.start))
        self._by_key: dict[str, list[tuple[int, float]]] = {}
        for at, hit in enumerate(self._hits[:MOST_HITS]):
            for key, strength in hit.keys.items():
                if strength >= CLEAR:
                    self._by_key.setdefault(key, []).append((at, strength))
        self._labelled = {id(hit.segment) for hit in hits if hit.start == 0}
        self._rows = {row.number: row for row in view.rows}

    def between(self, plans: Sequence[Plan], first: int, last: int) -> Record:
        """Return what is labelled in the rows from `first` up to `last`, the nearest to the last."""
        record: Record = {}
        for plan, candidate in self._labelled_values(plans, first, last):
            record[plan.key] = candidate
        return record

    def blocks(self, plans: Sequence[Plan], taken: frozenset[int]) -> Found | None:
        """Return the items of blocks that repeat the same labels, outside the rows that tables take."""
        blocks: list[Record] = []
        for plan, candidate in self._labelled_values(plans, 0, len(self._view.rows)):
            if candidate.span.segment.row in taken or (
                candidate.label and candidate.label.segment.row in taken
            ):
                continue
            if not blocks or plan.key in blocks[-1]:
                blocks.append({})
            blocks[-1][plan.key] = candidate
        least = max(LEAST_VALUES, SHARE * max(map(len, blocks), default=0))
        kept = [block for block in blocks if len(block) >= least]
        if len(kept) < LEAST_BLOCKS or 2 * len(kept) < len(blocks):
            return None
        rows = frozenset(each.span.segment.row for block in kept for each in block.values())
        return found((Entry(block) for block in kept), rows, WORTH)

    def _labelled_values(
        self, plans: Sequence[Plan], first: int, last: int
    ) -> Iterator[tuple[Plan, Candidate]]:
        meant: dict[int, tuple[float, Plan]] = {}
        for plan in plans:
            for at, strength in (each for key in plan.keys for each in self._by_key.get(key, ())):
                known = meant.get(at, (0.0, plan))
                meant[at] = max(known, (strength, plan), key=lambda each: each[0])
        for at in sorted(meant):
            (strength, plan), hit = meant[at], self._hits[at]
            span = next(self._values(hit, plan), None) if first <= hit.segment.row < last else None
            if span is not None:
                yield plan, Candidate(span, strength * span.fit * reading_confidence(span), hit)

    def _values(self, hit: Hit, plan: Plan) -> Iterator[Span]:
        """Yield what stands behind a label's colon, else right of a label that stands alone."""
        is_alone = hit.start == 0 and not hit.segment.text[hit.value_start :].strip()
        if hit.has_colon and not is_alone:
            places = [(hit.segment, hit.value_start)]
        elif is_alone:
            places = [(segment, 0) for segment in self._right_of(hit)]
        else:
            return
        for segment, start in places:
            yield from self._in(segment, start, plan)

    def _in(self, segment: Segment, start: int, plan: Plan) -> Iterator[Span]:
        for span in self._reader.values_after(segment, start, plan):
            if fits(span, plan.leaf):
                yield span

    def _right_of(self, hit: Hit) -> list[Segment]:
        row = self._rows[hit.segment.row]
        after = [segment for segment in row.segments if segment.box[0] > hit.segment.box[0]]
        return [segment for segment in after[:1] if id(segment) not in self._labelled]
