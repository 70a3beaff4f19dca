"""Read the text layer of a PDF page: its words where they are displayed, and how they are drawn."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import pymupdf

from affidavit.engine.stages.affine import IDENTITY, Affine, quarter_turn
from affidavit.engine.stages.sheet import PdfSheet
from affidavit.engine.stages.token import Token

# Ligatures are expanded and unmapped glyphs become U+FFFD: what is written is what a person would
# type, and what cannot be known is seen to be unknown. What lies outside the displayed page is not read.
FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP

DRAWN = 16 | 32  # char_flags of filled and of stroked glyphs; neither means render mode 3, invisible
BOLD = 1 << 4  # span flag
TINY = 2.0  # points: a third of the smallest print
PALE = 225  # of 255 in red, green and blue: white, or nearly
OBLIQUE = math.sin(math.radians(15))  # off the axes by more than this is a stamp or a watermark

_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # codes that a font maps to nothing: unknown, and told so


class Style(NamedTuple):
    """How a run of glyphs is drawn; `turn` is clockwise from the displayed page, -1 for oblique.

    `faint` is what may not be seen: not drawn, tiny, or nearly white.
    """

    size: float
    bold: bool
    drawn: bool
    turn: int
    faint: bool = False


@dataclass(frozen=True, slots=True)
class TextLayer:
    """The words of a page in its reading frame.

    `upright` is the clockwise turn that leads from the displayed page to the reading frame, and
    `to_display` the way back. `hidden` is the share of words that are not drawn.
    """

    tokens: list[Token]
    upright: int = 0
    to_display: Affine = IDENTITY
    hidden: float = 0.0


def read_text_layer(sheet: PdfSheet) -> TextLayer:
    """Return the words of the page, without those that are drawn twice at one place."""
    textpage = sheet.page.get_textpage(flags=FLAGS)
    words = textpage.extractWORDS()
    if not words:
        return TextLayer([])
    lines = _styles(textpage.extractDICT()["blocks"], sheet.rotation)
    styled = [(word, _style_of(word, lines)) for word in words]
    upright = -_dominant_turn([style for _, style in styled]) % 360
    frame = quarter_turn(upright, sheet.width, sheet.height)
    to_reading = sheet.to_display.then(frame)
    hidden = sum(not style.drawn for _, style in styled) / len(styled)
    return TextLayer(_tokens(styled, to_reading, upright), upright, frame.inverse(), hidden)


def _tokens(styled: list[tuple[Any, Style]], to_reading: Affine, upright: int) -> list[Token]:
    moves = to_reading != IDENTITY
    level = -upright % 360
    seen: set[tuple[str, int, int]] = set()
    tokens: list[Token] = []
    for word, style in styled:
        x0, y0, x1, y1, raw, block, line, _ = word
        text = _CONTROL.sub("\ufffd", _INVISIBLE.sub("", raw)).strip()
        place = (text, round(x0 / 2), round(y0 / 2))
        if not text or place in seen:
            continue
        seen.add(place)
        if moves:
            x0, y0, x1, y1 = to_reading.box((x0, y0, x1, y1))
        segment, turned = block << 20 | line, style.turn != level
        drawn = {"bold": style.bold, "turned": turned, "faint": style.faint}
        tokens.append(Token(text, x0, y0, x1, y1, style.size, segment, **drawn))
    return tokens


Lines = dict[tuple[int, int], list[tuple[float, float, Style]]]


def _styles(blocks: list[dict[str, Any]], rotation: int) -> Lines:
    """Return the spans of each line by (block, line): where they run from and to, and their style."""
    lines: Lines = {}
    bold: dict[tuple[str, int], bool] = {}
    for block in blocks:
        for number, line in enumerate(block.get("lines", ())):
            turn = _turn(line["dir"], rotation)
            spans = []
            for span in line["spans"]:
                key = (span["font"], span["flags"])
                if key not in bold:
                    bold[key] = bool(key[1] & BOLD) or "bold" in key[0].lower()
                drawn = bool(span["char_flags"] & DRAWN) and span["alpha"] > 0
                x0, _, x1, _ = span["bbox"]
                faint = not drawn or span["size"] < TINY or _is_pale(span["color"])
                spans.append((x0, x1, Style(span["size"], bold[key], drawn, turn, faint)))
            lines[block["number"], number] = spans
    return lines


def _is_pale(colour: int) -> bool:
    return min(colour >> 16 & 255, colour >> 8 & 255, colour & 255) >= PALE


def _style_of(word: Any, lines: Lines) -> Style:
    x0, y0, x1, y1, _, block, line, _ = word
    spans = lines.get((block, line))
    if not spans:
        return Style(y1 - y0, bold=False, drawn=True, turn=0)
    if len(spans) > 1:
        middle = (x0 + x1) / 2
        for start, end, style in spans:
            if start <= middle <= end:
                return style
    return spans[0][2]


def _turn(direction: tuple[float, float], rotation: int) -> int:
    cos, sin = direction
    if min(abs(cos), abs(sin)) > OBLIQUE:
        return -1
    if abs(cos) >= abs(sin):
        return (rotation if cos > 0 else 180 + rotation) % 360
    return ((90 if sin > 0 else 270) + rotation) % 360


def _dominant_turn(styles: list[Style]) -> int:
    turns = Counter(style.turn for style in styles if style.turn >= 0)
    return turns.most_common(1)[0][0] if turns else 0
