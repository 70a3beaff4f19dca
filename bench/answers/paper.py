"""Draw a text with headings, paragraphs, lists and tables as a PDF."""

from __future__ import annotations

from collections.abc import Sequence

import pymupdf

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 595, 842, 60, 535, 60, 790
SIZE, LINE, ROW = 10.5, 14.5, 20.0


class Paper:
    """Pages that grow from the top; a new one is begun at the bottom."""

    def __init__(self) -> None:
        self.pdf = pymupdf.open()
        self._turn()

    def _turn(self) -> None:
        self.page = self.pdf.new_page(width=WIDTH, height=HEIGHT)
        self.y = float(TOP)

    def _room(self, height: float) -> None:
        if self.y + height > BOTTOM:
            self._turn()

    def heading(self, text: str, size: float) -> None:
        self._room(size * 2.2)
        self.y += size * 1.5
        self.page.insert_text((LEFT, self.y), text, fontsize=size, fontname="hebo")
        self.y += size * 0.4

    def paragraph(self, text: str, indent: float = 0.0) -> None:
        self.y += 6
        line: list[str] = []
        for word in [*text.split(), ""]:
            wide = pymupdf.get_text_length(" ".join([*line, word]), fontname="helv", fontsize=SIZE)
            if line and (not word or wide > RIGHT - LEFT - indent):
                self._room(LINE)
                self.y += LINE
                self.page.insert_text((LEFT + indent, self.y), " ".join(line), fontsize=SIZE)
                line = []
            line.append(word)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        self.y += 10
        columns = len(rows[0])
        step = (RIGHT - LEFT) / columns
        top = self.y
        for number, row in enumerate(rows):
            font = "hebo" if number == 0 else "helv"
            for column, text in enumerate(row):
                self.page.insert_text(
                    (LEFT + column * step + 4, self.y + 14), text, fontsize=9.5, fontname=font
                )
            self.y += ROW
        for number in range(len(rows) + 1):
            self.page.draw_line((LEFT, top + number * ROW), (RIGHT, top + number * ROW), width=0.6)
        for column in range(columns + 1):
            self.page.draw_line((LEFT + column * step, top), (LEFT + column * step, self.y), width=0.6)


def drawn(text: str) -> bytes:
    """Return the PDF of a text: `#` begins a heading, `-` an item, `|` a row, a blank line a paragraph."""
    paper = Paper()
    for part in text.strip().split("\n\n"):
        lines = part.strip().split("\n")
        if lines[0].startswith("|"):
            paper.table([[cell.strip() for cell in line.strip("|").split("|")] for line in lines])
        elif lines[0].startswith("#"):
            paper.heading(lines[0].lstrip("# "), 18 if lines[0].startswith("# ") else 13)
        elif lines[0].startswith(("- ", "+ ")):
            for line in lines:
                paper.paragraph(("\u2022 " if line[0] == "-" else "") + line[2:], 12 if line[0] == "-" else 0)
        else:
            paper.paragraph(" ".join(lines))
    return bytes(paper.pdf.tobytes())
