"""Documents that take time: pages of nothing but an image."""

from __future__ import annotations

import io
import json

import pymupdf
from PIL import Image, ImageDraw, ImageFont

OCR = json.dumps({"ocr": {"engine": "tesseract", "dpi": 100}})


def scan_of_pages(count: int) -> bytes:
    """Return a PDF of small page images without text, each with its number on it."""
    with pymupdf.open() as pdf:
        for number in range(1, count + 1):
            image = Image.new("L", (600, 300), 255)
            text = f"Page number {number} of the evidence"
            ImageDraw.Draw(image).text((40, 120), text, fill=0, font=ImageFont.load_default(28))
            encoded = io.BytesIO()
            image.save(encoded, "PNG")
            page = pdf.new_page(width=432, height=216)
            page.insert_image(page.rect, stream=encoded.getvalue())
        return bytes(pdf.tobytes())
