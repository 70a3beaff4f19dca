"""One page of an open document: its size as displayed, and its picture at any resolution."""

from __future__ import annotations

import math
from typing import Protocol

import pymupdf
from PIL import Image

from affidavit.engine.result import BoundingBox
from affidavit.engine.spec import Limits
from affidavit.engine.stages.affine import Affine

UNITS_PER_INCH = 72.0  # a page unit at 72 dpi is one pixel; an image's own pixels are its units


class Sheet(Protocol):
    """A page. Boxes and sizes are in page units, as displayed."""

    @property
    def number(self) -> int: ...

    @property
    def width(self) -> float: ...

    @property
    def height(self) -> float: ...

    @property
    def rotation(self) -> int: ...

    def ocr_dpi(self, wanted: int) -> float:
        """Return the resolution to read this page at, where `wanted` is for pages without their own."""

    def raster(self, dpi: float, clip: BoundingBox | None = None) -> Image.Image:
        """Return the page as displayed, or the part of it in `clip`, as an RGB image."""


class PdfSheet:
    """A page that MuPDF renders."""

    def __init__(self, page: pymupdf.Page, number: int, *, is_repaired: bool = False) -> None:
        self.page = page
        self.number = number
        self.is_repaired = is_repaired
        rect = page.rect
        self.width, self.height = float(rect.width), float(rect.height)
        self.rotation = int(page.rotation) % 360
        # MuPDF tells places on the page before its rotation; this leads to where they are displayed.
        turn = page.rotation_matrix
        self.to_display = Affine(turn.a, turn.b, turn.c, turn.d, turn.e, turn.f)

    def ocr_dpi(self, wanted: int) -> float:
        return wanted

    def raster(self, dpi: float, clip: BoundingBox | None = None) -> Image.Image:
        zoom = dpi / UNITS_PER_INCH
        area = pymupdf.Rect(clip) if clip else None
        pixmap = self.page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), clip=area, alpha=False)
        return Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples)


class PictureSheet:
    """A page that is an image; its unit is the image's pixel."""

    rotation = 0

    def __init__(self, image: Image.Image, number: int) -> None:
        self.image = image
        self.number = number
        self.width, self.height = float(image.width), float(image.height)

    def ocr_dpi(self, wanted: int) -> float:  # noqa: ARG002 - an image is read as it is
        return UNITS_PER_INCH

    def raster(self, dpi: float, clip: BoundingBox | None = None) -> Image.Image:
        image = self.image.crop(clip) if clip else self.image
        if dpi == UNITS_PER_INCH:
            return image
        zoom = dpi / UNITS_PER_INCH
        size = max(1, round(image.width * zoom)), max(1, round(image.height * zoom))
        return image.resize(size, Image.Resampling.BOX if zoom < 1 else Image.Resampling.BICUBIC)


def fitting_dpi(sheet: Sheet, dpi: float, limits: Limits) -> float:
    """Return `dpi`, or less where the page's raster would pass the limits on pixels."""
    zoom = dpi / UNITS_PER_INCH
    width, height = max(sheet.width, 1.0), max(sheet.height, 1.0)
    by_area = math.sqrt(limits.pixels / (width * height))
    by_side = limits.side_pixels / max(width, height)
    return UNITS_PER_INCH * min(zoom, by_area, by_side)
