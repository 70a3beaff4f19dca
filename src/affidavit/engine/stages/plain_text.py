"""Page plain text: decode it, part it into lines that fit and pages of such lines, and draw them.

MuPDF draws the pages, but is given one at a time and nothing to lay out: it cuts off what does not
fit a line and cannot be broken, needs seconds for each page of a long text, reads entities, and
guesses at encodings.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pymupdf

from affidavit.engine import media
from affidavit.engine.errors import NoPages
from affidavit.engine.stages.sheet import PdfSheet

PAGE = (595.0, 842.0)  # A4 in points: plain text has no pages of its own
SIZE = 10.0
LINES = 58  # of a page, in the tallest of MuPDF's fonts
NARROW, WIDE = 6.0, 12.5  # points: a Latin letter, and the widest letter of the other scripts
ROOM = 552.0  # points between the margins
MOST_GROWTH = 6  # doublings of a page on which lines were broken once more

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_LATIN = re.compile(r"[\x00-\u024f]*")
_PIECES = re.compile(r"\S+|\s+")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A plain text, as pages of lines."""

    pages: tuple[str, ...]
    media_type: str = media.TEXT

    @property
    def page_count(self) -> int:
        return len(self.pages)

    @classmethod
    def open(cls, data: bytes) -> TextFile:
        """Decode and page the text. Raises NoPages when there is nothing but blanks."""
        text = decoded(data)
        if not text.strip():
            raise NoPages
        return cls(tuple(_pages(text.rstrip())))

    def sheet(self, number: int) -> TextSheet:
        text = self.pages[number - 1]
        return TextSheet(_drawn(text), number, text)


class TextSheet(PdfSheet):
    """A page of plain text. What must be on it is known."""

    def __init__(self, page: pymupdf.Page, number: int, text: str) -> None:
        super().__init__(page, number)
        self.letters = letters(text)


def letters(text: str) -> int:
    """Count letters and digits, ligatures taken apart: what no reading of a text may lose."""
    return sum(map(str.isalnum, text if text.isascii() else unicodedata.normalize("NFKC", text)))


def decoded(data: bytes) -> str:
    """Return the text of a plain-text file: by its byte order mark, else UTF-8, else Windows-1252."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Five bytes have no meaning in Windows-1252; Latin-1 would make control characters of them.
        return data.decode("cp1252", errors="replace")


def _pages(text: str) -> Iterator[str]:
    for part in text.split("\f"):  # a form feed begins a page
        lines = [piece for line in _LINE_END.split(part) for piece in broken(line.expandtabs(8))]
        for start in range(0, len(lines), LINES):
            yield "\n".join(lines[start : start + LINES])


def broken(line: str) -> Iterator[str]:
    """Part a line into lines that fit the page: at blanks, and inside a word where there are none."""
    if len(line) * NARROW <= ROOM and _LATIN.fullmatch(line):
        yield line
        return
    start, width = 0, 0.0
    for piece in _PIECES.finditer(line):
        wide = _width(piece[0])
        if width + wide > ROOM and not piece[0].isspace():
            if width:
                yield line[start : piece.start()].rstrip()
                start, width = piece.start(), 0.0
            if wide > ROOM:
                *cuts, last = _cuts(piece[0])
                yield from (piece[0][first:end] for first, end in pairwise((0, *cuts, last)))
                start, wide = piece.start() + last, _width(piece[0][last:])
        width += wide
    if rest := line[start:].rstrip():
        yield rest


def _cuts(word: str) -> list[int]:
    """Return where a word too long for a line is cut, each as late as it fits; the last begins its rest."""
    found, width = [], 0.0
    for at, char in enumerate(word):
        wide = _char_width(char)
        if width + wide > ROOM and not unicodedata.combining(char):
            found.append(at)
            width = 0.0
        width += wide
    return found


def _width(text: str) -> float:
    return NARROW * len(text) if _LATIN.fullmatch(text) else sum(map(_char_width, text))


def _char_width(char: str) -> float:
    return NARROW if char < "\u0250" else WIDE


def _drawn(text: str) -> pymupdf.Page:
    """Return the text as one page, which grows where MuPDF needs more lines for it than expected."""
    # Entities are resolved twice, and without the byte order mark the encoding is guessed.
    source = text.replace("&", "&amp;amp;").encode("utf-8-sig")
    height = PAGE[1]
    pages = pymupdf.open(stream=source, filetype="txt")
    for _ in range(MOST_GROWTH):
        pages.layout(width=PAGE[0], height=height, fontsize=SIZE)
        if pages.page_count <= 1:
            break
        height *= 2
    page: pymupdf.Page = pages.load_page(0)
    return page
