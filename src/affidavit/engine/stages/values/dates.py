"""Find dates in text: ISO, numeric in either order, and with month names of eight languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from functools import cache

from babel import Locale

from affidavit.engine.stages.values.folding import fold

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")
_CENTURY_PIVOT = 70  # 69 is 2069, 70 is 1970, as POSIX strptime reads them


class DateOrder(StrEnum):
    """Which of two ambiguous numbers comes first."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"


@dataclass(frozen=True, slots=True)
class DateSpan:
    """A date at `text[start:end]`. `swapped` is the other reading when day and month may change places."""

    value: date
    start: int
    end: int
    swapped: date | None = None
    clock: time | None = None

    def read(self, order: DateOrder) -> date:
        """Return the date under `order`; `value` is the reading with the day first."""
        if order is DateOrder.MONTH_FIRST and self.swapped is not None:
            return self.swapped
        return self.value


_YEAR = r"(?P<year>\d{4}|['\u2019]?\d{2})"
_BEFORE = r"(?<![\w.,/\-])"
_AFTER = r"(?![\w/]|[.,\-]\d)"
_CLOCK = (
    r"(?:(?:T|,?\s+(?:at\s+|um\s+|à\s+)?)(?P<clock>[0-2]?\d:[0-5]\d(?::[0-5]\d)?)(?:\.\d+)?(?P<zone>Z)?)?"
)
_OF = r"(?:de\s+|del\s+|di\s+|of\s+)?"

_ISO = re.compile(
    _BEFORE
    + r"(?P<year>(?:19|20)\d{2})(?P<sep>[-./])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})"
    + _CLOCK
    + _AFTER
)
_NUMERIC = re.compile(
    _BEFORE
    + r"(?P<first>\d{1,2})\s?(?P<sep>[./\-])\s?(?P<second>\d{1,2})\s?(?P=sep)\s?(?P<year>\d{4}|\d{2})"
    + _CLOCK
    + _AFTER
)
_DAY_NAME = re.compile(
    _BEFORE
    + rf"(?P<day>\d{{1,2}})(?:\.|st|nd|rd|th|er|º|°)?[\s\-/]*{_OF}"
    + rf"(?P<name>[^\W\d_]{{3,12}})\.?,?[\s\-/]*{_OF}{_YEAR}"
    + _CLOCK
    + _AFTER
)
_NAME_DAY = re.compile(
    _BEFORE
    + rf"(?P<name>[^\W\d_]{{3,12}})\.?\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+{_YEAR}"
    + _CLOCK
    + _AFTER
)


def find_dates(text: str) -> list[DateSpan]:
    """Return the dates in `text` in order, none overlapping another."""
    found: list[DateSpan] = []
    for pattern in (_ISO, _DAY_NAME, _NAME_DAY, _NUMERIC):
        for match in pattern.finditer(text):
            span = _read(match)
            if span and not any(span.start < other.end and other.start < span.end for other in found):
                found.append(span)
    return sorted(found, key=lambda span: span.start)


def date_order_of(texts: Iterable[str]) -> DateOrder | None:
    """Return the order that the numeric dates in `texts` show, or None when they do not tell."""
    day_first = month_first = 0
    for text in texts:
        for match in _NUMERIC.finditer(text):
            first, second = int(match["first"]), int(match["second"])
            day_first += first > 12 >= second
            month_first += second > 12 >= first
    if day_first == month_first:
        return None
    return DateOrder.DAY_FIRST if day_first > month_first else DateOrder.MONTH_FIRST


def _read(match: re.Match[str]) -> DateSpan | None:
    parts = match.groupdict()
    year = _year(parts["year"])
    clock = _clock(parts.get("clock"))
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        dotted = parts["sep"] == "."  # no country writes month.day.year with dots
        value, swapped = _date(year, second, first), None if dotted else _date(year, first, second)
        value, swapped = (value, swapped) if value else (swapped, None)
        swapped = None if swapped == value else swapped
    else:
        month = int(parts["month"]) if "month" in parts else months().get(fold(parts["name"]), 0)
        value, swapped = _date(year, month, int(parts["day"])), None
    if value is None:
        return None
    return DateSpan(value, match.start(), match.end(), swapped, clock)


def _year(digits: str) -> int:
    number = int(digits.lstrip("'\u2019"))
    if number >= 100:
        return number
    return number + (1900 if number >= _CENTURY_PIVOT else 2000)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _clock(text: str | None) -> time | None:
    if text is None:
        return None
    try:
        hour, minute, *second = (int(piece) for piece in text.split(":"))
        return time(hour, minute, second[0] if second else 0)
    except ValueError:
        return None


@cache
def months() -> dict[str, int]:
    """Return the month that each folded name or abbreviation stands for, in all LANGUAGES."""
    names: dict[str, int] = {}
    for language in LANGUAGES:
        locale = Locale(language)
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in locale.months[context][width].items():
                    names.setdefault(fold(name).rstrip("."), number)
    return names
