"""Recognise the line of an address that names its town, as different countries write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from babel import Locale

from affidavit.engine.stages.values.dates import LANGUAGES
from affidavit.engine.stages.values.folding import fold

_CITY = r"(?P<city>[^\W\d_][^\d,;|•·@:]{1,40}?)"
_LAND = r"(?:(?P<land>[A-Z]{1,3})[-\u2013 ]\s?)?"
_REGION = r"(?:\s*\([A-Z]{2}\)|,\s*[^\d,;|@:]{2,30})?"  # province or state behind the town
_UK = r"(?P<postcode>[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2})"
# five digits; four, with two letters in the Netherlands; 123 45, 12-345, 1234-567, 12345-678
_BEFORE = (
    r"(?P<postcode>\d{5}-\d{3}|\d{4}-\d{3}|\d{2}-\d{3}|\d{3}\s\d{2}|\d{5}"
    r"|\d{4}(?:\s?[A-Z]{2})?(?=\s+[A-Z\u00c0-\u00de]))"
)
_AFTER = r"(?P<postcode>\d{5}(?:-\d{4})?|[A-Z]\d[A-Z]\s?\d[A-Z]\d|\d{4})"  # US, Canada, Australia
_STATE = r"(?P<state>[A-Z]{2,3}|[A-Z][a-z]+(?:\s[A-Z][a-z]+)?)"

_TOWNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^{_LAND}{_BEFORE}\s+{_CITY}{_REGION}\s*[.,]?$",
        rf"^{_CITY},?\s+{_UK}[.,]?$",
        rf"^{_LAND}{_UK},?\s+{_CITY}$",
        rf"^{_CITY},\s*{_STATE}\.?,?\s+{_AFTER}(?:,?\s+(?:USA|US|Canada|Australia))?[.,]?$",
        rf"^{_CITY}\s+(?P<state>[A-Z]{{2,3}})\s+{_AFTER}(?:,?\s+(?:USA|US|Canada|Australia))?[.,]?$",
        rf"^{_CITY}\s*[-\u2013,]?\s*(?P<postcode>\d{{6}}|\d{{3}}\s\d{{3}})\.?$",  # India, Singapore
    )
)

# Signs of vehicles that addresses carry before a postcode: Universal Postal Union, formerly customary.
_LANDS = {"D": "DE", "A": "AT", "F": "FR", "B": "BE", "I": "IT", "E": "ES", "L": "LU", "UK": "GB"}


@dataclass(frozen=True, slots=True)
class Town:
    """Where postcode, city and, if written, the country's sign stand in a text, and the sign's code."""

    places: Mapping[str, tuple[int, int]]
    country: str | None


def find_town(text: str) -> Town | None:
    """Read a text that is the town line of an address; places count from the start of the stripped text."""
    line = text.strip()
    match = next((match for pattern in _TOWNS if (match := pattern.match(line))), None)
    if match is None:
        return None
    names = ["postcode", "city"]
    sign = match.groupdict().get("land")
    code = _LANDS.get(sign, sign) if sign else None
    is_country = code is not None and code in _codes()
    if is_country:
        names.append("land")
    return Town({name: match.span(name) for name in names}, code if is_country else None)


def country_code(text: str) -> str | None:
    """Return the ISO 3166 alpha-2 code of a country's name in one of the known languages."""
    return _territories().get(fold(text).strip(" .,"))


@cache
def _codes() -> frozenset[str]:
    return frozenset(_territories().values())


@cache
def _territories() -> dict[str, str]:
    names = {
        fold(name): code
        for language in LANGUAGES
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and code.isalpha()
    }
    return names | {
        "usa": "US",
        "u.s.a": "US",
        "united states of america": "US",
        "uk": "GB",
        "u.k": "GB",
        "great britain": "GB",
        "england": "GB",
        "scotland": "GB",
        "wales": "GB",
        "holland": "NL",
        "the netherlands": "NL",
    }
