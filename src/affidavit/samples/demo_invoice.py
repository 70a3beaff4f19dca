"""The invoice that the demonstration has read, and a scan of it."""

from __future__ import annotations

from typing import Any

import pymupdf

from affidavit.samples.sample import Sample
from affidavit.samples.scanning import scan
from affidavit.samples.sheet import A4

INVOICE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["invoice_number", "total"],
    "properties": {
        "invoice_number": {"type": "string", "description": "Number of the invoice"},
        "invoice_date": {"type": "string", "format": "date"},
        "due_date": {"type": "string", "format": "date"},
        "currency": {"type": "string", "enum": ["EUR", "USD", "GBP"]},
        "subtotal": {"type": "number"},
        "vat": {"type": "number", "description": "VAT amount"},
        "total": {"type": "number", "description": "Total amount due"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "description": {"type": "string"},
                    "quantity": {"type": "integer"},
                    "unit_price": {"type": "number"},
                    "amount": {"type": "number"},
                },
            },
        },
    },
}

_ITEMS: tuple[tuple[str, int, float, float], ...] = (
    ("Harbour crane inspection", 2, 480.0, 960.0),
    ("Wire rope 16 mm, 50 m", 3, 214.5, 643.5),
    ("Load certificate", 1, 96.25, 96.25),
    ("Shackle 8.5 t, galvanised", 12, 18.75, 225.0),
)

INVOICE_VALUES: dict[str, Any] = {
    "invoice_number": "RG-2026-00731",
    "invoice_date": "2026-03-17",
    "due_date": "2026-04-16",
    "currency": "EUR",
    "subtotal": 1924.75,
    "vat": 365.7,
    "total": 2290.45,
    "items": [
        dict(zip(("description", "quantity", "unit_price", "amount"), row, strict=True)) for row in _ITEMS
    ],
}

_FACTS = (
    ("Invoice number", "RG-2026-00731"),
    ("Invoice date", "2026-03-17"),
    ("Due date", "2026-04-16"),
    ("Currency", "EUR"),
)
_SUMS = (("Subtotal", 1924.75), ("VAT 19 %", 365.7), ("Total", 2290.45))
_COLUMNS = (56.0, 300.0, 370.0, 460.0, 539.0)  # left edges of the table's columns, and its right edge


def invoices() -> tuple[Sample, Sample]:
    """Return an invoice with a text layer, and a scan of it without one."""
    pdf = invoice_pdf()
    return (
        Sample("invoice.pdf", pdf, INVOICE_SCHEMA, INVOICE_VALUES),
        Sample("invoice-scan.pdf", scan(pdf), INVOICE_SCHEMA, INVOICE_VALUES),
    )


def invoice_pdf() -> bytes:
    """Draw the invoice: one A4 page with a text layer and a ruled table."""
    with pymupdf.open() as document:
        page = document.new_page(width=A4[0], height=A4[1])
        page.insert_text((56, 80), "Nordhafen Industrial Supply", fontsize=16, fontname="hebo")
        page.insert_text((56, 98), "Kaistrasse 14, 20457 Hamburg, Germany", fontsize=9)
        page.insert_text((56, 150), "INVOICE", fontsize=20, fontname="hebo")
        for row, (label, value) in enumerate(_FACTS):
            page.insert_text((56, 182 + 18 * row), f"{label}:", fontsize=11)
            page.insert_text((170, 182 + 18 * row), value, fontsize=11)
        page.insert_text((350, 182), "Bill to:", fontsize=11)
        page.insert_text((350, 200), "Meridian Shipping Ltd", fontsize=11)
        page.insert_text((350, 218), "8 Quay Road, Dover CT17 9DQ", fontsize=11)
        bottom = _draw_table(page, 290.0)
        for row, (label, amount) in enumerate(_SUMS):
            font = "hebo" if label == "Total" else "helv"
            page.insert_text((370, bottom + 30 + 20 * row), f"{label}:", fontsize=11, fontname=font)
            _right(page, 531, bottom + 30 + 20 * row, f"{amount:,.2f} EUR", font)
        page.insert_text((56, 770), "Please pay within 30 days, quoting the invoice number.", fontsize=9)
        return bytes(document.tobytes(deflate=True, no_new_id=True))


def _draw_table(page: pymupdf.Page, top: float) -> float:
    """Draw the ruled table and return the height of its lower edge."""
    height = 22.0
    rows = [("Description", "Quantity", "Unit price", "Amount")]
    rows += [(name, str(count), f"{price:,.2f}", f"{amount:,.2f}") for name, count, price, amount in _ITEMS]
    for number, row in enumerate(rows):
        font = "hebo" if number == 0 else "helv"
        baseline = top + height * number + 15
        page.insert_text((_COLUMNS[0] + 6, baseline), row[0], fontsize=10, fontname=font)
        for text, right in zip(row[1:], _COLUMNS[2:], strict=True):
            _right(page, right - 8, baseline, text, font, size=10)
    bottom = top + height * len(rows)
    for number in range(len(rows) + 1):
        page.draw_line((_COLUMNS[0], top + height * number), (_COLUMNS[-1], top + height * number), width=0.7)
    for x in _COLUMNS:
        page.draw_line((x, top), (x, bottom), width=0.7)
    return bottom


def _right(page: pymupdf.Page, x: float, baseline: float, text: str, font: str, size: float = 11) -> None:
    width = pymupdf.get_text_length(text, fontname=font, fontsize=size)
    page.insert_text((x - width, baseline), text, fontsize=size, fontname=font)
