"""Paper to draw sample documents on: text, pairs, boxes, tables and paragraphs at places in points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pymupdf

A4 = (595.0, 842.0)
MARGIN = 56.0
BLACK = (0.0, 0.0, 0.0)
GREY = (0.42, 0.42, 0.45)
BLUE = (0.10, 0.24, 0.45)
PALE = (0.93, 0.94, 0.96)

CROSS, BOX = "\u2718", "\u274f"

Colour = tuple[float, float, float]
Pairs = Iterable[tuple[str, str]]


class Align(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    CENTRE = "centre"


class Rules(StrEnum):
    """What a table is drawn with."""

    GRID = "grid"
    LINES = "lines"  # under each row
    ZEBRA = "zebra"  # every other row shaded
    HEAD = "head"  # one line under the header


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `width` in points."""

    title: str
    width: float
    align: Align = Align.LEFT


@dataclass(frozen=True, slots=True)
class Style:
    """How text is set; `font` is a name of the fonts that every reader has."""

    size: float = 10
    font: str = "helv"
    colour: Colour = BLACK


PLAIN = Style()
BOLD = Style(font="hebo")
SMALL = Style(size=8, colour=GREY)
TITLE = Style(size=20, font="hebo")


class Sheet:
    """A document that is drawn page by page. Positions are points from the top left, baselines for text."""

    def __init__(self, width: float = A4[0], height: float = A4[1]) -> None:
        self._pdf = pymupdf.open()
        self.width, self.height = width, height
        self.new_page()

    def new_page(self) -> None:
        """Go on with a fresh page."""
        self._page = self._pdf.new_page(width=self.width, height=self.height)

    def text(self, x: float, y: float, text: str, style: Style = PLAIN, align: Align = Align.LEFT) -> None:
        """Write one line; `x` is its left end, its right end or its centre."""
        width = pymupdf.get_text_length(text, fontname=style.font, fontsize=style.size)
        start = {Align.LEFT: x, Align.RIGHT: x - width, Align.CENTRE: x - width / 2}[align]
        self._page.insert_text((start, y), text, fontsize=style.size, fontname=style.font, color=style.colour)

    def lines(self, x: float, y: float, texts: Sequence[str], style: Style = PLAIN, step: float = 0) -> float:
        """Write lines below each other and return the baseline after the last."""
        step = step or style.size * 1.4
        for number, text in enumerate(texts):
            self.text(x, y + step * number, text, style)
        return y + step * len(texts)

    def pairs(
        self, x: float, y: float, pairs: Pairs, gap: float = 110, step: float = 17, style: Style = PLAIN
    ) -> float:
        """Write labels with a value beside each and return the baseline after the last."""
        for label, value in pairs:
            self.text(x, y, label, style)
            self.text(x + gap, y, value, style)
            y += step
        return y

    def sums(self, right: float, y: float, pairs: Pairs, gap: float = 170, style: Style = PLAIN) -> float:
        """Write labels with an amount each that ends at `right`; the last pair is bold."""
        listed = list(pairs)
        for number, (label, amount) in enumerate(listed):
            font = "hebo" if number == len(listed) - 1 else style.font
            own = Style(style.size, font, style.colour)
            self.text(right - gap, y, label, own)
            self.text(right, y, amount, own, Align.RIGHT)
            y += style.size * 1.8
        return y

    def box(self, x: float, y: float, width: float, height: float, label: str, value: str = "") -> None:
        """Draw a box with a small label in its corner and the lines of a value below that."""
        self._page.draw_rect((x, y, x + width, y + height), color=GREY, width=0.7)
        self.text(x + 4, y + 10, label, Style(size=7, colour=GREY))
        self.lines(x + 6, y + 23, value.split("\n"), Style(size=10))

    def tick(self, x: float, y: float, label: str, *, is_set: bool) -> None:
        """Set a check box in the signs of a symbol font, as word processors do, with its label behind it."""
        writer = pymupdf.TextWriter(self._page.rect)
        writer.append((x, y), CROSS if is_set else BOX, font=pymupdf.Font("zadb"), fontsize=11)
        writer.write_text(self._page)
        self.text(x + 14, y, label)

    def fill(self, x: float, y: float, width: float, height: float, colour: Colour = PALE) -> None:
        """Fill an area."""
        self._page.draw_rect((x, y, x + width, y + height), color=None, fill=colour)

    def rule(self, y: float, left: float = MARGIN, right: float = A4[0] - MARGIN, width: float = 0.8) -> None:
        """Draw a line across."""
        self._page.draw_line((left, y), (right, y), width=width)

    def table(
        self,
        x: float,
        y: float,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        rules: Rules = Rules.GRID,
        step: float = 20,
        size: float = 9,
    ) -> float:
        """Draw a table with its header at `y` and return the height of its lower edge.

        A line break in a cell makes its row as high as its lines.
        """
        right = x + sum(column.width for column in columns)
        top = y
        for number, row in enumerate([[column.title for column in columns], *rows]):
            height = step + (max(cell.count("\n") for cell in row)) * size * 1.25
            if rules is Rules.ZEBRA and number % 2 == 0:
                self.fill(x, y, right - x, height)
            self._row(x, y + step * 0.68, columns, row, Style(size, "hebo" if number == 0 else "helv"))
            y += height
            if rules in (Rules.GRID, Rules.LINES) or (rules is Rules.HEAD and number == 0):
                self.rule(y, x, right, 0.6)
        if rules is Rules.GRID:
            self.rule(top, x, right, 0.6)
            edge = x
            for width in [0.0, *(column.width for column in columns)]:
                edge += width
                self._page.draw_line((edge, top), (edge, y), width=0.6)
        return y

    def prose(self, x: float, y: float, width: float, text: str, style: Style = PLAIN) -> float:
        """Write a paragraph, broken at `width`, and return the baseline after it."""
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if pymupdf.get_text_length(longer, fontname=style.font, fontsize=style.size) > width:
                self.text(x, y, line, style)
                y, longer = y + style.size * 1.4, word
            line = longer
        self.text(x, y, line, style)
        return y + style.size * 2

    def pdf(self) -> bytes:
        """Return the file; the same drawing gives the same bytes."""
        return bytes(self._pdf.tobytes(deflate=True, no_new_id=True))

    def _row(
        self, x: float, baseline: float, columns: Sequence[Column], row: Sequence[str], style: Style
    ) -> None:
        for column, cell in zip(columns, row, strict=True):
            place = {
                Align.LEFT: x + 5,
                Align.RIGHT: x + column.width - 5,
                Align.CENTRE: x + column.width / 2,
            }[column.align]
            for number, text in enumerate(cell.split("\n")):
                self.text(place, baseline + number * style.size * 1.25, text, style, column.align)
            x += column.width
