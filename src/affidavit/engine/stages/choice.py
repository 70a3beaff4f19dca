"""Decide how a page is to be read: by its text layer, by OCR, by both, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affidavit.engine.result import BoundingBox, PageSource
from affidavit.engine.spec import OcrMode
from affidavit.engine.stages.affine import scale
from affidavit.engine.stages.plain_text import TextSheet
from affidavit.engine.stages.plausibility import is_garbage
from affidavit.engine.stages.sheet import UNITS_PER_INCH, PdfSheet, Sheet
from affidavit.engine.stages.text_layer import TextLayer

GLANCE_DPI = 50.0  # enough to see where there is ink
CONTRAST = 24  # grey levels off the paper's, from which a pixel is ink
A4_HEIGHT = 842.0  # points
LARGE_SHEET = 4000.0  # points
SPECKS = 4  # pixels of ink that a blank page may have

HIDDEN = 0.5  # share of undrawn words that makes a text layer the work of somebody's OCR
HIDDEN_COVERS = 0.4  # share of the ink that such a layer must account for to be trusted

LARGE_IMAGE = 0.06  # of the page: a logo is smaller, a scanned form or letter larger
SMALLEST_SIDE = 24.0  # points: lower than a line of text, or a rule drawn as an image
PAPER = 0.45  # share of an image's pixels near its commonest grey: text has paper, photographs have none
NEAR = 20  # grey levels
TEXT_INK = (0.004, 0.35)  # share of an image's pixels that is ink when the image is text

OCR_OFF = "This page has no text layer and OCR is off: what it shows was not read."
GARBAGE_KEPT = "The text layer of this page is not readable text, and OCR is off."


@dataclass(frozen=True, slots=True)
class Choice:
    """How to read a page; `regions` are the images to read by OCR, on the page as displayed."""

    source: PageSource
    regions: tuple[BoundingBox, ...] = ()
    warnings: tuple[str, ...] = ()


def choose(sheet: Sheet, layer: TextLayer, mode: OcrMode) -> Choice:
    """Decide by what the page holds, not by what the file is; plain text is never a picture."""
    if isinstance(sheet, TextSheet):
        return Choice(PageSource.NATIVE if layer.tokens else PageSource.BLANK)
    match mode:
        case OcrMode.ALWAYS:
            return Choice(PageSource.OCR if has_ink(sheet) else PageSource.BLANK)
        case OcrMode.NEVER:
            return _without_ocr(sheet, layer)
        case OcrMode.AUTO:
            return _by_content(sheet, layer)


def _without_ocr(sheet: Sheet, layer: TextLayer) -> Choice:
    if not layer.tokens:
        return Choice(PageSource.BLANK, warnings=(OCR_OFF,) if has_ink(sheet) else ())
    garbage = is_garbage(token.text for token in layer.tokens)
    return Choice(PageSource.NATIVE, warnings=(GARBAGE_KEPT,) if garbage else ())


def _by_content(sheet: Sheet, layer: TextLayer) -> Choice:
    if not layer.tokens:
        return Choice(PageSource.OCR if has_ink(sheet) else PageSource.BLANK)
    if is_garbage(token.text for token in layer.tokens):
        return Choice(PageSource.OCR)
    images = _large_images(sheet)
    if not images:
        return Choice(PageSource.NATIVE)
    if layer.hidden > HIDDEN:
        # The layer of whoever scanned the page is taken when it accounts for the ink that is there:
        # it is at hand, and its words lie where they were found. One that knows a stamp or a
        # page number only does not, and the page is read anew.
        trusted = ink_in_words(sheet, layer) >= HIDDEN_COVERS
        return Choice(PageSource.NATIVE if trusted else PageSource.OCR)
    glance = _glance(sheet)
    zoom = _glance_dpi(sheet) / UNITS_PER_INCH
    known = _mask(layer, glance.shape, zoom)
    regions = tuple(image for image in images if _may_hold_text(glance, known, scale(zoom).box(image)))
    return Choice(PageSource.MIXED if regions else PageSource.NATIVE, regions)


def has_ink(sheet: Sheet) -> bool:
    """Tell whether anything is to be seen on the page."""
    return int(_ink(_glance(sheet)).sum()) > SPECKS


def ink_in_words(sheet: Sheet, layer: TextLayer) -> float:
    """Return the share of the page's ink that lies in the words of its text layer."""
    ink = _ink(_glance(sheet))
    words = _mask(layer, ink.shape, _glance_dpi(sheet) / UNITS_PER_INCH)
    return float((ink & words).sum()) / max(int(ink.sum()), 1)


def _glance(sheet: Sheet) -> NDArray[np.int16]:
    return np.asarray(sheet.raster(_glance_dpi(sheet)).convert("L")).astype(np.int16)


def _glance_dpi(sheet: Sheet) -> float:
    """Return GLANCE_DPI, or for images and posters what makes their longer side that of a sheet of A4."""
    if isinstance(sheet, PdfSheet) and max(sheet.width, sheet.height) < LARGE_SHEET:
        return GLANCE_DPI
    return GLANCE_DPI * min(1.0, A4_HEIGHT / max(sheet.width, sheet.height, 1.0))


def _ink(grey: NDArray[np.int16]) -> NDArray[np.bool_]:
    return np.abs(grey - _paper(grey)) > CONTRAST


def _paper(grey: NDArray[np.int16]) -> int:
    return int(np.bincount(grey.ravel(), minlength=256).argmax())


def _mask(layer: TextLayer, shape: tuple[int, ...], zoom: float) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=np.bool_)
    for token in layer.tokens:
        x0, y0, x1, y1 = (max(0, round(side * zoom)) for side in layer.to_display.box(token.box))
        mask[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = True
    return mask


def _large_images(sheet: Sheet) -> list[BoundingBox]:
    """Return the images that take a good part of the page, on the page as displayed."""
    if not isinstance(sheet, PdfSheet) or not sheet.page.parent.is_pdf or not sheet.page.get_images():
        return []
    boxes = (_clipped(sheet.to_display.box(info["bbox"]), sheet) for info in sheet.page.get_image_info())
    least = LARGE_IMAGE * sheet.width * sheet.height
    large = [box for box in boxes if min(_sides(box)) >= SMALLEST_SIDE and _area(box) >= least]
    return _disjoint(large)


def _clipped(box: BoundingBox, sheet: Sheet) -> BoundingBox:
    x0, y0, x1, y1 = box
    return max(x0, 0.0), max(y0, 0.0), min(x1, sheet.width), min(y1, sheet.height)


def _sides(box: BoundingBox) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _area(box: BoundingBox) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _disjoint(boxes: Sequence[BoundingBox]) -> list[BoundingBox]:
    """Return the boxes without those that lie mostly in a larger one."""
    kept: list[BoundingBox] = []
    for box in sorted(boxes, key=_area, reverse=True):
        if not any(_area(_shared(box, other)) > 0.5 * _area(box) for other in kept):
            kept.append(box)
    return kept


def _shared(one: BoundingBox, other: BoundingBox) -> BoundingBox:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _may_hold_text(glance: NDArray[np.int16], known: NDArray[np.bool_], box: BoundingBox) -> bool:
    """Tell whether the image looks like dark on light in places where the text layer has no words."""
    x0, y0, x1, y1 = (round(side) for side in box)
    grey, words = glance[y0:y1, x0:x1], known[y0:y1, x0:x1]
    if not grey.size or float((np.abs(grey - _paper(grey)) <= NEAR).mean()) < PAPER:
        return False
    return TEXT_INK[0] <= float((_ink(grey) & ~words).mean()) <= TEXT_INK[1]
