"""Draw the image of a page that goes beside its text."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from affidavit.engine.spec import Limits
from affidavit.engine.stages.sheet import UNITS_PER_INCH, PictureSheet, Sheet, fitting_dpi

# An A4 text page costs 3 ms to draw and 22 ms to encode at 110 dpi, and takes 29 kB; 10-point text
# is still comfortable to read. WebP's method 4 would save a fifth of the bytes for three times the time.
DPI = 110
QUALITY = 60
METHOD = 0
WEBP_SIDE = 16383  # pixels: the format has 14 bits for each
LONGEST_SIDE = 1600  # pixels, for images, whose own resolution may be a camera's


@dataclass(frozen=True, slots=True)
class PageImage:
    """A WebP of the page as displayed. Width and height are in pixels."""

    data: bytes
    width: int
    height: int


def image_dpi(sheet: Sheet, limits: Limits) -> float:
    """Return the resolution of the page image: box times dpi / 72 is in its pixels."""
    if isinstance(sheet, PictureSheet):
        wanted = UNITS_PER_INCH * min(1.0, LONGEST_SIDE / max(sheet.width, sheet.height, 1.0))
    else:
        wanted = DPI
    by_format = UNITS_PER_INCH * (WEBP_SIDE - 1) / max(sheet.width, sheet.height, 1.0)
    return fitting_dpi(sheet, min(wanted, by_format), limits)


def draw(sheet: Sheet, dpi: float) -> PageImage:
    """Draw and encode the page as displayed."""
    return encode(sheet.raster(dpi))


def encode(image: Image.Image) -> PageImage:
    """Encode an RGB image of at most WEBP_SIDE pixels a side."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=METHOD)
    return PageImage(buffer.getvalue(), image.width, image.height)
