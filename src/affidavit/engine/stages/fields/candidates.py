"""Pair leaves with values: every value that a label of the leaf points at, and how surely."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from affidavit.engine.schema import Leaf
from affidavit.engine.stages.fields.addresses import grown_address
from affidavit.engine.stages.fields.choices import choice_spans, ticked_before, ticked_texts
from affidavit.engine.stages.fields.labels import BREAKS, PROSE, Hit
from affidavit.engine.stages.fields.lexicon import PERIOD_END, PERIOD_START, Kind
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span, Spans, convert
from affidavit.engine.stages.fields.view import Segment, View
from affidavit.engine.stages.values.folding import fold

BELOW_ROWS = 4  # how far under a label its value may stand: rows
BELOW_HEIGHTS = 5.0  # and word heights
MIN_SCORE = 0.2
KEPT = 8  # candidates per leaf
_GROUPS = re.compile(r"[\s:]*(?P<number>\d{2,6}(?: \d{2,6}){1,7})\s*")
PAGE_DIGITS = 3  # of the number of a page
CAPTIONED = 0.95  # of a value over its caption
BOX_CHARS = 3  # of a check box, as in [x]
WORDY = frozenset({Kind.TEXT, Kind.PARTY, Kind.STREET, Kind.CITY, Kind.ADDRESS})
NO_NAME = 0.3
PARTY_LABEL = 0.75  # what stands by a party's label may also be its number or its street
WEAK_LABEL = 0.85  # under it a label may also mean something else
TITLED = 0.95  # a weak label behind the title that completes it
MIN_TITLE = 5  # letters
LARGER_VALUE = 1.2  # than its label in the corner of a box
FREE_TEXT_FIT = 0.8  # any words fit a text; a label must do the proving


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that may fill a leaf. `score` is 0 to 1: label, place and type taken together."""

    span: Span
    score: float
    label: Hit | None = None


class Finder:
    """Looks for values beside and below labels in one document."""

    def __init__(self, view: View, spans: Spans, hits: Sequence[Hit], blocked_rows: frozenset[int]) -> None:
        self._view = view
        self._spans = spans
        self._hits = hits
        self._blocked_rows = blocked_rows
        self._rows = {row.number: row for row in view.rows}
        self._labelled: dict[int, list[Hit]] = {}
        for hit in hits:
            self._labelled.setdefault(id(hit.segment), []).append(hit)

    def candidates(self, plan: Plan) -> list[Candidate]:
        """Return the best candidates for a leaf, best first, one per place."""
        best: dict[tuple[str, int], Candidate] = {}
        keys = plan.keys
        for hit in self._hits:
            if hit.strength(keys) <= 0:
                continue
            strength = self._strength(hit, plan)
            for span, place in self._near(hit, plan):
                score = strength * place * span.fit * self._penalty(span) * reading_confidence(span)
                known = best.get(span.place)
                if score >= MIN_SCORE and (known is None or score > known.score):
                    best[span.place] = Candidate(span, score, hit)
        fitting = [each for each in best.values() if fits(each.span, plan.leaf)]
        return sorted(fitting, key=lambda each: -each.score)[:KEPT]

    def _strength(self, hit: Hit, plan: Plan) -> float:
        """Return how strongly a label means the leaf; `Invoice ... No.` in one row says it together."""
        strength = hit.strength(plan.keys)
        if plan.party and plan.party in plan.keys and hit.keys.get(plan.party, 0.0) >= strength:
            strength *= PARTY_LABEL
        if not 0 < strength < WEAK_LABEL or plan.concept is None:
            return strength
        row = self._rows[hit.segment.row]
        before = [segment.text for segment in row.segments if segment.box[2] < hit.segment.box[0]]
        words = (
            fold(" ".join([*before, hit.segment.text[: hit.start]]))
            .replace("(", " ")
            .replace(")", " ")
            .split()
        )
        titles = [label for label in plan.concept.weak if len(label) >= MIN_TITLE]
        if any(word.endswith(title) for word in words for title in titles):
            return TITLED
        return strength

    def _penalty(self, span: Span) -> float:
        return 0.45 if span.segment.row in self._blocked_rows else 1.0

    def _near(self, hit: Hit, plan: Plan) -> Iterator[tuple[Span, float]]:
        if plan.kind is Kind.BOOLEAN:
            boxed = self._box_before(hit)
            if boxed:
                yield boxed, 1.0
                return
        if plan.kind in WORDY and not _may_announce(hit):
            return
        if _is_caption(hit):
            yield from self._above(hit, plan)
        beside = list(self._beside(hit, plan))
        yield from beside
        if hit.segment.row not in self._blocked_rows:
            factor = 0.6 if beside else 1.0
            for span, place in self._below(hit, plan):
                yield span, place * factor

    def _box_before(self, hit: Hit) -> Span | None:
        """Return the check box before a label, in its segment or alone to the left of it."""
        own = ticked_before(hit.segment, hit.start)
        left = self._left_of(hit) if own is None and hit.start <= 1 else None
        return own or (ticked_before(left, len(left.text)) if left else None)

    def _left_of(self, hit: Hit) -> Segment | None:
        """Return the segment to the left of a label if it holds no words, as a box does."""
        row = self._rows[hit.segment.row]
        before = [segment for segment in row.segments if segment.box[2] <= hit.segment.box[0]]
        return before[-1] if before and not any(len(t.text) > BOX_CHARS for t in before[-1].tokens) else None

    def _beside(self, hit: Hit, plan: Plan) -> Iterator[tuple[Span, float]]:
        place = 1.0
        is_label_still = plan.kind in WORDY and not hit.has_colon and _goes_on(hit)
        for span in () if is_label_still else self._values(hit.segment, plan, hit.value_start):
            yield span, place if self._is_next(hit, span) else place * 0.85
            place *= 0.7
        if place < 1.0 and plan.kind is not Kind.MONEY:
            return
        place = 0.95
        for segment in self._right_of(hit):
            if plan.kind in WORDY and not hit.has_colon and self._is_label(segment):
                return  # labels side by side, each over its own value
            if self._starts_with_label(segment) and not self._spans.of(segment, plan.kind):
                place *= 0.35
            for span in self._values(segment, plan, 0):
                yield span, place
                place *= 0.85
            place *= 0.9

    def _below(self, hit: Hit, plan: Plan) -> Iterator[tuple[Span, float]]:
        height = self._view.heights[hit.segment.page]
        place = 0.9
        for number in range(hit.segment.row + 1, hit.segment.row + 1 + BELOW_ROWS):
            row = self._rows.get(number)
            if (
                row is None
                or row.page != hit.segment.page
                or row.box[1] - hit.box[3] > BELOW_HEIGHTS * height
            ):
                return
            for segment in row.segments:
                if not _is_under(hit, segment, height):
                    continue
                if self._starts_with_label(segment) and not _is_small_print(hit, segment):
                    place *= 0.4
                for span in self._values(segment, plan, 0):
                    yield span, place
                place *= 0.75

    def _above(self, hit: Hit, plan: Plan) -> Iterator[tuple[Span, float]]:
        """Yield the values over a caption in brackets, as forms print them under a line."""
        height = self._view.heights[hit.segment.page]
        row = self._rows.get(hit.segment.row - 1)
        if row is None or row.page != hit.segment.page or hit.box[1] - row.box[3] > BELOW_HEIGHTS * height:
            return
        for segment in row.segments:
            if _is_under(hit, segment, height):
                for span in self._values(segment, plan, 0):
                    yield span, CAPTIONED

    def _right_of(self, hit: Hit) -> list[Segment]:
        row = self._rows[hit.segment.row]
        return [segment for segment in row.segments if segment.box[0] > hit.segment.box[0]]

    def _starts_with_label(self, segment: Segment) -> bool:
        return any(hit.start <= 1 for hit in self._labelled.get(id(segment), ()))

    def _is_label(self, segment: Segment) -> bool:
        hits = self._labelled.get(id(segment), ())
        return any(hit.start == 0 and hit.end == len(segment.text) for hit in hits)

    def _is_next(self, hit: Hit, span: Span) -> bool:
        between = span.segment.text[hit.value_start : span.start]
        return not any(char.isalnum() for char in between)

    def _values(self, segment: Segment, plan: Plan, start: int) -> Iterator[Span]:
        if plan.kind in (Kind.CHOICE, Kind.BOOLEAN):
            found: Sequence[Span] = choice_spans(segment, plan.leaf, start)
        elif plan.kind is Kind.CODE and (grouped := _digit_groups(segment, start)):
            found = (grouped,)
        elif self._spans.has_grammar(plan.kind):
            found = self._spans.of(segment, plan.kind)
            found = _end_of_range(found, start, plan) if plan.kind is Kind.DATE else found
        elif plan.kind is Kind.ADDRESS:
            address = grown_address(self._view, segment, start, self._starts_with_label)
            yield from (address,) if address else ()
            return
        else:
            found = self._texts(segment, start)
        for span in found:
            if span.start >= start:
                yield _as_name(span) if plan.kind is Kind.PARTY else _as_text(span, plan)

    def _texts(self, segment: Segment, start: int) -> list[Span]:
        """Return what is left of a segment, up to the next label in it, as one value.

        Words before a label with a colon belong to that label, unless they follow another one.
        """
        ticked = ticked_texts(segment, start)
        if ticked is not None:
            return ticked
        ends = [
            hit.start for hit in self._labelled.get(id(segment), ()) if hit.start > start and hit.has_colon
        ]
        if ends and start == 0:
            return []
        text = segment.text[start : min(ends, default=len(segment.text))]
        body = text.strip(" \t:;,|-\u2013")
        if not any(char.isalnum() for char in body):
            return []
        at = start + text.index(body)
        return [Span(segment, at, at + len(body), body, FREE_TEXT_FIT)]


def fits(span: Span, leaf: Leaf) -> bool:
    """Tell whether the value can be written as the leaf's type and is one of its choices."""
    value = convert(span.value, leaf, span.text)
    return value is not None and (not leaf.enum or value in leaf.enum)


def reading_confidence(span: Span) -> float:
    """Return how surely the words of a value were read: the least sure of them."""
    return math.sqrt(min((token.word.confidence for token in span.tokens), default=0.0))


def lowered(candidate: Candidate, factor: float) -> Candidate:
    """Return the candidate with its score times `factor`, at most 1."""
    return replace(candidate, score=min(1.0, candidate.score * factor))


def _digit_groups(segment: Segment, start: int) -> Span | None:
    """Return all that follows as one number, if it is nothing but groups of digits: 8841 2231 90."""
    match = _GROUPS.fullmatch(segment.text, start)
    return Span(segment, *match.span("number"), match["number"], 1.0) if match else None


def _end_of_range(found: Sequence[Span], start: int, plan: Plan) -> Sequence[Span]:
    """Of two dates behind a label return the one that the leaf asks for: where a period starts or ends."""
    behind = [span for span in found if span.start >= start]
    key = plan.concept.key if plan.concept else ""
    if len(behind) != 2 or key not in (PERIOD_START, PERIOD_END):
        return found
    return behind[:1] if key == PERIOD_START else behind[1:]


def _is_caption(hit: Hit) -> bool:
    """Tell whether a label stands in brackets that are all of its segment."""
    return hit.segment.text.startswith("(") and hit.segment.text.endswith(")")


def _may_announce(hit: Hit) -> bool:
    """Tell whether free text may follow a label: not when it is a word in the middle of a sentence."""
    if hit.has_colon or _is_caption(hit):
        return True
    before = hit.segment.text[: hit.start].rstrip()
    return len(hit.segment.tokens) < PROSE and (not before or before[-1] in BREAKS)


def _is_small_print(hit: Hit, segment: Segment) -> bool:
    """Tell whether a label is set smaller than what stands under it, as in the boxes of forms."""
    label, value = (median(t.box[3] - t.box[1] for t in each.tokens) for each in (hit.segment, segment))
    return value >= LARGER_VALUE * label


def _goes_on(hit: Hit) -> bool:
    """Tell whether the words behind a label without a colon still belong to it: Street and number."""
    rest = hit.segment.text[hit.value_start :].lstrip()
    return bool(rest) and (rest[0].islower() or rest[0] in "/(&,")


def _as_name(span: Span) -> Span:
    """Lower the fit of what no one is called: addresses of mail and numbers."""
    letters = sum(char.isalpha() for char in span.text)
    is_name = "@" not in span.text and not span.text.startswith("(") and letters * 2 > len(span.text)
    return span if is_name else replace(span, fit=span.fit * NO_NAME)


def _as_text(span: Span, plan: Plan) -> Span:
    """Lower the fit of a bare number far from a text's label, such as a page in a table of contents."""
    is_apart = plan.kind is Kind.TEXT and span.start == 0 and span.text.isdigit()
    is_apart = is_apart and len(span.text) <= PAGE_DIGITS
    return replace(span, fit=span.fit * NO_NAME) if is_apart else span


def _is_under(hit: Hit, segment: Segment, height: float) -> bool:
    """Tell whether a segment overlaps the label's column, or starts or ends with it."""
    overlap = min(hit.box[2], segment.box[2]) - max(hit.box[0], segment.box[0])
    return overlap > 0 or abs(hit.box[0] - segment.box[0]) < height
