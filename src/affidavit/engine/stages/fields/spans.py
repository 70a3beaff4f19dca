"""Find the values of each kind in the words: what stands there, typed, and where."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from affidavit.engine.result import BoundingBox
from affidavit.engine.schema import Leaf, LeafType
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.view import Segment, Token, View, union
from affidavit.engine.stages.values import codes
from affidavit.engine.stages.values.currencies import CURRENCY_CODES, CURRENCY_SYMBOLS
from affidavit.engine.stages.values.dates import DateOrder, DateSpan, find_dates
from affidavit.engine.stages.values.numbers import Number, find_numbers

BAD_CHECK = 0.4  # fit of an account number with wrong check digits: only a label can prove it
LIKE_AMOUNT = 0.4  # fit of 120.15 as a number of something
_AMOUNT = re.compile(r"\d{1,6}[.,]\d{2}")
SHORT_CODE = 3  # characters; a document's number is mostly longer


@dataclass(frozen=True, slots=True)
class Span:
    """A value at `segment.text[start:end]`. `fit` is how well it fits its kind, 0 to 1."""

    segment: Segment
    start: int
    end: int
    value: Any
    fit: float

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.segment.between(self.start, self.end)

    @property
    def text(self) -> str:
        return self.segment.text[self.start : self.end]

    @property
    def box(self) -> BoundingBox:
        return union(token.box for token in self.tokens)

    @property
    def place(self) -> tuple[str, int]:
        """Where the value starts: a word's id and a character in it. Two spans at one place compete."""
        first = self.tokens[0]
        return first.word.id, self.start - self.segment.start_of(first)


class Spans:
    """The values in a view, found once per segment and kind."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._found: dict[tuple[int, Kind], tuple[Span, ...]] = {}
        self._seen: list[Segment] = []
        self._finders: dict[Kind, Callable[[str], list[tuple[int, int, Any, float]]]] = {
            Kind.DATE: self._dates,
            Kind.TIME: _finder(codes.find_times),
            Kind.MONEY: self._money,
            Kind.QUANTITY: self._quantities,
            Kind.PERCENT: self._percents,
            Kind.CURRENCY: _currencies,
            Kind.CODE: self._document_numbers,
            Kind.EMAIL: _finder(codes.find_emails),
            Kind.URI: _finder(codes.find_uris),
            Kind.IBAN: _ibans,
            Kind.BIC: _finder(codes.find_bics),
            Kind.VAT_ID: _finder(codes.find_vat_ids),
            Kind.PHONE: _finder(codes.find_phones),
        }

    def has_grammar(self, kind: Kind) -> bool:
        """Tell whether values of this kind can be recognised by themselves."""
        return kind in self._finders

    def of(self, segment: Segment, kind: Kind) -> tuple[Span, ...]:
        """Return the values of `kind` in `segment`, from left to right."""
        key = (id(segment), kind)
        if key not in self._found:
            finder = self._finders.get(kind)
            found = finder(segment.text) if finder else []
            self._found[key] = tuple(Span(segment, *each) for each in found)
            self._seen.append(segment)  # so that no other segment takes its id
        return self._found[key]

    def all(self, kind: Kind) -> list[Span]:
        """Return the values of `kind` in the whole document, in order."""
        return [span for segment in self._view.segments for span in self.of(segment, kind)]

    def _numbers(self, text: str) -> list[Number]:
        blocked = [(span.start, span.end) for span in find_dates(text)]
        return [
            number
            for number in find_numbers(text, self._view.decimal_sign)
            if not any(number.start < end and start < number.end for start, end in blocked)
        ]

    def _dates(self, text: str) -> list[tuple[int, int, Any, float]]:
        order = self._view.date_order
        return [
            (span.start, span.end, Moment.of(span, order), _date_fit(span, order))
            for span in find_dates(text)
        ]

    def _money(self, text: str) -> list[tuple[int, int, Any, float]]:
        return [
            (number.start, number.end, number.value, _money_fit(number))
            for number in self._numbers(text)
            if not number.is_percent
        ]

    def _quantities(self, text: str) -> list[tuple[int, int, Any, float]]:
        return [
            (number.start, number.end, number.value, 0.4 if number.currency or number.is_percent else 1.0)
            for number in self._numbers(text)
        ]

    def _percents(self, text: str) -> list[tuple[int, int, Any, float]]:
        return [
            (number.start, number.end, number.value, 1.0 if number.is_percent else 0.6)
            for number in self._numbers(text)
            if number.currency is None and abs(number.value) <= 100
        ]

    def _document_numbers(self, text: str) -> list[tuple[int, int, Any, float]]:
        blocked = [(span.start, span.end) for span in find_dates(text)]
        return [
            (code.start, code.end, code.value.lstrip("#"), _code_fit(code, text, blocked))
            for code in codes.find_document_numbers(text)
        ]


@dataclass(frozen=True, slots=True)
class Moment:
    """A date with the time that stands beside it, if any."""

    day: date
    clock: time | None = None

    @classmethod
    def of(cls, span: DateSpan, order: DateOrder | None) -> Moment:
        return cls(span.read(order or DateOrder.DAY_FIRST), span.clock)


def convert(value: Any, leaf: Leaf, text: str) -> Any:
    """Return a found value as the leaf's JSON type wants it, or None when it cannot be that.

    Dates become ISO 8601; a time without a zone is taken as UTC. Numbers become JSON numbers.
    """
    match leaf.type:
        case LeafType.BOOLEAN:
            return value if isinstance(value, bool) else None
        case LeafType.NUMBER | LeafType.INTEGER:
            return _number(value, leaf.type)
        case LeafType.STRING:
            return _string(value, leaf, text)


def _number(value: Any, kind: LeafType) -> float | int | None:
    if isinstance(value, str):
        digits = value.replace(" ", "")
        value = Decimal(digits) if digits.isascii() and digits.isdigit() else None
    if not isinstance(value, Decimal):
        return None
    if kind is LeafType.NUMBER:
        return float(value)
    return int(value) if value == value.to_integral_value() else None


def _string(value: Any, leaf: Leaf, text: str) -> str:
    if isinstance(value, Moment):
        if leaf.format == "date-time":
            moment = datetime.combine(value.day, value.clock or time(), tzinfo=UTC)
            return moment.isoformat().replace("+00:00", "Z")
        return value.day.isoformat()
    return value if isinstance(value, str) else text


def _finder(find: Callable[[str], list[codes.Code]]) -> Callable[[str], list[tuple[int, int, Any, float]]]:
    return lambda text: [(code.start, code.end, code.value, 1.0) for code in find(text)]


def _ibans(text: str) -> list[tuple[int, int, Any, float]]:
    found = codes.find_iban_shapes(text)
    return [
        (code.start, code.end, code.value, 1.0 if codes.is_iban(code.value) else BAD_CHECK) for code in found
    ]


def _currencies(text: str) -> list[tuple[int, int, Any, float]]:
    found: list[tuple[int, int, Any, float]] = []
    for sign, code in CURRENCY_SYMBOLS.items():
        at = text.find(sign)
        while at >= 0:
            clear = not sign[0].isalpha() or not text[at - 1 : at].isalpha()
            if clear and not text[at + len(sign) : at + len(sign) + 1].isalpha():
                found.append((at, at + len(sign), code, 0.9))
            at = text.find(sign, at + 1)
    for start, end in _words(text):
        if text[start:end] in CURRENCY_CODES:
            found.append((start, end, text[start:end], 1.0))
    return sorted(found)


def _words(text: str) -> list[tuple[int, int]]:
    words, start = [], None
    for at, char in enumerate(text + " "):
        if char.isalpha():
            start = at if start is None else start
        elif start is not None:
            words.append((start, at))
            start = None
    return words


def _date_fit(span: DateSpan, order: DateOrder | None) -> float:
    return 0.8 if span.swapped is not None and order is None else 1.0


def _money_fit(number: Number) -> float:
    if number.decimals == 2:
        return 1.0
    return 0.9 if number.currency else 0.55 if number.is_bare else 0.7


def _code_fit(code: codes.Code, text: str, dates: list[tuple[int, int]]) -> float:
    if any(start <= code.start and code.end <= end for start, end in dates):
        return 0.1
    if text[code.end : code.end + 1] == "%" or text[code.end : code.end + 2] == " %":
        return 0.1
    if _AMOUNT.fullmatch(code.value):
        return LIKE_AMOUNT
    digits = sum(char.isdigit() for char in code.value)
    return 0.75 if digits < SHORT_CODE else 1.0
