"""Which way up a page lies."""

from __future__ import annotations

import functools

import pymupdf
import pytest
from PIL import Image

from affidavit.engine.ocr.orientation import LEAST_CONFIDENCE, judge, upright

LAID = {
    0: None,
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
PROSE = "The seller delivers the goods listed below to the address of the buyer. "


@functools.cache
def page(kind: str) -> Image.Image:
    """Print a letter, a form or a wide sheet at 100 dpi."""
    width, height = (842, 595) if kind == "wide" else (595, 842)
    sheet = pymupdf.open().new_page(width=width, height=height)
    if kind == "form":
        for row in range(24):
            sheet.insert_text((60, 80 + 30 * row), f"Position {row}", fontsize=11)
            sheet.insert_text((430, 80 + 30 * row), f"{row * 17},50 EUR", fontsize=11)
    else:
        box = pymupdf.Rect(60, 60, width - 60, height - 60)
        sheet.insert_textbox(box, PROSE * 25, fontsize=11)
    raster = sheet.get_pixmap(dpi=100)
    return Image.frombytes("RGB", (raster.width, raster.height), raster.samples)


def laid(kind: str, clockwise: int) -> Image.Image:
    turn = LAID[clockwise]
    return page(kind).transpose(turn) if turn is not None else page(kind)


@pytest.mark.parametrize("kind", ["letter", "form", "wide"])
@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_page_is_turned_back_however_it_was_laid(kind: str, clockwise: int) -> None:
    assert upright(laid(kind, clockwise)) == (360 - clockwise) % 360


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (4000, 50)])
def test_image_that_says_nothing_is_left_as_it_is(size: tuple[int, int]) -> None:
    assert upright(Image.new("L", size, 255)) == 0


def test_grayscale_page_is_judged_as_the_colour_one() -> None:
    assert judge(page("letter").convert("L")).turn == judge(page("letter")).turn == 0


def test_doubtful_verdict_turns_nothing() -> None:
    line = page("letter").crop((80, 90, 400, 131))
    doubtful = [judge(line.transpose(turn) if turn is not None else line) for turn in LAID.values()]
    for verdict, turn in zip(doubtful, LAID.values(), strict=True):
        image = line.transpose(turn) if turn is not None else line
        assert upright(image) == (verdict.turn if verdict.confidence >= LEAST_CONFIDENCE else 0)
    assert any(verdict.confidence < LEAST_CONFIDENCE for verdict in doubtful)
