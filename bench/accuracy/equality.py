"""Tell whether a value is the one expected, spelling aside.

- Numbers are equal within a millionth of their size; a number written as a string counts by its value.
- An expected ISO date is equal to the same date, with or without a time of day.
- Texts are compared after NFKC, without case, with every run of white space as one space, and with one kind
  of dash and quotation mark. White space does not count at all in codes: texts of capitals and digits alone.
- Booleans are equal to booleans only.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Any

_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")
_CODE = re.compile(r"(?=.*\d)[A-Z0-9 ./\-]+")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_SINGLE_QUOTES, _DOUBLE_QUOTES = "\u2018\u2019\u201a\u00b4`", "\u201c\u201d\u201e\u00ab\u00bb"
_SIGNS = str.maketrans(
    {
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys(_SINGLE_QUOTES, "'"),
        **dict.fromkeys(_DOUBLE_QUOTES, '"'),
    }
)
NEAR = 1e-6


def same(expected: Any, got: Any) -> bool:
    """Tell whether `got` is right where `expected` is true; null is equal to null alone."""
    if expected is None or got is None:
        return expected is None and got is None
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, int | float):
        return _same_number(float(expected), got)
    date = _DATE.fullmatch(str(expected).strip())
    if date:
        told = _DATE.fullmatch(str(got).strip())
        return told is not None and told[1] == date[1]
    return spelled(str(expected)) == spelled(str(got))


def _same_number(expected: float, got: Any) -> bool:
    try:
        return math.isclose(expected, float(got), rel_tol=NEAR, abs_tol=NEAR)
    except (TypeError, ValueError):
        return False


@lru_cache(maxsize=100_000)
def spelled(text: str) -> str:
    """Return a text in the spelling in which it is compared."""
    plain = " ".join(unicodedata.normalize("NFKC", text).translate(_SIGNS).split())
    return (plain.replace(" ", "") if _CODE.fullmatch(plain) else plain).casefold()
