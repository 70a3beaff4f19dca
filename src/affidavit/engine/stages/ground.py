"""Find the words on the pages that a value came from, when it came without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property
from itertools import combinations
from math import prod
from typing import Any

from babel import Locale

from affidavit.engine.result import Citation, Document, Match
from affidavit.engine.schema import Leaf, LeafType
from affidavit.engine.stages.fields.choices import choice_spans
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.plans import plan_leaf
from affidavit.engine.stages.fields.spans import Spans
from affidavit.engine.stages.fields.view import View
from affidavit.engine.stages.grounding.likeness import runs_like
from affidavit.engine.stages.grounding.nearness import Clues, Nearness
from affidavit.engine.stages.grounding.numerals import Found, Numerals, moment_of
from affidavit.engine.stages.grounding.spelling import Run, is_printed_so, runs_spelling
from affidavit.engine.stages.grounding.words import Words
from affidavit.engine.stages.values.dates import LANGUAGES

MOST_PLACES = 300  # that are weighed by what stands around them
MOST_INPUTS = 12  # numbers in a quote from which a value may be reckoned
SPELLED = 0.2  # what another spelling of the same costs, where 1 is a label's worth of nearness
WORTH = 0.3  # of the cost of a reading against nearness
ROUNDING = Decimal("0.005")


def locate(
    document: Document,
    value: Any,
    *,
    leaf: Leaf | None = None,
    quote: str | None = None,
    near: Sequence[Citation] = (),
) -> Citation | None:
    """Return where `value` stands in the document, or None when it does not; see `Locator.locate`."""
    return Locator(View(document)).locate(value, leaf, quote=quote, near=near)


class Locator:
    """Finds many values in one document. Its words are indexed once; a search asks the index."""

    def __init__(self, view: View) -> None:
        self._view = view

    @classmethod
    def of(cls, document: Document) -> Locator:
        return cls(View(document))

    def locate(
        self, value: Any, leaf: Leaf | None = None, *, quote: str | None = None, near: Sequence[Citation] = ()
    ) -> Citation | None:
        """Return the citation of `value`, or None when the document does not print it.

        Looks for it as it is written, then in another spelling of the same (`119.0` is `119,00 EUR`), then
        misread by OCR. Of several places it takes the one inside `quote`, beside a label of `leaf`, in the
        row of `near`, the other values of its item; else the first.
        """
        quoted = self._quoted(quote)
        clues = Clues(frozenset(quoted or ()), tuple(near), leaf)
        if isinstance(value, bool):
            return self._boolean(value, clues, quoted)
        places = list(self._places(value, leaf))
        chosen = self._chosen([each for each in places if not each.misread] or places, clues)
        return self._cited(chosen, value) if chosen else None

    def quote(self, text: str, *, near: Sequence[Citation] = ()) -> Citation | None:
        """Return the citation of a phrase or a sentence."""
        places = list(self._text(text))
        chosen = self._chosen(
            [each for each in places if not each.misread] or places, Clues(near=tuple(near))
        )
        return self._cited(chosen, text) if chosen else None

    def inputs(self, value: float | Decimal, quote: str) -> tuple[Citation, ...]:
        """Return the numbers in `quote` whose sum, difference or product is `value`, () when there are none.

        For a number that is reckoned, not printed.
        """
        run = self._quoted(quote)
        if run is None:
            return ()
        numbers = self._numerals.values_in(run)[:MOST_INPUTS]
        for parts in _inputs(numbers, Decimal(str(value))):
            return tuple(self._cited(Found(part, SPELLED), None) for part in parts)
        return ()

    def _places(self, value: Any, leaf: Leaf | None) -> Iterator[Found]:
        match value:
            case int() | float() | Decimal():
                yield from self._number(value)
            case datetime():
                yield from self._moment(value.date(), value.time())
            case date():
                yield from self._moment(value, None)
            case str():
                yield from self._string(value, leaf)

    def _number(self, value: float | Decimal) -> Iterator[Found]:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return
        if number.is_finite() and abs(number.adjusted()) < 30:
            yield from self._numerals.numbers(number)

    def _string(self, value: str, leaf: Leaf | None) -> Iterator[Found]:
        moment = moment_of(value) if leaf is None or leaf.type is LeafType.STRING else None
        if moment:
            yield from self._moment(*moment)
        if leaf is not None and leaf.type in (LeafType.NUMBER, LeafType.INTEGER):
            yield from self._number_in(value)
        yield from self._text(value)
        if leaf is not None:
            yield from self._by_sign(value, leaf)

    def _number_in(self, value: str) -> Iterator[Found]:
        try:
            yield from self._number(Decimal(value.strip()))
        except InvalidOperation:
            return

    def _moment(self, day: date, clock: time | None) -> Iterator[Found]:
        yield from self._numerals.dates(day, clock, self._view.date_order)

    def _text(self, text: str) -> Iterator[Found]:
        found = False
        for run in runs_spelling(self._words, text):
            found = True
            yield Found(run, 0.0 if is_printed_so(self._words, run, text) else SPELLED)
        if not found:
            for run, cost in runs_like(self._words, text):
                yield Found(run, cost, misread=True)

    def _by_sign(self, value: str, leaf: Leaf) -> Iterator[Found]:
        """Yield where a currency stands by its sign, or a country by its name."""
        kind = plan_leaf(leaf).kind
        if kind is Kind.CURRENCY:
            for span in self._spans.all(Kind.CURRENCY):
                if span.value == value:
                    yield Found(self._run(span.tokens), SPELLED)
        if kind is Kind.COUNTRY:
            for name in _country_names(value):
                yield from (Found(run, SPELLED) for run in runs_spelling(self._words, name))

    def _boolean(self, value: object, clues: Clues, quoted: Run | None) -> Citation | None:
        """Return the yes, the no or the box beside the leaf's label, or the quote that says it."""
        leaf = clues.leaf
        places = (
            []
            if leaf is None
            else [
                Found(self._run(span.tokens), SPELLED)
                for segment in self._view.segments
                for span in choice_spans(segment, leaf)
                if span.value is value and leaf.type is LeafType.BOOLEAN
            ]
        )
        chosen = self._chosen(places, clues, least=1.0)
        if chosen is None and quoted:
            chosen = Found(quoted, SPELLED)
        return self._cited(chosen, None) if chosen else None

    def _quoted(self, quote: str | None) -> Run | None:
        """Return the words of a quote, None when there is none or it is not printed."""
        if not quote or not quote.strip():
            return None
        return (
            min(self._text(quote), key=lambda each: (each.cost, each.run), default=Found((), 0)).run or None
        )

    def _chosen(self, places: Sequence[Found], clues: Clues, least: float = 0.0) -> Found | None:
        """Return the place for which most speaks, and at least `least`; of equals the first."""
        best: tuple[float, Found] | None = None
        for each in _weighed(places, clues, self._words):
            score = self._nearness.of(each.run, clues)
            worth = score - WORTH * each.cost
            if score >= least and (best is None or worth > best[0]):
                best = worth, each
        return best[1] if best else None

    def _cited(self, found: Found, value: Any) -> Citation:
        tokens = [self._words.tokens[position] for position in found.run]
        page = tokens[0].page
        citation = cite(self._view, [token for token in tokens if token.page == page], Match.NORMALIZED)
        is_same = value is not None and " ".join(str(value).split()) == citation.quote
        match = Match.FUZZY if found.misread else Match.EXACT if is_same else Match.NORMALIZED
        return citation.model_copy(update={"match": match})

    def _run(self, tokens: Iterable[Any]) -> Run:
        return tuple(self._words.position_of(token) for token in tokens)

    @cached_property
    def _words(self) -> Words:
        return Words(self._view)

    @cached_property
    def _numerals(self) -> Numerals:
        return Numerals(self._words)

    @cached_property
    def _nearness(self) -> Nearness:
        return Nearness(self._words)

    @cached_property
    def _spans(self) -> Spans:
        return Spans(self._view)


def _weighed(places: Sequence[Found], clues: Clues, words: Words) -> list[Found]:
    """Return the places to weigh, first things first: those in the quote, then on the pages of the others."""
    unique = {each.run: each for each in sorted(places, key=lambda each: -each.cost) if each.run}
    ordered = sorted(unique.values(), key=lambda each: each.run)
    if len(ordered) <= MOST_PLACES:
        return ordered
    return sorted(ordered, key=lambda each: not _is_told(each, clues, words))[:MOST_PLACES]


def _is_told(place: Found, clues: Clues, words: Words) -> bool:
    page = words.tokens[place.run[0]].page
    asked = clues.leaf is not None and bool(clues.leaf.pages)
    return (
        place.run[0] in clues.quoted
        or page in clues.pages
        or (asked and clues.leaf is not None and clues.leaf.may_be_on(page, words.view.document.page_count))
    )


def _inputs(numbers: Sequence[tuple[Decimal, Run]], value: Decimal) -> Iterator[list[Run]]:
    """Yield the parts that make the value: all of them, or two, by sum, product or difference."""
    groups = [list(numbers)] if len(numbers) > 1 else []
    groups += [list(pair) for pair in combinations(numbers, 2)]
    for group in groups:
        found = [number for number, _ in group]
        made = {sum(found), prod(found), found[0] - sum(found[1:]), sum(found[1:]) - found[0]}
        if any(abs(each - value) <= ROUNDING for each in made):
            yield [run for _, run in group]


@cache
def _country_names(code: str) -> tuple[str, ...]:
    """Return what the country of an ISO 3166 code is called in each language that dates are read in."""
    names = (Locale(language).territories.get(code.upper(), "") for language in LANGUAGES)
    return tuple(dict.fromkeys(name for name in names if name))
