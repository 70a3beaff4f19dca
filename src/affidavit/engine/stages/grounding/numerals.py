"""Find numbers and dates by their digits, then read what stands there to be sure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from affidavit.engine.stages.fields.view import Token
from affidavit.engine.stages.grounding.misreading import digits_for
from affidavit.engine.stages.grounding.spelling import Run
from affidavit.engine.stages.grounding.words import Position, Words
from affidavit.engine.stages.values.dates import DateOrder, DateSpan, find_dates
from affidavit.engine.stages.values.numbers import DecimalSign, Number, find_numbers

MOST_DECIMALS = 6
MOST_PLACES = 20_000  # with the same digits that are read
GROUPS = 4  # of digits with spaces between them
DATE_WORDS = 5  # to either side of a year: "the 14th of March, 2026 at 10:30"
SAME = Decimal("1e-9")
_HEAD, _GROUP = re.compile(r"\D*\d{1,3}"), re.compile(r"\d{3}(?!\d)")
_ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d")
_COUNTED = re.compile(r"\D{0,2}?([-+]?\d[\d.,'\u2019]*)[^\W\d_]{1,4}\.?")  # 30cm, 4x, 12Std.


@dataclass(frozen=True, slots=True)
class Found:
    """Words that are the value. `cost` is what was needed to read them so; 0 for as it is written."""

    run: Run
    cost: float
    misread: bool = False


class Numerals:
    """The words with digits in them, by their digits alone."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._places: dict[str, list[Position]] = {}
        self._misread: dict[str, list[Position]] = {}
        for position, token in enumerate(words.tokens):
            self._add(position, token.text)

    def numbers(self, value: Decimal) -> Iterator[Found]:
        """Yield where the number stands, whichever decimal sign it is written with."""
        keys = set(_keys_of(value))
        for key in keys:
            for position in self._places.get(key, ())[:MOST_PLACES]:
                yield from self._read_number(position, value)
        for key in keys:
            for position in self._misread.get(key, ())[:MOST_PLACES]:
                text = digits_for(self._words.tokens[position].text)
                if any(number.value == value for number in _readings(text)):
                    yield Found((position,), 0.5, misread=True)

    def dates(self, value: date, clock: time | None, order: DateOrder | None) -> Iterator[Found]:
        """Yield where the date stands, with names of months or without.

        `clock` must be printed beside it. A date that can be read two ways is read by `order`.
        """
        years = {str(value.year), f"{value.year % 100:02}"}
        for places, misread in ((self._places, False), (self._misread, True)):
            for key in _date_keys(value):
                for position in places.get(key, ())[:MOST_PLACES]:
                    if key not in years or self._has_day(position, value.day):
                        yield from self._read_date(position, (value, clock, order), misread=misread)

    def values_in(self, run: Run) -> list[tuple[Decimal, Run]]:
        """Return the numbers that stand in a run of words, with their words."""
        tokens = [self._words.tokens[position] for position in run]
        text = " ".join(token.text for token in tokens)
        found = find_numbers(text, self._words.view.decimal_sign)
        return [(each.value, self._covered(tokens, each.start, each.end)) for each in found]

    def _add(self, position: Position, text: str) -> None:
        if text.isalpha():
            return
        digits = digits_of(text)
        if _ISO_MOMENT.match(text):
            self._places.setdefault(digits[:8], []).append(position)
        if digits:
            self._places.setdefault(digits, []).append(position)
            self._add_groups(position, text)
        read = digits_for(text)
        if read != text:
            self._misread.setdefault(digits_of(read), []).append(position)

    def _add_groups(self, position: Position, text: str) -> None:
        """Add a number that is written in groups, `1 234 567,00`, under all of its digits."""
        tokens = self._words.tokens
        joined = text
        for following in range(position + 1, min(position + GROUPS, len(tokens))):
            if not _HEAD.fullmatch(text) or not _GROUP.match(tokens[following].text):
                return
            joined += tokens[following].text
            self._places.setdefault(digits_of(joined), []).append(position)

    def _read_number(self, position: Position, value: Decimal) -> Iterator[Found]:
        segment = self._words.segment_of(position)
        token = self._words.tokens[position]
        start = segment.start_of(token)
        own = self._words.view.decimal_sign
        for sign in dict.fromkeys((own, DecimalSign.POINT, DecimalSign.COMMA, None)):
            for number in find_numbers(segment.text, sign):
                if number.start < start + len(token.text) and start < number.end:
                    cost = _cost(number, value)
                    if cost is not None:
                        run = self._words.positions_of(
                            [each.word.id for each in segment.between(number.start, number.end)]
                        )
                        yield Found(tuple(run), cost + (0.1 if sign is not own else 0.0))
                        return
        counted = _COUNTED.fullmatch(token.text)
        if counted and any(number.value == value for number in _readings(counted[1])):
            yield Found((position,), 0.2)

    def _read_date(
        self, position: Position, wanted: tuple[date, time | None, DateOrder | None], *, misread: bool
    ) -> Iterator[Found]:
        for tokens in self._around(position):
            texts = [digits_for(token.text) if misread else token.text for token in tokens]
            for span in find_dates(" ".join(texts)):
                run = self._covered(tokens, span.start, span.end)
                if position in run and _is_date(span, *wanted):
                    yield Found(run, 0.5 if misread else 0.0, misread=misread)
                    return

    def _has_day(self, position: Position, day: int) -> bool:
        """Tell whether the day stands near a year that stands by itself; most years are no part of a date."""
        around = self._words.tokens[max(0, position - DATE_WORDS) : position + DATE_WORDS]
        return any(digits_of(digits_for(token.text)).lstrip("0").startswith(str(day)) for token in around)

    def _around(self, position: Position) -> Iterator[tuple[Token, ...]]:
        """Yield the words around one: in its row, then in reading order, which may go on in the next line."""
        token = self._words.tokens[position]
        row = self._words.segment_of(position).tokens
        at = row.index(token)
        yield row[max(0, at - DATE_WORDS) : at + DATE_WORDS]
        page = self._words.on_page(token.page)
        first, last = max(page.start, position - DATE_WORDS), min(page.stop, position + DATE_WORDS)
        yield self._words.tokens[first:last]

    def _covered(self, tokens: list[Token] | tuple[Token, ...], start: int, end: int) -> Run:
        """Return the words that `[start:end]` of their text touches."""
        run, at = [], 0
        for token in tokens:
            if at < end and start < at + len(token.text):
                run.append(self._words.position_of(token))
            at += len(token.text) + 1
        return tuple(run)


def digits_of(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isdigit())


def _keys_of(value: Decimal) -> Iterator[str]:
    """Yield the digits with which a number can be written, with up to six decimals, or as a percentage."""
    size = abs(value)
    for number in (size, size * 100) if size < 1 else (size,):
        for decimals in range(MOST_DECIMALS + 1):
            scaled = number.scaleb(decimals)
            if scaled == scaled.to_integral_value():
                digits = str(int(scaled))
                yield digits
                yield digits.zfill(decimals + 1)


def _readings(text: str) -> Iterator[Number]:
    for sign in (DecimalSign.POINT, DecimalSign.COMMA):
        yield from find_numbers(text, sign)


def _cost(number: Number, value: Decimal) -> float | None:
    """Return how far a printed number is from saying the value, None when it says another."""
    if abs(number.value - value) < SAME:
        return 0.0
    if value > 0 and abs(number.value + value) < SAME:
        return 0.3  # a deduction, as what was paid before
    if number.is_percent and abs(number.value / 100 - value) < SAME:
        return 0.3
    return None


def _date_keys(value: date) -> Iterator[str]:
    """Yield the digits of words in which the date may stand: all of it, or its year beside a month's name."""
    years = {f"{value.year:04}", f"{value.year % 100:02}"}
    days, months = {str(value.day), f"{value.day:02}"}, {str(value.month), f"{value.month:02}"}
    found: set[str] = set(years)
    for year in years:
        for day in days:
            found.add(day + year)
            for month in months:
                found |= {day + month + year, month + day + year, year + month + day}
    yield from sorted(found)


def _is_date(span: DateSpan, value: date, clock: time | None, order: DateOrder | None) -> bool:
    if clock is not None and (span.clock is None or span.clock.replace(second=0) != clock.replace(second=0)):
        return False
    if order is not None:
        return span.read(order) == value
    return value in (span.value, span.swapped)


def moment_of(text: str) -> tuple[date, time | None] | None:
    """Return the day and the time that an ISO 8601 text names; no time for midnight."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    clock = moment.time()
    return moment.date(), clock if clock != time() else None
