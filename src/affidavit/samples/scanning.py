"""Make a scan of a document: images of its pages, skewed, grey and a little noisy."""

from __future__ import annotations

import io
import random

import pymupdf
from PIL import Image


def scan(pdf: bytes, *, degrees: float = 1.7, dpi: int = 200, seed: int = 7) -> bytes:
    """Return every page as a scanner would, in an image-only PDF."""
    with pymupdf.open(stream=pdf, filetype="pdf") as document, pymupdf.open() as scanned:
        for page in document:
            image = _scanned(page, degrees, dpi, seed + page.number)
            target = scanned.new_page(width=page.rect.width, height=page.rect.height)
            target.insert_image(target.rect, stream=image)
        return bytes(scanned.tobytes(no_new_id=True))


def _scanned(page: pymupdf.Page, degrees: float, dpi: int, seed: int) -> bytes:
    pixels = page.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    sheet = Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)
    skewed = sheet.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    grain = Image.frombytes("L", skewed.size, random.Random(seed).randbytes(skewed.width * skewed.height))
    encoded = io.BytesIO()
    Image.blend(skewed, grain, 0.08).save(encoded, "JPEG", quality=80)
    return encoded.getvalue()
