"""Read barcodes and QR codes on pages that hold little else: they part the documents of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import zxingcpp
from PIL import Image

from affidavit.engine.errors import EngineError
from affidavit.engine.operations.shapes.split import Barcode
from affidavit.engine.result import Page
from affidavit.engine.source import Source
from affidavit.engine.spec import Spec
from affidavit.engine.stages.ingest import open_file
from affidavit.engine.stages.sheet import fitting_dpi

DPI: Final = 150  # a module of a code on a separator sheet is about 0.5 mm, three pixels
MOST_PAGES: Final = 200  # that are drawn to look for codes; each takes about 50 ms
SPARSE_WORDS: Final = 12  # a page with more is a page of a document, whatever codes it carries
MOST_TEXT: Final = 200  # characters of a code that are shown

# Patch codes 2 and T are for scanners; as barcodes, separator sheets carry these words.
_SEPARATES = ("patch", "separator", "sep", "docsep", "newdoc")


def read_codes(pages: Sequence[Page], source: Source | None, spec: Spec) -> list[Barcode]:
    """Return the codes on the sparse pages; none without the file."""
    sparse = [page.number for page in pages if len(page.words) <= SPARSE_WORDS][:MOST_PAGES]
    if source is None or not sparse:
        return []
    return list(_read(sparse, source, spec))


def parts_documents(page: Page, codes: Sequence[Barcode]) -> bool:
    """Tell whether a sparse page is a separator sheet: a code alone, or one that says so."""
    if not codes:
        return False
    says_so = any(code.text.casefold().replace("-", "").startswith(_SEPARATES) for code in codes)
    printed = {word.text.casefold() for word in page.words}
    spelled = {code.text.casefold() for code in codes}
    return says_so or len(page.words) <= 3 or printed <= spelled


def _read(numbers: Sequence[int], source: Source, spec: Spec) -> Iterator[Barcode]:
    file = open_file(source, spec)
    for number in numbers:
        try:
            sheet = file.sheet(number)
            image = sheet.raster(fitting_dpi(sheet, DPI, spec.limits))
        except EngineError:
            continue  # the page was read before; that it cannot be drawn costs its code only
        yield from _codes_on(image, number)


def _codes_on(image: Image.Image, number: int) -> Iterator[Barcode]:
    for found in zxingcpp.read_barcodes(image.convert("L")):
        if found.text:
            kind = str(found.format).removeprefix("BarcodeFormat.")
            yield Barcode(page=number, format=kind, text=found.text[:MOST_TEXT])
