"""Make poor copies of documents: every page an image, turned a little, noisy, blurred and compressed."""

from __future__ import annotations

import io
from random import Random

import numpy as np
import pymupdf
from PIL import Image, ImageFilter

DPI = 200
SKEW = 2.0  # degrees at most, to either side
BLUR = (0.3, 0.8)  # radius in pixels
NOISE = (3.0, 9.0)  # standard deviation, of 255
QUALITY = (45, 75)  # of JPEG
REVISION = 1  # raise it when a copy comes out otherwise


def poor_copy(data: bytes, name: str, seed: str) -> bytes:
    """Return the document as a PDF of bad scans; the same bytes for the same seed."""
    chance = Random(seed)
    with pymupdf.open(stream=data, filetype=name.rpartition(".")[2]) as source, pymupdf.open() as copy:
        for page in source:
            image = _worsened(_raster(page), chance)
            paper = copy.new_page(width=page.rect.width, height=page.rect.height)
            paper.insert_image(paper.rect, stream=image, keep_proportion=False)
        return bytes(copy.tobytes(no_new_id=True))


def _raster(page: pymupdf.Page) -> Image.Image:
    drawn = page.get_pixmap(dpi=DPI, alpha=False, colorspace=pymupdf.csRGB)
    return Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples)


def _worsened(image: Image.Image, chance: Random) -> bytes:
    turned = image.rotate(chance.uniform(-SKEW, SKEW), Image.Resampling.BICUBIC, fillcolor="white")
    blurred = turned.filter(ImageFilter.GaussianBlur(chance.uniform(*BLUR)))
    noise = np.random.default_rng(chance.getrandbits(32)).normal(
        0, chance.uniform(*NOISE), (*blurred.size[::-1], 1)
    )
    pixels = np.clip(np.asarray(blurred, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=chance.randint(*QUALITY))
    return file.getvalue()
