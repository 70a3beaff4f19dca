"""Cut the rows of a region into blocks: paragraphs, headings, list items and tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from affidavit.engine.result import BlockType
from affidavit.engine.stages.draft import BlockDraft, TableDraft, WordLine
from affidavit.engine.stages.segments import Row
from affidavit.engine.stages.token import Token

LOOSE = 0.75  # of the font size: white between two lines that parts paragraphs
RESIZED = 1.15  # ratio of font sizes that parts paragraphs
RESIZED_SCAN = 1.35  # the same for OCR, whose sizes are heights of boxes
INDENT = 1.0  # of the font size
BODY_SHARE = 0.25  # of the page's characters: what has so many is no heading, however large
LEVELS = ((1.75, 1), (1.4, 2), (0.0, 3))  # least ratio of a heading's size to the body's, and its level
BOLD_LEVEL = 4  # bold in the body's size
LONGEST_HEADING = 160  # characters
HEADING_LINES = 3

BULLET = re.compile("[•◦▪▫‣·●○■□◆➢➤✓*\u2013\u2014\uf0b7\uf0a7-]")
NUMBERED = re.compile(r"\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)]|[A-Z]\)")


@dataclass(frozen=True, slots=True)
class PageStyle:
    """What is usual on the page: the sizes of its body text, and whether that is mostly bold.

    `size` is the one that most characters have; `largest` the largest that many have.
    """

    size: float
    largest: float
    bold: bool
    native: bool


@dataclass(frozen=True, slots=True)
class _Line:
    words: WordLine
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    segments: int


def style_of(tokens: Sequence[Token]) -> PageStyle:
    """Return the style that most characters of the page have."""
    sizes: Counter[float] = Counter()
    bold = native = total = 0
    for token in tokens:
        length = len(token.text)
        sizes[round(token.size * 2) / 2] += length
        bold += length * token.bold
        native += length * token.native
        total += length
    size = max(sizes.most_common(1)[0][0] if sizes else 1.0, 1.0)
    largest = max((each for each, count in sizes.items() if count >= BODY_SHARE * total), default=size)
    return PageStyle(size, max(size, largest), 2 * bold > total, 2 * native > total)


def blocks_of(
    rows: Sequence[Row], tokens: Sequence[Token], tables: Sequence[TableDraft], style: PageStyle
) -> list[BlockDraft]:
    """Return the blocks of one region, in order."""
    blocks: list[BlockDraft] = []
    group: list[_Line] = []
    for row in rows:
        for line in _lines_of(row, tokens):
            if isinstance(line, int):
                blocks += _closed(group, tokens, style)
                group = []
                blocks.append(BlockDraft(BlockType.TABLE, (), table=tables[line]))
                continue
            if group and _parts(group, line, tokens, style):
                blocks += _closed(group, tokens, style)
                group = []
            group.append(line)
    return blocks + _closed(group, tokens, style)


def _lines_of(row: Row, tokens: Sequence[Token]) -> list[_Line | int]:
    """Return the line that a row makes; tables stand by themselves, as their index."""
    found: list[_Line | int] = []
    text: Row = []
    for segment in row:
        if segment.table < 0:
            text.append(segment)
            continue
        if text:
            found.append(_line(text, tokens))
            text = []
        found.append(segment.table)
    return [*found, _line(text, tokens)] if text else found


def _line(row: Row, tokens: Sequence[Token]) -> _Line:
    words = tuple(word for segment in row for word in segment.words)
    bold = all(tokens[word].bold for word in words)
    return _Line(
        words,
        row[0].x0,
        min(segment.y0 for segment in row),
        max(segment.x1 for segment in row),
        max(segment.y1 for segment in row),
        max(segment.size for segment in row),
        bold,
        len(row),
    )


def _parts(group: list[_Line], line: _Line, tokens: Sequence[Token], style: PageStyle) -> bool:
    """Tell whether `line` begins a new block after `group`."""
    before = group[-1]
    small, large = sorted((before.size, line.size))
    if large > small * (RESIZED if style.native else RESIZED_SCAN) or line.bold != before.bold:
        return True
    if line.y0 - before.y1 > LOOSE * line.size or line.x0 > before.x1 or line.x1 < before.x0:
        return True
    if _marker(line, tokens):
        return True
    is_item = _marker(group[0], tokens)
    if is_item:
        return line.x0 < group[0].x0 + 0.3 * line.size and before.x1 < line.x1
    return line.x0 > before.x0 + INDENT * line.size and line.segments == 1 and len(group) > 1


def _marker(line: _Line, tokens: Sequence[Token]) -> bool:
    if len(line.words) < 2:
        return False
    first = tokens[line.words[0]].text
    return bool(BULLET.fullmatch(first) or NUMBERED.fullmatch(first))


def _closed(group: list[_Line], tokens: Sequence[Token], style: PageStyle) -> list[BlockDraft]:
    if not group:
        return []
    lines = tuple(line.words for line in group)
    level = _heading_level(group, tokens, style)
    if level is not None:
        return [BlockDraft(BlockType.HEADING, lines, level)]
    if _marker(group[0], tokens):
        return [BlockDraft(BlockType.LIST_ITEM, lines, 1)]
    return [BlockDraft(BlockType.PARAGRAPH, lines)]


def _heading_level(group: list[_Line], tokens: Sequence[Token], style: PageStyle) -> int | None:
    text = " ".join(tokens[word].text for line in group for word in line.words)
    if len(group) > HEADING_LINES or len(text) > LONGEST_HEADING or not any(map(str.isalpha, text)):
        return None
    is_item = _marker(group[0], tokens) and text[-1] in ".:;,"
    if is_item or any(line.segments > 1 for line in group):
        return None
    ratio = max(line.size for line in group) / style.largest
    if ratio >= (RESIZED if style.native else RESIZED_SCAN):
        return next(level for least, level in LEVELS if ratio >= least)
    alone = len(group) == 1 and len(text) <= LONGEST_HEADING / 2
    is_title = alone and group[0].bold and not style.bold and text[-1] not in ".:;,"
    return BOLD_LEVEL if is_title and ratio > 1 / RESIZED and len(text) > 2 else None
