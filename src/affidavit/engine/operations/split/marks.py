"""Read the page numbers that pages print: `Page 1 of 3`, `Seite 2/4`, `- 5 -`, in many languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from affidavit.engine.stages.fields.view import Row, Segment
from affidavit.engine.stages.values.folding import fold

EDGE: Final = 0.13  # of the page: where a bare number can be a page's
UPPER: Final = 0.45  # and where a box of references may hold "Page: 1"
LOWER: Final = 0.80
EDGE_ROWS: Final = 3  # from the top or bottom, in which a bare number stands
MOST_WORDS: Final = 8  # of a row that says only "page 3"; more is prose that refers to a page

_PAGE = (
    "page|pages|pg|pag|pagina|seite|blatt|feuille|folio|sida|side|strona|str|sivu|oldal|strana|stranka|"
    "stranica|leht|sayfa|halaman|trang|lapa|puslapis|страница|стр|лист|σελιδα|σελ|p|s"
)
_OF = r"of|von|de|di|da|do|sur|van|av|af|z|ze|iz|od|su|sob|out of|из|sur|/|\||\u2215|\u2044"
_NUMBER = r"\d{1,4}"

_NAMED = re.compile(
    rf"(?<![^\W\d_])(?:{_PAGE})(?:\(s\))?[ ]?[.:]?[ ]?(?:n[or\u00b0]?[.:]?[ ]?)?"
    rf"(?P<n>{_NUMBER})(?:[ ]?(?:{_OF})[ ]?(?P<total>{_NUMBER}))?(?![\w,.]*\w)"
)
_BARE_OF = re.compile(rf"[\W_]*(?P<n>{_NUMBER})[ ]?(?:{_OF})[ ]?(?P<total>{_NUMBER})[\W_]*")
_BARE = re.compile(r"[-\u2013\u2014(\[|~\s]*(?P<n>\d{1,4}|[ivxl]{1,7})[-\u2013\u2014)\]|~\s.]*")
_PREFIXED = re.compile(r"[-\u2013\u2014\s]*(?P<prefix>[a-z]{1,3})[-\u2013.](?P<n>\d{1,4})[-\u2013\u2014\s]*")
_CJK = re.compile(
    r"\u7b2c?\s*(?P<n>\d{1,4})\s*(?:/\s*(?P<total>\d{1,4})\s*)?(?:\u9875|\u9801|\u30da\u30fc\u30b8|\ucabd)"
)
_CJK_TOTAL = re.compile(r"\u5171\s*(\d{1,4})\s*[\u9875\u9801]")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50}


class Style(IntEnum):
    """How a page is numbered; the higher, the surer that it is a page's number."""

    BARE = 0
    NAMED = 1
    OF_TOTAL = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A page's number. `total` is the number of pages that it counts to, where it is said."""

    number: int
    total: int | None
    style: Style
    prefix: str = ""

    @property
    def is_first(self) -> bool:
        return self.number == 1

    @property
    def is_last(self) -> bool:
        return self.total is not None and self.number == self.total

    def follows(self, other: Mark) -> bool:
        """Tell whether this page comes right after the other's in one numbering."""
        same = (self.style, self.prefix, self.total) == (other.style, other.prefix, other.total)
        return same and self.number == other.number + 1

    def __str__(self) -> str:
        return f"{self.prefix}{self.number}" + (f" of {self.total}" if self.total else "")


def find_marks(rows: Sequence[Row], height: float) -> tuple[Mark, ...]:
    """Return the page numbers that a page's rows may print, each once, the surest first."""
    found = {mark for index, row in enumerate(rows) for mark in _in_row(rows, index, row, height)}
    return tuple(sorted(found, key=lambda mark: (-mark.style, mark.number)))


def _in_row(rows: Sequence[Row], index: int, row: Row, height: float) -> Iterator[Mark]:
    middle = (row.box[1] + row.box[3]) / 2 / height
    if UPPER < middle < LOWER:
        return
    is_edge = middle < EDGE or middle > 1 - EDGE
    is_outer = index < EDGE_ROWS or index >= len(rows) - EDGE_ROWS
    for at, segment in enumerate(row.segments):
        text = fold(segment.text)
        yield from _named(text, is_edge=is_edge)
        yield from _cjk(text)
        if is_edge and is_outer:
            yield from _bare(text)
        if re.fullmatch(rf"(?:{_PAGE})[.:]?", text):
            yield from _beside(rows[index : index + 3], segment, at)


def _named(text: str, *, is_edge: bool) -> Iterator[Mark]:
    for match in _NAMED.finditer(text):
        total = int(match["total"]) if match["total"] else None
        is_letter = match[0][:1] in "ps" and not match[0][1:2].isalpha()
        if total is None and (is_letter or len(text.split()) > MOST_WORDS):
            continue
        if total is None and not is_edge and match.start() > 0:
            continue
        yield from _mark(int(match["n"]), total, Style.OF_TOTAL if total else Style.NAMED)


def _cjk(text: str) -> Iterator[Mark]:
    match = _CJK.search(text)
    if match:
        whole = _CJK_TOTAL.search(text)
        total = match["total"] or (whole[1] if whole else None)
        style = Style.OF_TOTAL if total else Style.NAMED
        yield from _mark(int(match["n"]), int(total) if total else None, style)


def _bare(text: str) -> Iterator[Mark]:
    if match := _BARE_OF.fullmatch(text):
        yield from _mark(int(match["n"]), int(match["total"]), Style.OF_TOTAL)
    elif match := _BARE.fullmatch(text):
        number = int(match["n"]) if match["n"].isdigit() else _roman(match["n"])
        yield from _mark(number, None, Style.BARE, "" if match["n"].isdigit() else "roman ")
    elif match := _PREFIXED.fullmatch(text):
        yield from _mark(int(match["n"]), None, Style.BARE, match["prefix"] + "-")


def _beside(rows: Sequence[Row], label: Segment, at: int) -> Iterator[Mark]:
    """Read the number right of the word for page, or under it."""
    right = rows[0].segments[at + 1 : at + 2]
    below = [
        segment
        for row in rows[1:]
        for segment in row.segments
        if segment.box[0] < label.box[2] + 10 and label.box[0] - 10 < segment.box[2]
    ][:1]
    for segment in (*right, *below):
        text = fold(segment.text)
        if match := _BARE_OF.fullmatch(text):
            yield from _mark(int(match["n"]), int(match["total"]), Style.OF_TOTAL)
            return
        if text.isdigit() and len(text) <= 3:
            yield from _mark(int(text), None, Style.NAMED)
            return


def _mark(number: int, total: int | None, style: Style, prefix: str = "") -> Iterator[Mark]:
    if number >= 1 and (total is None or number <= total):
        yield Mark(number, total, style, prefix)


def _roman(text: str) -> int:
    values = [_ROMAN[char] for char in text]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
