"""Find by themselves, without the engine's own search, the words of a page that hold a value.

A place is a run of words in reading order, from left to right in a row, or down a column, of at most as many
words as the value can take. Texts are compared by their letters and digits, numbers by both decimal signs,
dates by day, month and year with numbers or names of months, currencies also by their sign, countries also by
their name and by a number that begins with their code, as tax numbers do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from babel import Locale

from affidavit.engine.result import BoundingBox, Document, Page, Word

LANGUAGES = ("en", "de", "fr", "nl", "es", "it")
SIGNS = {"EUR": ("€", "Euro"), "USD": ("$",), "GBP": ("£",), "INR": ("₹", "Rs"), "CHF": ("Fr.",)}
DATE_WORDS = 4
NUMBER_WORDS = 4  # "1 234 567,00 EUR"
SAME_ROW = 0.5  # of the height of a word
LINE_GAP = 1.5  # word heights between two lines of a column
COLUMN_LINES = 6
_COUNTRY = re.compile(r"[A-Z]{2}")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T.*)?")
_NUMERIC_DATE = re.compile(r"\D*(\d{1,4})\s*[./-]\s*(\d{1,2})\s*[./-]\s*(\d{2,4})\D*")
_AMOUNT = re.compile(r"[^\d]*?([-\u2212+(]?\s*[\d][\d.,'\u2019\s]*|[.,]\d+)[^\d]*")


@dataclass(frozen=True, slots=True)
class Place:
    """Words that hold a value."""

    page: int
    words: tuple[Word, ...]

    @property
    def box(self) -> BoundingBox:
        lefts, tops, rights, bottoms = zip(*(word.box for word in self.words), strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)


def places(document: Document, value: Any) -> list[Place]:
    """Return every place in the document that holds the value."""
    found = {
        tuple(word.id for word in each.words): each for page in document.pages for each in _on(page, value)
    }
    return list(found.values())


def _on(page: Page, value: Any) -> Iterator[Place]:
    orders = [list(page.words), *_rows(page), *_columns(page)]
    for words in orders:
        if isinstance(value, bool):
            return
        if isinstance(value, int | float):
            yield from _numbers(page, words, float(value))
            continue
        text = str(value)
        date = _ISO.fullmatch(text.strip())
        if date:
            yield from _dates(page, words, (int(date[1]), int(date[2]), int(date[3])))
        yield from _texts(page, words, text)


def _rows(page: Page) -> Iterator[list[Word]]:
    rows: list[list[Word]] = []
    for word in sorted(page.words, key=_middle):
        last = rows[-1][-1] if rows else None
        if last is not None and abs(_middle(word) - _middle(last)) <= SAME_ROW * (last.box[3] - last.box[1]):
            rows[-1].append(word)
        else:
            rows.append([word])
    yield from (sorted(row, key=lambda word: word.box[0]) for row in rows)


def _columns(page: Page) -> Iterator[list[Word]]:
    """Yield the pieces of rows between wide gaps, each with those that stand below it."""
    pieces = [piece for row in _rows(page) for piece in _pieces(row)]
    for at, piece in enumerate(pieces):
        column = [piece]
        for other in pieces[at + 1 :]:
            down = other[0].box[1] - column[-1][0].box[3]
            if down > LINE_GAP * (piece[0].box[3] - piece[0].box[1]) or len(column) > COLUMN_LINES:
                break
            if (
                _middle(other[0]) > column[-1][0].box[3]
                and other[0].box[0] < column[0][-1].box[2]
                and (column[0][0].box[0] < other[-1].box[2])
            ):
                column.append(other)
        if len(column) > 1:
            yield [word for each in column for word in each]


def _pieces(row: Sequence[Word]) -> Iterator[list[Word]]:
    piece: list[Word] = []
    for word in row:
        if piece and word.box[0] - piece[-1].box[2] > word.box[3] - word.box[1]:
            yield piece
            piece = []
        piece.append(word)
    yield piece


def _middle(word: Word) -> float:
    return (word.box[1] + word.box[3]) / 2


def letters(text: str) -> str:
    """Return the letters and digits of a text without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if char.isalnum())


def _texts(page: Page, words: Sequence[Word], text: str) -> Iterator[Place]:
    spelled = [letters(word.text) for word in words]
    for wanted in _spellings(text):
        for start, first in enumerate(spelled):
            if first and wanted.startswith(first):
                end = _end(spelled, start, wanted)
                if end:
                    yield Place(page.number, tuple(words[start:end]))
            elif wanted in first and _is_part(words[start].text, wanted):
                yield Place(page.number, (words[start],))
    for sign in SIGNS.get(text, ()):
        yield from (Place(page.number, (word,)) for word in words if sign in word.text)
    if _COUNTRY.fullmatch(text):
        yield from (
            Place(page.number, (word,)) for word in words if re.match(rf"{text}[ -]?\w*\d", word.text)
        )


def _end(spelled: Sequence[str], start: int, wanted: str) -> int | None:
    """Return where the words from `start` have spelled the text, None when they spell something else."""
    joined, end = spelled[start], start + 1
    while len(joined) < len(wanted) and end < len(spelled) and wanted.startswith(joined + spelled[end]):
        joined, end = joined + spelled[end], end + 1
    return end if joined == wanted else None


def _is_part(text: str, wanted: str) -> bool:
    """Tell whether a word holds the text between signs, as in `No.:4711` or `D-10115`."""
    pieces = [letters(piece) for piece in re.split(r"[^\w]+", text)]
    return any(
        "".join(pieces[start:end]) == wanted
        for start in range(len(pieces))
        for end in range(start, len(pieces) + 1)
    )


def _spellings(text: str) -> list[str]:
    """Return the letters of a text, of the sign of a currency, of the names of a country."""
    found = [letters(text), *map(letters, SIGNS.get(text, ()))]
    if _COUNTRY.fullmatch(text):
        found += _country_names(text)
    return [each for each in dict.fromkeys(found) if each]


@cache
def _country_names(code: str) -> list[str]:
    names = (Locale(language).territories.get(code, "") for language in LANGUAGES)
    return list(dict.fromkeys(letters(name) for name in names if name))


def _numbers(page: Page, words: Sequence[Word], value: float) -> Iterator[Place]:
    for start, word in enumerate(words):
        if not any(char.isdigit() for char in word.text):
            continue
        for end in range(start + 1, min(start + NUMBER_WORDS, len(words)) + 1):
            part = words[start:end]
            if not any(char.isdigit() for char in part[-1].text):
                break
            if value in readings("".join(each.text for each in part)):
                yield Place(page.number, tuple(part))
                break


def readings(text: str) -> set[float]:
    """Return the numbers that a text can be read as, with either decimal sign, without its sign too."""
    told = _AMOUNT.fullmatch(text)
    if told is None:
        return set()
    digits = re.sub(r"[^\d.,]", "", told[1]).rstrip(".,")
    found = set()
    for decimal, thousands in ((".", ","), (",", ".")):
        plain = digits.replace(thousands, "").replace(decimal, ".")
        if plain.count(".") <= 1 and plain not in ("", "."):
            found.add(float(plain))
    return found | {-each for each in found}


def _dates(page: Page, words: Sequence[Word], wanted: tuple[int, int, int]) -> Iterator[Place]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + DATE_WORDS, len(words)) + 1):
            part = words[start:end]
            if not all(_is_part_of_date(each.text, wanted[1]) for each in (part[0], part[-1])):
                continue
            if _is_date(" ".join(each.text for each in part), wanted):
                yield Place(page.number, tuple(part))
                break


def _is_part_of_date(text: str, month: int) -> bool:
    return any(char.isdigit() for char in text) or letters(text) in _month_names(month)


def _is_date(text: str, wanted: tuple[int, int, int]) -> bool:
    year, month, day = wanted
    years = {year, year % 100}
    told = _NUMERIC_DATE.fullmatch(text)
    if told:
        first, second, third = (int(each) for each in told.groups())
        return (first == year and (second, third) == (month, day)) or (
            third in years and {(first, second), (second, first)} >= {(day, month)}
        )
    numbers = [int(each) for each in re.findall(r"\d+", text)]
    names = {letters(each) for each in re.findall(r"[^\W\d_]+", text)}
    return (
        len(numbers) == 2
        and day in numbers
        and bool(years & set(numbers))
        and bool(names & _month_names(month))
    )


@cache
def _month_names(month: int) -> frozenset[str]:
    return frozenset(
        letters(Locale(language).months[context][width][month])
        for language in LANGUAGES
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
    )
