"""Hold what a language model says against the document: its quotes, and the values in its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from affidavit.engine.result import Citation
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.passages.terms import kin_of, terms_of
from affidavit.engine.stages.values.dates import find_dates
from affidavit.engine.stages.values.folding import squash
from affidavit.engine.stages.values.numbers import find_numbers

LEAST_QUOTE = 2  # letters and digits; less is found everywhere
LEAST_SHARED = 0.5  # of the answer's words, that its quotes must have


def cited(reader: Reader, quotes: Sequence[str]) -> tuple[Citation, ...]:
    """Return where the quotes stand, each place once; quotes that the document does not have are left out."""
    found: dict[tuple[str, ...], Citation] = {}
    for quote in quotes:
        citation = reader.locator.quote(quote) if len(squash(quote)) >= LEAST_QUOTE else None
        if citation is not None:
            found.setdefault(citation.words, citation)
    return tuple(found.values())


def borne_out(said: str, quotes: Sequence[str]) -> bool:
    """Tell whether quotes of the document hold what is said: each number and date, and half the words."""
    proof = " ".join(quotes)
    if not set(_values(said)) <= set(_values(proof)):
        return False
    words = {term.stem for term in terms_of(said)}
    held = {term.stem for term in terms_of(proof)}
    shared = sum(not held.isdisjoint(kin_of(word)) or squash(word) in squash(proof) for word in words)
    dates = {each for each in _values(said) if isinstance(each, date)}
    return not words or bool(dates) or shared >= LEAST_SHARED * len(words)


def _values(text: str) -> Iterator[Decimal | date]:
    """Yield the numbers and dates in a text, numbers without their sign."""
    spans = find_dates(text)
    for span in spans:
        yield span.value
    for number in find_numbers(text):
        if not any(span.start <= number.start < span.end for span in spans):
            yield abs(number.value).normalize()
