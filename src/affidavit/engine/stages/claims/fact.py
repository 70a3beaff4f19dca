"""Read a claim: the values that it states, what it states them about, and whether it denies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from affidavit.engine.stages.answers.question import Asked
from affidavit.engine.stages.answers.values import (
    Duration,
    YearMonth,
    find_durations,
    find_month_years,
    scale_after,
)
from affidavit.engine.stages.passages.terms import WORD, lexicon, terms_of, words
from affidavit.engine.stages.values.dates import DateOrder, find_dates
from affidavit.engine.stages.values.folding import fold
from affidavit.engine.stages.values.numbers import find_numbers


class Relation(StrEnum):
    """How a claim relates what it is about to a value."""

    EQUAL = "equal"
    ABOUT = "about"
    MORE = "more"
    AT_LEAST = "at_least"
    LESS = "less"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class Fact:
    """A value at `claim[start:end]`."""

    asked: Asked
    value: Any
    start: int
    end: int
    relation: Relation = Relation.EQUAL
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it is checked. `facts` in their order, `rest` the claim without them."""

    text: str
    facts: tuple[Fact, ...]
    rest: str
    is_negated: bool

    @property
    def stems(self) -> tuple[str, ...]:
        """What the claim is about."""
        return tuple(dict.fromkeys(term.stem for term in terms_of(self.rest)))


_RELATIONS = {Relation(name): "|".join(patterns) for name, patterns in lexicon()["relations"].items()}
_BEFORE_VALUE = [
    (relation, re.compile(rf"(?<!\w)(?:{words})(?:\s+(?:the|le|el|il|dem|den))?\s*$", re.IGNORECASE))
    for relation, words in _RELATIONS.items()
]
# "No later than" and "not exceed" bound a value; they deny nothing.
_BOUNDS = re.compile("|".join(f"(?<!\\w)(?:{words})(?!\\w)" for words in _RELATIONS.values()), re.IGNORECASE)
_YEAR = re.compile(r"(?<![\w.,/-])(?:19|20)\d{2}(?![\w/-]|[.,]\d)")
_CONTRACTED = re.compile(r"n['\u2019]t\b", re.IGNORECASE)
_LAST_NAME = re.compile(
    r"^(?P<before>.*\b(?:is|are|was|were|by|with|of|in|from|to|at|ist|sind|war|durch|von|est|par|es|por|è|da|door)\s+)"
    r"(?:the\s+)?(?P<name>[A-Z\u00c0-\u00de][\w&.'\u2019-]*(?:\s+(?:[A-Z\u00c0-\u00de&][\w&.'\u2019-]*|of|de|von|van|und|and))*)$"
)
_CODE = re.compile(r"(?<!\w)(?=[\w/-]*\d)(?=[\w/-]*[A-Za-z])[A-Za-z0-9]+(?:[-/][A-Za-z0-9]+)*(?!\w)")


def read_claim(text: str) -> Claim:
    """Return the claim's facts and the rest of it."""
    facts = tuple(sorted(_facts(text), key=lambda fact: fact.start))
    rest = _without(text, facts)
    return Claim(text=text, facts=facts, rest=rest, is_negated=is_negated(rest))


def is_negated(text: str) -> bool:
    """Tell whether a sentence denies: an odd number of its words turn it round."""
    plain = _CONTRACTED.sub(" not ", _BOUNDS.sub(" ", text))
    count = sum(fold(found[0]) in words("negation") for found in WORD.finditer(plain))
    return count % 2 == 1


def codes_in(text: str) -> tuple[str, ...]:
    """Return the words with letters and digits in them: numbers of documents and articles."""
    return tuple(found[0] for found in _CODE.finditer(text))


def _facts(text: str) -> Iterator[Fact]:
    taken: list[tuple[int, int]] = []
    for fact in (*_dates(text), *_month_years(text), *_durations(text), *_numbers(text), *_years(text)):
        if not any(fact.start < end and start < fact.end for start, end in taken):
            taken.append((fact.start, fact.end))
            yield fact


def _dates(text: str) -> Iterator[Fact]:
    for span in find_dates(text):
        yield _fact(text, Asked.DATE, span.read(DateOrder.DAY_FIRST), span.start, span.end)


def _month_years(text: str) -> Iterator[Fact]:
    for month, start, end in find_month_years(text):
        yield _fact(text, Asked.DATE, month, start, end)


def _durations(text: str) -> Iterator[Fact]:
    for duration, start, end in find_durations(text):
        yield _fact(text, Asked.DURATION, duration, start, end)


def _numbers(text: str) -> Iterator[Fact]:
    codes = [(found.start(), found.end()) for found in _CODE.finditer(text)]
    for number in find_numbers(text):
        in_code = any(start <= number.start < end for start, end in codes)
        if in_code or (number.is_bare and _YEAR.fullmatch(text[number.start : number.end])):
            continue
        scale, length = scale_after(text, number.end)
        kind = Asked.PERCENT if number.is_percent else Asked.AMOUNT
        if kind is Asked.AMOUNT and number.currency is None and number.decimals != 2:
            kind = Asked.NUMBER
        fact = _fact(text, kind, number.value * scale, number.start, number.end + length)
        currency = number.currency or _currency_after(text, fact.end)
        yield Fact(
            Asked.AMOUNT if currency and kind is Asked.NUMBER else kind,
            fact.value,
            fact.start,
            fact.end,
            fact.relation,
            currency,
        )


def _currency_after(text: str, end: int) -> str | None:
    found = re.match(r"\s*(euros?|dollars?|pounds?|EUR|USD|GBP|CHF|€|\$|£)(?!\w)", text[end:], re.IGNORECASE)
    if not found:
        return None
    named = {"euro": "EUR", "dollar": "USD", "pound": "GBP", "€": "EUR", "$": "USD", "£": "GBP"}
    word = found[1].lower()
    return named.get(word.rstrip("s"), found[1].upper())


def _years(text: str) -> Iterator[Fact]:
    for found in _YEAR.finditer(text):
        yield _fact(text, Asked.DATE, YearMonth(int(found[0])), found.start(), found.end())


def _fact(text: str, asked: Asked, value: Any, start: int, end: int) -> Fact:
    before = text[:start]
    relation = next(
        (relation for relation, pattern in _BEFORE_VALUE if pattern.search(before)), Relation.EQUAL
    )
    return Fact(asked, value, start, end, relation)


def _without(text: str, facts: tuple[Fact, ...]) -> str:
    """Return the text without the values and the words that relate them."""
    kept, at = [], 0
    for fact in facts:
        before = text[at : fact.start]
        for _, pattern in _BEFORE_VALUE:
            before = pattern.sub(" ", before)
        kept.append(before)
        at = fact.end
    return re.sub(
        r"\s+", " ", " ".join([*kept, re.sub(r"^\s*(?:euros?|dollars?|pounds?)\b", " ", text[at:])])
    )


def holds(fact: Fact, found: Any) -> bool | None:
    """Tell whether a value that was found makes the fact true; None when the two cannot be compared."""
    match fact.value, found:
        case YearMonth(), date() | YearMonth():
            return _compare_months(fact, found)
        case date(), date():
            return _compare(fact.relation, _days(found), _days(fact.value), Decimal(0))
        case Duration(), Duration():
            return _compare_durations(fact, found)
        case Decimal(), Decimal():
            return _compare(fact.relation, found, fact.value, Decimal("0.005"))
        case _:
            return None


_DAYS = {
    "minute": Decimal(1) / 1440,
    "hour": Decimal(1) / 24,
    "day": Decimal(1),
    "week": Decimal(7),
    "month": Decimal("30.44"),
    "year": Decimal("365.28"),  # twelve of these months
}
ABOUT = Decimal("0.05")  # of the value
ALIKE = Decimal("0.06")  # between 30 days and a month no one can tell


def _compare_durations(fact: Fact, found: Duration) -> bool | None:
    mine, other = (each.count * _DAYS[each.unit] for each in (fact.value, found))
    calendar = ("month", "year")
    if (fact.value.unit in calendar) != (found.unit in calendar) and abs(mine - other) <= ALIKE * mine:
        return None
    return _compare(fact.relation, other, mine, Decimal("0.01"))


def _compare_months(fact: Fact, found: date | YearMonth) -> bool | None:
    """Compare years, or months where the claim names one; None when the document does not."""
    wanted = fact.value
    if wanted.month is None:
        return _compare(fact.relation, Decimal(found.year), Decimal(wanted.year), Decimal(0))
    if found.month is None:
        return None
    mine, other = wanted.year * 12 + wanted.month, found.year * 12 + found.month
    return _compare(fact.relation, Decimal(other), Decimal(mine), Decimal(0))


def _days(day: date) -> Decimal:
    return Decimal(day.toordinal())


def _compare(relation: Relation, found: Decimal, wanted: Decimal, slack: Decimal) -> bool:
    match relation:
        case Relation.EQUAL:
            return abs(found - wanted) <= slack
        case Relation.ABOUT:
            return abs(found - wanted) <= ABOUT * abs(wanted)
        case Relation.MORE:
            return found > wanted
        case Relation.AT_LEAST:
            return found >= wanted
        case Relation.LESS:
            return found < wanted
        case Relation.AT_MOST:
            return found <= wanted


def last_name(text: str) -> tuple[str, str] | None:
    """Return the name that a claim ends with and the two words before it, when it says what something is."""
    found = _LAST_NAME.search(text.strip(" ."))
    if not found or not found["before"].strip():
        return None
    return found["name"], " ".join(found["before"].split()[-2:])
