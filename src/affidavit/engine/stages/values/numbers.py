"""Find numbers, amounts of money and percentages in text, whatever their decimal sign."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from affidavit.engine.stages.values.currencies import CURRENCY_CODES, CURRENCY_SYMBOLS


class DecimalSign(StrEnum):
    """Which sign a document writes before the decimals."""

    POINT = "."
    COMMA = ","


@dataclass(frozen=True, slots=True)
class Number:
    """A number at `text[start:end]`, its currency and sign included in the span.

    `decimals` is how many digits stand after the decimal sign. `is_bare` is true for a number
    with neither decimals nor currency nor percent sign.
    """

    value: Decimal
    start: int
    end: int
    decimals: int
    currency: str | None = None
    is_percent: bool = False

    @property
    def is_bare(self) -> bool:
        return self.decimals == 0 and self.currency is None and not self.is_percent


_CURRENCY = (
    "|".join(sorted((re.escape(sign) for sign in CURRENCY_SYMBOLS), key=len, reverse=True))
    + "|(?<![A-Za-z])(?:"
    + "|".join(sorted(CURRENCY_CODES))
    + ")(?![a-z])"
)

_NUMBER = re.compile(
    rf"""
    (?<![\w.,/#\-])(?<!\w[-/])(?<!\d:)
    (?P<open>\()?
    (?P<sign>[-+\u2212\u2013](?=\s?[\d\D]))?\s?
    (?:(?P<before>{_CURRENCY})\s?)?
    (?P<sign2>[-\u2212\u2013])?
    (?P<digits>
        \d{{1,3}}(?:[.,'\u2019\u00a0\u202f]\d{{3}})+(?:[.,]\d{{1,4}})?(?!\d)
      | \d{{1,3}}(?:[ ]\d{{3}})+[.,]\d{{1,2}}(?!\d)
      | \d+(?:[.,]\d{{1,6}})?
      | [.,]\d{{1,4}}
    )
    (?P<dash>,(?:--?|\u2013|\u2014))?
    (?P<close>\))?
    (?:\s?(?P<percent>%)|\s?(?P<after>{_CURRENCY}))?
    (?P<minus>-(?![\w-]))?
    (?![\w/#]|[.,:\-]\w|['\u2019]\d)
    """,
    re.VERBOSE,
)


def find_numbers(text: str, sign: DecimalSign | None = None) -> list[Number]:
    """Return the numbers in `text` in order.

    `sign` is the document's decimal sign; it decides what `1.234` means. Without it three digits
    after a lone separator are thousands.
    """
    found = []
    for match in _NUMBER.finditer(text):
        parsed = _parse_digits(match["digits"], sign)
        if parsed is None:
            continue
        value, decimals = parsed
        is_negative = match["sign"] not in (None, "+") or match["sign2"] or match["minus"]
        if is_negative or (match["open"] and match["close"]):
            value = -value
        found.append(
            Number(
                value=value,
                start=_start(match, text),
                end=match.end(),
                decimals=2 if match["dash"] else decimals,
                currency=_currency(match["before"] or match["after"]),
                is_percent=match["percent"] is not None,
            )
        )
    return found


def parse_number(text: str, sign: DecimalSign | None = None) -> Decimal | None:
    """Return the one number that `text` consists of, or None."""
    found = find_numbers(text.strip(), sign)
    if len(found) == 1 and (found[0].start, found[0].end) == (0, len(text.strip())):
        return found[0].value
    return None


def decimal_sign_of(texts: Iterable[str]) -> DecimalSign | None:
    """Return the decimal sign that the numbers in `texts` show, or None when they do not tell.

    Only numbers that can be read one way count: both separators, or one or two final digits.
    """
    votes = {DecimalSign.POINT: 0, DecimalSign.COMMA: 0}
    for text in texts:
        for match in _NUMBER.finditer(text):
            tail = re.search(r"([.,])(\d{1,2})$", match["digits"])
            if tail:
                votes[DecimalSign(tail[1])] += 1
    if votes[DecimalSign.POINT] == votes[DecimalSign.COMMA]:
        return None
    return max(votes, key=lambda sign: votes[sign])


def _parse_digits(digits: str, sign: DecimalSign | None) -> tuple[Decimal, int] | None:
    plain = re.sub(r"['\u2019\u00a0\u202f ]", "", digits)
    separators = re.findall(r"[.,]", plain)
    if not separators:
        return Decimal(plain), 0
    last = separators[-1]
    tail = len(plain) - plain.rindex(last) - 1
    if len(set(separators)) == 1 and (len(separators) > 1 or _is_thousands(plain, tail, last, sign)):
        return Decimal(plain.replace(last, "")), 0
    whole, _, decimals = plain.rpartition(last)
    whole = re.sub(r"[.,]", "", whole)
    return Decimal(f"{whole or '0'}.{decimals}"), len(decimals)


def _is_thousands(plain: str, tail: int, separator: str, sign: DecimalSign | None) -> bool:
    if tail != 3 or plain.startswith(("0", ".", ",")) or plain.index(separator) > 3:
        return False
    return sign is None or separator != sign


def _start(match: re.Match[str], text: str) -> int:
    start = match.start()
    while start < match.end() and text[start].isspace():
        start += 1
    return start


def _currency(sign: str | None) -> str | None:
    if sign is None:
        return None
    return CURRENCY_SYMBOLS.get(sign, sign)
