"""Pages that lie on their side or stand on their head are read as if they did not."""

from __future__ import annotations

import pymupdf
import pytest

from affidavit.engine import pipeline
from affidavit.engine.pipeline import Source
from affidavit.engine.result import Result
from affidavit.engine.spec import Operation, Spec
from affidavit.samples import invoice_pdf

SCHEMA = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number"},
        "line_items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"description": {"type": "string"}, "amount": {"type": "number"}},
            },
        },
    },
}


def turned(pdf: bytes, degrees: int) -> bytes:
    """Return the document with its first page drawn turned, which no /Rotate tells of."""
    with pymupdf.open(stream=pdf) as source, pymupdf.open() as target:
        width, height = source[0].rect.width, source[0].rect.height
        if degrees % 180:
            width, height = height, width
        page = target.new_page(width=width, height=height)
        page.show_pdf_page(page.rect, source, 0, rotate=degrees)
        return bytes(target.tobytes())


def extracted(pdf: bytes) -> Result:
    spec = Spec(operation=Operation.EXTRACT, json_schema=SCHEMA)
    return pipeline.finish(pipeline.read(Source(pdf), spec).document, spec)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_gives_the_same_values_and_cites_them_as_displayed(degrees: int) -> None:
    upright = extracted(invoice_pdf())
    result = extracted(turned(invoice_pdf(), degrees))

    assert result.pages[0].upright != 0
    assert result.data == upright.data
    assert result.data["line_items"]
    (cited,) = result.fields["total"].citations
    page = result.pages[0]
    x0, y0, x1, y1 = cited.box
    assert (x1 - x0 > y1 - y0) == (degrees == 180)
    assert 0 <= x0 < x1 <= page.width
    assert 0 <= y0 < y1 <= page.height
    assert cited.quote == upright.fields["total"].citations[0].quote
