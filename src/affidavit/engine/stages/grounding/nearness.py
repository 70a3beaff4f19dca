"""Choose the right one of many places: in the quote, beside the label, in the row of the other values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from affidavit.engine.result import Citation
from affidavit.engine.schema import Leaf
from affidavit.engine.stages.fields.labels import Hit, Phrases, labels_in, phrases_of
from affidavit.engine.stages.fields.plans import Plan, plan_leaf
from affidavit.engine.stages.fields.view import Segment, union
from affidavit.engine.stages.grounding.spelling import Run, runs_spelling
from affidavit.engine.stages.grounding.words import NO_ROW, Words

IN_QUOTE = 8.0
BY_LABEL = 3.0
IN_ROW = 3.0
CLOSE_ROWS = 3  # that an item may take
CLOSE = 0.5  # of being in the row
SAME_PAGE = 0.1
ON_PAGE_ASKED = 2.0
AFTER_ANCHOR = 1.0
UNDER = 0.8  # of a label that stands beside the value
ROWS_ABOVE = 4  # in which a label is looked for
FADING = 0.8  # a row


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of the place of a value: a quote's words, the item's other values, and the leaf's own."""

    quoted: frozenset[int] = frozenset()
    near: tuple[Citation, ...] = ()
    leaf: Leaf | None = None

    @property
    def pages(self) -> frozenset[int]:
        """The pages where the value should stand, as far as others tell."""
        return frozenset(each.page for each in self.near)


@dataclass
class Nearness:
    """Judges places in one document. What labels stand where is found once for a leaf."""

    words: Words
    _labels: dict[str, tuple[Plan, Phrases]] = field(default_factory=dict)
    _hits: dict[tuple[str, int], list[Hit]] = field(default_factory=dict)
    _anchors: dict[str, int | None] = field(default_factory=dict)

    def of(self, run: Run, clues: Clues) -> float:
        """Return how much speaks for the value standing here; 0 when nothing does."""
        score = 0.0
        if clues.quoted:
            score += IN_QUOTE * sum(each in clues.quoted for each in run) / len(run)
        if clues.near:
            score += IN_ROW * sum(self._closeness(run, each) for each in clues.near) / len(clues.near)
        if clues.leaf is not None:
            score += self._by_leaf(run, clues.leaf)
        return score

    def label_of(self, segment: Segment, leaf: Leaf) -> float:
        """Return how strongly a label of the leaf stands in the segment."""
        return max(
            (each.strength(self._plan(leaf)[0].keys) for each in self._labels_in(segment, leaf)), default=0
        )

    def _closeness(self, run: Run, other: Citation) -> float:
        token = self.words.tokens[run[0]]
        if token.page != other.page:
            return 0.0
        others = self.words.positions_of(other.words)
        if not others:
            return SAME_PAGE
        rows = {self.words.segment_of(each).row for each in others}
        if NO_ROW in rows or any(self.words.segment_of(each).row == NO_ROW for each in run):
            return SAME_PAGE
        apart = min(abs(self.words.segment_of(each).row - row) for each in run for row in rows)
        if apart == 0 or self._in_table_row(run, others):
            return 1.0
        return CLOSE / apart if apart <= CLOSE_ROWS else SAME_PAGE

    def _in_table_row(self, run: Run, others: Sequence[int]) -> bool:
        rows = {row for each in run for row in self.words.table_rows(each)}
        return any(row in rows for each in others for row in self.words.table_rows(each))

    def _by_leaf(self, run: Run, leaf: Leaf) -> float:
        page_count = self.words.view.document.page_count
        score = BY_LABEL * self._by_label(run, leaf)
        if leaf.pages and leaf.may_be_on(self.words.tokens[run[0]].page, page_count):
            score += ON_PAGE_ASKED
        if leaf.anchor:
            anchor = self._anchor(leaf.anchor)
            score += AFTER_ANCHOR if anchor is not None and run[0] > anchor else 0.0
        return score

    def _by_label(self, run: Run, leaf: Leaf) -> float:
        segment = self.words.segment_of(run[0])
        if segment.row == NO_ROW:
            return 0.0
        first = self.words.tokens[run[0]]
        strength = self._beside(segment, first.box[0], leaf)
        box = union(self.words.tokens[each].box for each in run)
        for up in range(1, ROWS_ABOVE + 1):
            number = segment.row - up
            if number < 0 or self.words.view.rows[number].page != segment.page:
                break
            for other in self.words.view.rows[number].segments:
                if min(box[2], other.box[2]) > max(box[0], other.box[0]):
                    strength = max(strength, UNDER * FADING ** (up - 1) * self.label_of(other, leaf))
        return strength

    def _beside(self, segment: Segment, left: float, leaf: Leaf) -> float:
        """Return the strength of the leaf's nearest label to the left, in the segment or the row."""
        row = self.words.view.rows[segment.row]
        keys = self._plan(leaf)[0].keys
        distance = 1.0
        for other in sorted(row.segments, key=lambda other: -other.box[0]):
            hits = [each for each in self._labels_in(other, leaf) if each.box[0] < left]
            for hit in sorted(hits, key=lambda hit: -hit.box[0]):
                if hit.strength(keys):
                    return hit.strength(keys) * distance
                distance *= FADING
        return 0.0

    def _labels_in(self, segment: Segment, leaf: Leaf) -> list[Hit]:
        plan, phrases = self._plan(leaf)
        key = (plan.key, id(segment))
        if key not in self._hits:
            self._hits[key] = labels_in(segment, phrases)
        return self._hits[key]

    def _plan(self, leaf: Leaf) -> tuple[Plan, Phrases]:
        key = "\0".join(leaf.path)
        if key not in self._labels:
            plan = plan_leaf(leaf)
            self._labels[key] = plan, phrases_of([plan])
        return self._labels[key]

    def _anchor(self, text: str) -> int | None:
        if text not in self._anchors:
            self._anchors[text] = min((run[0] for run in runs_spelling(self.words, text)), default=None)
        return self._anchors[text]
