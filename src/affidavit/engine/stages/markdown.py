"""Write the blocks of a page as Markdown, and note where every word stands in it.

The text of a word can be taken back from its range: `unescape(markdown[start:end])` holds it. Three
things are changed on purpose: the sign of a list item becomes `-`, a word that was hyphenated
over a line end is joined and both halves have the range of the whole, and no word is changed else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from affidavit.engine.result import BlockType, Range
from affidavit.engine.stages.draft import BlockDraft, CellDraft, TableDraft, WordLine
from affidavit.engine.stages.paragraphs import BULLET
from affidavit.engine.stages.token import Token

SOFT_HYPHEN = "\xad"

# Characters that CommonMark or GFM would read as markup where they stand. An underscore inside a
# word is text, and so are brackets that no parenthesis follows.
_SPECIAL = re.compile(r"[\\`*]|^_+|_+$|~~|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=\()")
_LINE_START = re.compile(r"(?:#{1,6}|[-+]|=+|-{2,}|~{3,})$|>|\d{1,9}[.)]$")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_PIPE = re.compile(r"\|")


def escape(text: str) -> str:
    """Return the word with a backslash before what would be markup inside a line."""
    return _SPECIAL.sub(_escaped, text) if _SPECIAL.search(text) else text


def unescape(markdown: str) -> str:
    """Return the text that `markdown` shows: the inverse of `escape`."""
    return _ESCAPED.sub(r"\1", markdown) if "\\" in markdown else markdown


def _escaped(found: re.Match[str]) -> str:
    return "".join("\\" + char for char in found[0])


def _escape_start(text: str) -> str:
    """Escape the first word of a line, which could make it a heading, a quote or a list item."""
    escaped = escape(text)
    if not _LINE_START.match(escaped):
        return escaped
    at = len(escaped) - 1 if escaped[0].isdigit() else 0
    return f"{escaped[:at]}\\{escaped[at:]}"


@dataclass(slots=True)
class Written:
    """Markdown, with the code-point range of each word, block and cell of which something is shown."""

    markdown: str = ""
    words: dict[int, Range] = field(default_factory=dict)
    blocks: list[Range] = field(default_factory=list)
    cells: dict[int, Range] = field(default_factory=dict)  # by id() of the draft


def write(blocks: Sequence[BlockDraft], tokens: Sequence[Token]) -> Written:
    """Return the Markdown of the blocks, parted by blank lines; items of a list by line ends."""
    writer = _Writer(tokens)
    before: BlockDraft | None = None
    for block in blocks:
        if before is not None:
            both_items = before.type is block.type is BlockType.LIST_ITEM
            writer.put("\n" if both_items else "\n\n")
        start = writer.length
        writer.block(block)
        writer.written.blocks.append((start, writer.length))
        before = block
    writer.written.markdown = "".join(writer.parts)
    return writer.written


class _Writer:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.parts: list[str] = []
        self.length = 0
        self.written = Written()

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def word(self, index: int, shown: str) -> None:
        self.written.words[index] = (self.length, self.length + len(shown))
        self.put(shown)

    def block(self, block: BlockDraft) -> None:
        match block.type:
            case BlockType.TABLE if block.table is not None:
                self.table(block.table)
            case BlockType.HEADING:
                self.put("#" * (block.level or 1) + " ")
                self.line([word for line in block.lines for word in line], starts=False)
            case BlockType.LIST_ITEM:
                self.item(block.lines)
            case _:
                self.lines(block.lines, "\n")

    def item(self, lines: tuple[WordLine, ...]) -> None:
        first, *rest = lines
        mark = self.tokens[first[0]].text
        if BULLET.fullmatch(mark):
            self.word(first[0], "-")
            self.put(" ")
            first = first[1:]
            self.lines((first, *rest), "\n  ", starts=False)
            return
        if not re.fullmatch(r"\d{1,9}[.)]", mark):  # what CommonMark does not know as a number
            self.put("- ")
        self.lines((first, *rest), "\n  ", starts=False)

    def lines(self, lines: Sequence[WordLine], joint: str, *, starts: bool = True) -> None:
        """Write lines, joining a word that was hyphenated over the end of one."""
        skip = 0
        for number, line in enumerate(lines):
            rest = list(line[skip:])
            skip = 0
            following = lines[number + 1] if number + 1 < len(lines) else ()
            joined = bool(rest and following) and self._is_broken(rest[-1], following[0])
            if number and rest:
                self.put(joint)
            self.line(rest[:-1] if joined else rest, starts=starts or number > 0)
            if joined:
                self.put(" " if len(rest) > 1 else "")
                self._join(rest[-1], following[0])
                skip = 1

    def line(self, words: Sequence[int], *, starts: bool) -> None:
        for place, index in enumerate(words):
            text = self.tokens[index].text
            if place:
                self.put(" ")
            self.word(index, _escape_start(text) if starts and not place else escape(text))

    def _is_broken(self, first: int, second: int) -> bool:
        head, tail = self.tokens[first].text, self.tokens[second].text
        if head.endswith(SOFT_HYPHEN):
            return True
        return len(head) > 2 and head[-1] in "-\u2010" and head[-2].isalpha() and tail[0].islower()

    def _join(self, first: int, second: int) -> None:
        whole = self.tokens[first].text[:-1] + self.tokens[second].text
        self.word(first, escape(whole))
        self.written.words[second] = self.written.words[first]

    def table(self, table: TableDraft) -> None:
        """Write a GFM table; a cell that spans is written at its first place."""
        places = {(cell.row, cell.column): cell for cell in table.cells}
        for row in range(table.rows):
            self.put("|" if row == 0 else "\n|")
            for column in range(table.columns):
                self.cell(places.get((row, column)))
            if row == 0:
                self.put("\n|" + " --- |" * table.columns)

    def cell(self, cell: CellDraft | None) -> None:
        self.put(" ")
        words = [word for line in cell.lines for word in line] if cell else []
        start = self.length
        for place, index in enumerate(words):
            if place:
                self.put(" ")
            self.word(index, _PIPE.sub(r"\\|", escape(self.tokens[index].text)))
        if cell and words:
            self.written.cells[id(cell)] = (start, self.length)
        self.put(" |" if words else "|")
