"""Find the values in a passage that can answer a kind of question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from affidavit.engine.stages.answers.names import bare, names_in
from affidavit.engine.stages.answers.question import Asked, lexicon
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.spans import Moment, Span, Spans
from affidavit.engine.stages.fields.view import Segment, Token
from affidavit.engine.stages.values.dates import find_dates, months
from affidavit.engine.stages.values.folding import fold
from affidavit.engine.stages.values.numbers import find_numbers

_KINDS: Mapping[Asked, tuple[Kind, ...]] = {
    Asked.AMOUNT: (Kind.MONEY,),
    Asked.DATE: (Kind.DATE,),
    Asked.PERCENT: (Kind.PERCENT,),
    Asked.NUMBER: (Kind.QUANTITY,),
    Asked.EMAIL: (Kind.EMAIL,),
    Asked.PHONE: (Kind.PHONE,),
    Asked.IBAN: (Kind.IBAN,),
    Asked.URL: (Kind.URI,),
    Asked.CODE: (Kind.CODE,),
}
MONTH_FIT = 0.9  # of a month, where a day may stand elsewhere
PLAIN_NUMBER = 0.9  # of a number's fit: neither money nor percent

SCALES: Mapping[int, tuple[str, ...]] = {
    1_000: ("thousand", "tausend", "mille", "mil"),
    1_000_000: ("million", "millions", "mio", "mio.", "mn", "millionen", "millones", "milioni", "miljoen"),
    1_000_000_000: ("billion", "billions", "bn", "milliarden", "mrd", "mrd.", "milliards", "miliardi"),
}
_SCALE_WORDS = sorted((word for words in SCALES.values() for word in words), key=len, reverse=True)
_SCALE = re.compile(rf"\s?({'|'.join(map(re.escape, _SCALE_WORDS))})(?!\w)", re.IGNORECASE)
_CURRENCY_AFTER = re.compile(r"\s?(?:[A-Z]{3}|[\u20ac$\u00a3])(?!\w)")
_OUT_OF = re.compile(
    r"\d\s+(?:out\s+)?(?:of|von|sur|de|su|van)(?:\s+(?:the|den|les|los|de))?\s*$", re.IGNORECASE
)
_MONTH_YEAR = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?\s+((?:19|20)\d{2})(?!\d)")
TYPED = frozenset({*_KINDS, Asked.DURATION, Asked.PARTY})


@dataclass(frozen=True, slots=True)
class Value:
    """A typed value in a passage, in `tokens` that stand on its page. `fit` is 0 to 1."""

    value: Any
    text: str
    tokens: tuple[Token, ...]
    start: int
    fit: float


@dataclass(frozen=True, slots=True)
class Duration:
    """So many of a unit of time."""

    count: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class YearMonth:
    """A year, or a month of one."""

    year: int
    month: int | None = None


def values_in(segment: Segment, asked: Asked, spans: Spans) -> list[Value]:
    """Return the values in `segment` that are of the kind asked for, from left to right."""
    if asked is Asked.PARTY:
        return list(_names(segment))
    if asked is Asked.DURATION:
        return list(_durations(segment))
    if asked is Asked.DATE:
        return [*map(_of_span, _dates(segment, spans)), *_month_years(segment, spans)]
    found = [span for kind in _KINDS.get(asked, ()) for span in spans.of(segment, kind) if span.tokens]
    if asked is Asked.CODE:
        found = _no_amounts(found, segment.text)
    if asked is Asked.NUMBER:
        found = [span for span in found if span.fit >= PLAIN_NUMBER and not _is_whole(span)]
    return [_scaled(span) if isinstance(span.value, Decimal) else _of_span(span) for span in found]


def _is_whole(span: Span) -> bool:
    """Tell whether a number is that of which another is counted: 25 in `19 of 25`."""
    return bool(_OUT_OF.search(span.segment.text[: span.start]))


def _no_amounts(codes: Sequence[Span], text: str) -> list[Span]:
    """Return the codes that are no part of an amount, a percentage or a date."""
    numbers = [number for number in find_numbers(text) if not number.is_bare]
    taken = [(each.start, each.end) for each in numbers] + [
        (each.start, each.end) for each in find_dates(text)
    ]
    return [code for code in codes if not any(code.start < end and start < code.end for start, end in taken)]


def _dates(segment: Segment, spans: Spans) -> list[Span]:
    return [span for span in spans.of(segment, Kind.DATE) if span.tokens]


def _month_years(segment: Segment, spans: Spans) -> Iterator[Value]:
    """Yield the months with a year that are no part of a date."""
    dates = _dates(segment, spans)
    for month, start, end in find_month_years(segment.text):
        tokens = segment.between(start, end)
        if tokens and not any(span.start < end and start < span.end for span in dates):
            yield Value(month, segment.text[start:end], tokens, start, MONTH_FIT)


def find_month_years(text: str) -> Iterator[tuple[YearMonth, int, int]]:
    """Yield the months of a year, `June 2025`, with where they start and end in `text`."""
    for found in _MONTH_YEAR.finditer(text):
        month = months().get(fold(found[1]))
        if month:
            yield YearMonth(int(found[2]), month), found.start(), found.end()


def _of_span(span: Span) -> Value:
    return Value(_plain(span.value), span.text, span.tokens, span.start, span.fit)


def _scaled(span: Span) -> Value:
    """Return a number with the word behind it that multiplies it: `5.2 million`."""
    scale, length = scale_after(span.segment.text, span.end)
    if scale == 1:
        return _of_span(span)
    end = span.end + length
    currency = _CURRENCY_AFTER.match(span.segment.text, end)
    end = currency.end() if currency else end
    text = span.segment.text[span.start : end]
    return Value(
        span.value * scale, text, span.segment.between(span.start, end), span.start, max(span.fit, 0.9)
    )


def scale_after(text: str, end: int) -> tuple[int, int]:
    """Return what the word at `text[end:]` multiplies a number by, and how far it reaches."""
    found = _SCALE.match(text, end)
    if not found:
        return 1, 0
    return next(scale for scale, words in SCALES.items() if found[1].lower() in words), found.end() - end


def json_value(value: Any) -> Any:
    """Return a value as the result shows it: dates as ISO 8601, numbers as JSON numbers."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case YearMonth():
            return f"{value.year:04}-{value.month:02}" if value.month else f"{value.year:04}"
        case Duration():
            return f"{value.count.normalize():f} {value.unit}{'' if value.count == 1 else 's'}"
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            return value


def _plain(value: Any) -> Any:
    return value.day if isinstance(value, Moment) else value


def _names(segment: Segment) -> Iterator[Value]:
    for tokens, fit in names_in(segment.tokens):
        yield Value(bare(tokens), bare(tokens), tokens, segment.start_of(tokens[0]), fit)


@cache
def _units() -> Mapping[str, str]:
    return {word: unit for unit, words in lexicon()["units"].items() for word in words}


@cache
def _spelled() -> Mapping[str, int]:
    return {word: int(number) for number, words in lexicon()["spelled"].items() for word in words}


@cache
def _duration_pattern() -> re.Pattern[str]:
    units = "|".join(sorted(_units(), key=len, reverse=True))
    worded = "|".join(sorted(_spelled(), key=len, reverse=True))
    return re.compile(
        rf"(?<![\w.,])(?P<count>\d{{1,5}}(?:[.,]\d{{1,2}})?|{worded})(?:\s*\(\d{{1,5}}\))?[\s-]+"
        rf"(?:[^\W\d_]+[\s-]+)?(?P<unit>{units})(?!\w)"
    )


def find_durations(text: str) -> Iterator[tuple[Duration, int, int]]:
    """Yield spans of time, `30 days` or `three (3) months`, with where they start and end in `text`."""
    folded = fold(text)
    if len(folded) != len(text):
        folded = text.lower()
    for found in _duration_pattern().finditer(folded):
        yield Duration(_count(found["count"]), _units()[found["unit"]]), found.start(), found.end()


def _count(text: str) -> Decimal:
    return Decimal(_spelled().get(text) or text.replace(",", "."))


def _durations(segment: Segment) -> Iterator[Value]:
    for duration, start, end in find_durations(segment.text):
        tokens = segment.between(start, end)
        if tokens:
            yield Value(duration, segment.text[start:end], tokens, start, 1.0)
