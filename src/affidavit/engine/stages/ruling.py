"""Find the ruling lines of a page: in a PDF's drawings, or in the pixels of a scan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from affidavit.engine.stages.affine import Affine
from affidavit.engine.stages.deskew import Ink, ink_of
from affidavit.engine.stages.sheet import PdfSheet
from affidavit.engine.stages.token import Rule

THIN = 3.0  # points: a filled rectangle up to this is a line
LEVEL = 0.5  # points off an axis that a line may be
SHORTEST = 4.0  # points
WHITE = 0.98  # of each colour component
MOST_RULES = 6000  # a page with more is a drawing, not a table

# Of a scan, in heights of its text: a scan's own resolution is often unknown or wrong.
TEXT_PIXELS = 18.0  # what the text is scaled down to; a hairline of a 200 dpi scan is still a pixel
LONG_LEVEL = 3.0  # no stroke of a letter is so wide
LONG_PLUMB = 1.4  # taller than the letters of running text
THICK = 0.4  # thicker is a bar or a picture


def drawn_rules(sheet: PdfSheet, to_reading: Affine) -> list[Rule]:
    """Return the level and plumb lines and edges that the page draws, in the reading frame.

    `to_reading` leads there from the page as displayed.
    """
    to_reading = sheet.to_display.then(to_reading)
    rules: list[Rule] = []

    def collect(path: dict[str, Any]) -> None:
        if len(rules) < MOST_RULES and _is_visible(path):
            rules.extend(_rules_of(path))

    sheet.page.get_cdrawings(callback=collect)
    if len(rules) >= MOST_RULES:
        return []
    return [Rule(*to_reading.box(rule)) for rule in rules]


def _is_visible(path: dict[str, Any]) -> bool:
    """Tell whether the path draws anything that is not white: white fills are masks, not cells."""
    if path["type"] not in {"s", "f", "fs"}:
        return False
    return path["type"] != "f" or min(path.get("fill") or (0.0,)) < WHITE


def _rules_of(path: dict[str, Any]) -> Iterable[Rule]:
    for item in path["items"]:
        match item[0]:
            case "l":
                yield from _line(*item[1], *item[2])
            case "re":
                yield from _rectangle(item[1])
            case "qu":
                (x0, y0), _, _, (x1, y1) = item[1]
                yield from _rectangle((x0, y0, x1, y1))


def _line(x0: float, y0: float, x1: float, y1: float) -> Iterable[Rule]:
    wide, high = abs(x1 - x0), abs(y1 - y0)
    if min(wide, high) <= LEVEL and max(wide, high) >= SHORTEST:
        yield Rule(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _rectangle(box: tuple[float, float, float, float]) -> Iterable[Rule]:
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    if y1 - y0 <= THIN:
        yield from _line(x0, middle_y, x1, middle_y)
    elif x1 - x0 <= THIN:
        yield from _line(middle_x, y0, middle_x, y1)
    else:
        for edge in ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)):
            yield from _line(*edge)


def scanned_rules(image: Image.Image, zoom: float, text_height: float) -> list[Rule]:
    """Return the long straight lines of ink in a level image, in page units.

    The image has `zoom` pixels per page unit; `text_height` is that of its text, in page units.
    """
    factor = min(1.0, TEXT_PIXELS / max(text_height * zoom, 1.0))
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    ink = ink_of(image.convert("L").resize(size, Image.Resampling.BOX))
    height = text_height * zoom * factor
    level = _runs(_thickened(ink), round(LONG_LEVEL * height), round(THICK * height))
    plumb = _runs(_thickened(ink.T), round(LONG_PLUMB * height), round(THICK * height))
    if len(level) + len(plumb) > MOST_RULES:
        return []
    per_unit = zoom * factor
    rules = [(x0, y, x1, y) for x0, y, x1 in level] + [(x, y0, x, y1) for y0, x, y1 in plumb]
    return [Rule(*(side / per_unit for side in rule)) for rule in rules]


def _thickened(ink: Ink) -> Ink:
    """Return the ink with each pixel spread to the rows beside it, so that a sloping line holds."""
    thick = ink.copy()
    thick[1:] |= ink[:-1]
    thick[:-1] |= ink[1:]
    return thick


def _runs(ink: Ink, length: int, thickness: int) -> list[tuple[float, float, float]]:
    """Return runs of ink along the rows of at least `length` as (from, row, to).

    Runs in adjacent rows that overlap are one line; what is thicker than `thickness` is no line.
    """
    padded = np.zeros((ink.shape[0], ink.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = ink
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    long = ends - starts >= max(length, 3)
    return _lines(rows[long], starts[long], ends[long], thickness + 2)


def _lines(
    rows: NDArray[np.intp], starts: NDArray[np.intp], ends: NDArray[np.intp], thickness: int
) -> list[tuple[float, float, float]]:
    open_lines: list[list[int]] = []  # first row, last row, from, to
    closed: list[list[int]] = []
    for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        closed += [line for line in open_lines if line[1] < row - 1]
        open_lines = [line for line in open_lines if line[1] >= row - 1]
        for line in open_lines:
            if start < line[3] and end > line[2]:
                line[1], line[2], line[3] = row, min(line[2], start), max(line[3], end)
                break
        else:
            open_lines.append([row, row, start, end])
    found = closed + open_lines
    return [(x0, (top + low + 1) / 2, x1) for top, low, x0, x1 in found if low - top < thickness]
