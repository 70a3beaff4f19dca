"""The documents of the workload: small, each with its number on it, so that what came back is known."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import pymupdf
from PIL import Image, ImageDraw, ImageFont

OCR = {"ocr": {"engine": "tesseract", "languages": ["eng"], "dpi": 100}}


class Sort(StrEnum):
    """What a document does to who reads it."""

    TEXT = "text"  # one page of text
    LONG = "long"  # several batches of pages of text
    SCAN = "scan"  # images, read by Tesseract
    CORRUPT = "corrupt"  # cannot be opened
    POISON = "poison"  # a scan whose child is killed whenever it is read


SHARES = {Sort.TEXT: 60, Sort.LONG: 17, Sort.SCAN: 16, Sort.CORRUPT: 5, Sort.POISON: 2}


@dataclass(frozen=True, slots=True)
class Sample:
    """A document, and the options that it is read with."""

    number: int
    sort: Sort
    data: bytes
    options: str


def make(count: int, seed: int) -> list[Sample]:
    """Make so many different documents; the same for the same seed."""
    rng = Random(f"documents {seed}")
    sorts = rng.choices(list(SHARES), list(SHARES.values()), k=count)
    sorts[: len(Sort)] = list(Sort)  # each at least once
    return [_make(number, sort, rng) for number, sort in enumerate(sorts)]


def _make(number: int, sort: Sort, rng: Random) -> Sample:
    match sort:
        case Sort.TEXT:
            data = text_pdf(number, pages=1)
        case Sort.LONG:
            data = text_pdf(number, pages=rng.randint(9, 26))
        case Sort.SCAN:
            data = scan_pdf(number, pages=rng.randint(1, 9))
        case Sort.POISON:
            data = scan_pdf(number, pages=8)
        case Sort.CORRUPT:
            data = b"%PDF-1.7\n" + f"{number} nothing that a reader could use\n".encode() * 20
    options = OCR if sort in (Sort.SCAN, Sort.POISON) else {}
    return Sample(number, sort, data, json.dumps(options))


def text_pdf(number: int, *, pages: int) -> bytes:
    """Draw pages of a few lines, each with the document's number and its own."""
    with pymupdf.open() as pdf:
        for page_number in range(1, pages + 1):
            page = pdf.new_page(width=420, height=300)
            for line in range(8):
                text = f"Document {number} page {page_number} line {line}: goods delivered within thirty days"
                page.insert_text((20, 30 + 18 * line), text, fontsize=9)
        return bytes(pdf.tobytes(deflate=True, no_new_id=True))


def scan_pdf(number: int, *, pages: int) -> bytes:
    """Draw pages that are images of one line."""
    with pymupdf.open() as pdf:
        for page_number in range(1, pages + 1):
            image = Image.new("L", (600, 200), 255)
            text = f"Document {number} page {page_number}"
            ImageDraw.Draw(image).text((40, 80), text, fill=0, font=ImageFont.load_default(30))
            encoded = io.BytesIO()
            image.save(encoded, "PNG")
            page = pdf.new_page(width=432, height=144)
            page.insert_image(page.rect, stream=encoded.getvalue())
        return bytes(pdf.tobytes(deflate=True, no_new_id=True))
