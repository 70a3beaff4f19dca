"""Find the words on the pages that a value came from, when it came without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from rapidfuzz import fuzz

from affidavit.engine.result import Citation, Document, Match
from affidavit.engine.schema import Leaf
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.plans import plan_leaf
from affidavit.engine.stages.fields.spans import Span, Spans, convert
from affidavit.engine.stages.fields.view import Token, View
from affidavit.engine.stages.values.folding import fold, squash

FUZZY = 85  # of 100; under it two different words of eight letters can meet
MAX_WORDS = 200  # in a quote that is looked for


def locate(value: Any, leaf: Leaf, document: Document, near: str | None = None) -> Citation | None:
    """Return where `value` stands in the document, or None when it is not there.

    Looks for the value as it is, then normalized by the leaf's type (119.0 finds `119,00 EUR`), then
    by likeness, which reads over single wrong letters of OCR. `near` is a quote that the value came
    with: of several places, the one inside the quote is taken; else the first.
    """
    return Locator(View(document)).locate(value, leaf, near)


class Locator:
    """Finds many values in one document."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._spans = Spans(view)
        self._streams = [_Stream(tokens) for tokens in view.tokens.values() if tokens]

    def locate(self, value: Any, leaf: Leaf, near: str | None = None) -> Citation | None:
        """Return the citation of `value`; see the module's `locate`."""
        context = self._context(near)
        for match, places in (
            (Match.EXACT, self._exact(str(value))),
            (Match.NORMALIZED, self._normalized(value, leaf)),
            (Match.FUZZY, self._alike(str(value)) if isinstance(value, str) else iter(())),
        ):
            found = list(places)
            if found:
                return cite(self._view, _nearest(found, context), match)
        return None

    def _context(self, near: str | None) -> frozenset[str]:
        """Return the words of the quote, by id; empty when there is none or it cannot be found."""
        if not near:
            return frozenset()
        found = next(self._squashed(near), None) or next(self._alike(near), None)
        return frozenset(token.word.id for token in found or ())

    def _exact(self, text: str) -> Iterator[tuple[Token, ...]]:
        wanted = text.split()
        for stream in self._streams:
            for at in stream.places(wanted):
                yield stream.tokens[at : at + len(wanted)]

    def _normalized(self, value: Any, leaf: Leaf) -> Iterator[tuple[Token, ...]]:
        if isinstance(value, str):
            yield from self._squashed(value)
        kind = plan_leaf(leaf).kind
        kinds = {kind} if self._spans.has_grammar(kind) else set()
        if isinstance(value, int | float) and not isinstance(value, bool):
            kinds |= {Kind.MONEY, Kind.QUANTITY}
        for span in (span for kind in sorted(kinds) for span in self._spans.all(kind)):
            if _is_value(span, value, leaf):
                yield span.tokens

    def _squashed(self, text: str) -> Iterator[tuple[Token, ...]]:
        wanted = squash(text)
        for stream in self._streams:
            yield from stream.spelling(wanted)

    def _alike(self, text: str) -> Iterator[tuple[Token, ...]]:
        best: tuple[float, tuple[Token, ...]] = (FUZZY, ())
        for stream in self._streams:
            found = stream.most_alike(text, best[0])
            best = found or best
        if best[1]:
            yield best[1]


class _Stream:
    """The words of a page in reading order, with their letters on one string."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tuple(tokens)
        self._folded = [fold(token.text) for token in tokens]
        self._letters, self._starts = "", []
        for token in tokens:
            self._starts.append(len(self._letters))
            self._letters += squash(token.text)

    def places(self, wanted: Sequence[str]) -> Iterator[int]:
        texts = [token.text for token in self.tokens]
        for at in range(len(texts) - len(wanted) + 1):
            if wanted and texts[at] == wanted[0] and texts[at : at + len(wanted)] == list(wanted):
                yield at

    def spelling(self, wanted: str) -> Iterator[tuple[Token, ...]]:
        """Yield runs of whole words whose letters spell `wanted`, however they are spaced."""
        at = self._letters.find(wanted) if wanted else -1
        ends = {*self._starts, len(self._letters)}
        starts = set(self._starts)
        while at >= 0:
            if at in starts and at + len(wanted) in ends:
                yield self._between(at, at + len(wanted))
            at = self._letters.find(wanted, at + 1)

    def most_alike(self, text: str, least: float) -> tuple[float, tuple[Token, ...]] | None:
        """Return the run of words most like `text`, if it is more alike than `least` of 100."""
        wanted = squash(text)
        count = len(text.split())
        if len(wanted) < 4 or count > MAX_WORDS:
            return None
        found = fuzz.partial_ratio_alignment(wanted, self._letters, score_cutoff=least)
        if found is None or found.dest_end <= found.dest_start:
            return None
        tokens = self._between(found.dest_start, found.dest_end)
        score, tokens = max(
            (
                (_likeness(wanted, part), part)
                for part in (tokens, tokens[1:], tokens[:-1], tokens[1:-1])
                if part
            ),
            key=lambda each: each[0],
        )
        return (score, tokens) if score > least else None

    def _between(self, start: int, end: int) -> tuple[Token, ...]:
        return tuple(
            token
            for token, at, following in zip(
                self.tokens, self._starts, [*self._starts[1:], len(self._letters)], strict=True
            )
            if at < end and start < following
        )


def _likeness(wanted: str, tokens: Sequence[Token]) -> float:
    return fuzz.ratio(wanted, "".join(squash(token.text) for token in tokens))


def _is_value(span: Span, value: Any, leaf: Leaf) -> bool:
    found = convert(span.value, leaf, span.text)
    if isinstance(value, int | float) and isinstance(span.value, Decimal):
        return abs(float(span.value) - value) < 1e-9
    if isinstance(value, date):
        return bool(found == value.isoformat())
    return bool(found == value)


def _nearest(places: Sequence[tuple[Token, ...]], context: frozenset[str]) -> tuple[Token, ...]:
    return max(places, key=lambda tokens: sum(token.word.id in context for token in tokens) / len(tokens))
