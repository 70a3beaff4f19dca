"""Two purchase orders: one in boxes with a grid, one as a letter with plain rows."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import BOLD, MARGIN, SMALL, TITLE, Align, Column, Rules, Sheet, Style

BOXED: dict[str, Any] = {
    "order_number": "PO-2026-1184",
    "order_date": "2026-01-20",
    "delivery_date": "2026-02-27",
    "buyer": {"name": "Alder Creek Brewing Co."},
    "supplier": {"name": "Stainless Works Inc."},
    "payment_terms": "Net 45 days",
    "delivery_terms": "DAP Bend, Oregon",
    "currency": "USD",
    "lines": [
        {
            "article_number": "FV-2000",
            "description": "Fermenting vessel 2,000 litres",
            "quantity": 2,
            "unit": "pcs",
            "unit_price": 14250.0,
            "amount": 28500.0,
        },
        {
            "article_number": "TC-051",
            "description": "Tri-clamp 2 inch with gasket",
            "quantity": 60,
            "unit": "pcs",
            "unit_price": 11.4,
            "amount": 684.0,
        },
        {
            "article_number": "HS-19",
            "description": "Brewers hose 19 mm",
            "quantity": 85,
            "unit": "m",
            "unit_price": 6.2,
            "amount": 527.0,
        },
    ],
    "total": 29711.0,
}
LETTER: dict[str, Any] = {
    "order_number": "88-40217",
    "order_date": "2026-07-06",
    "delivery_date": "2026-07-24",
    "buyer": {"name": "Institute of Marine Ecology"},
    "supplier": {"name": "Polar Optics AS"},
    "payment_terms": "30 days after receipt of invoice",
    "delivery_terms": "CIP Kiel",
    "currency": "EUR",
    "lines": [
        {
            "article_number": "4410-02",
            "description": "Underwater camera housing",
            "quantity": 3,
            "unit": "pc",
            "unit_price": 2190.0,
            "amount": 6570.0,
        },
        {
            "article_number": "4417-00",
            "description": "LED lamp 5,000 lumen",
            "quantity": 6,
            "unit": "pc",
            "unit_price": 348.5,
            "amount": 2091.0,
        },
    ],
    "total": 8661.0,
}

_COLUMNS = (
    Column("Item no.", 68),
    Column("Description", 175),
    Column("Qty", 45, Align.RIGHT),
    Column("Unit", 40),
    Column("Unit price", 75, Align.RIGHT),
    Column("Amount", 80, Align.RIGHT),
)


def boxed() -> bytes:
    """Draw the first order: parties and facts in boxes, lines in a grid."""
    sheet = Sheet()
    sheet.text(MARGIN, 66, "PURCHASE ORDER", TITLE)
    boxes = (
        (0, 88, 241, 66, "Buyer", "Alder Creek Brewing Co.\n640 River Street\nBend, OR 97701"),
        (242, 88, 241, 66, "Supplier", "Stainless Works Inc.\n19 Foundry Road\nDuluth, MN 55802"),
        (0, 155, 120, 34, "PO number", "PO-2026-1184"),
        (121, 155, 120, 34, "Order date", "01/20/2026"),
        (242, 155, 120, 34, "Delivery date", "02/27/2026"),
        (363, 155, 120, 34, "Currency", "USD"),
        (0, 190, 241, 34, "Payment terms", "Net 45 days"),
        (242, 190, 241, 34, "Delivery terms", "DAP Bend, Oregon"),
    )
    for x, y, width, height, label, value in boxes:
        sheet.box(MARGIN + x, y, width, height, label, value)
    bottom = sheet.table(MARGIN, 250, _COLUMNS, _rows(BOXED), Rules.GRID, step=22)
    sheet.text(MARGIN + 320, bottom + 26, "Order total", BOLD)
    sheet.text(MARGIN + 478, bottom + 26, "29,711.00", BOLD, Align.RIGHT)
    sheet.text(MARGIN, 740, "Authorised by: R. Castellan, Purchasing", Style(9))
    sheet.text(MARGIN, 800, "Quote the PO number on all papers.", SMALL)
    return sheet.pdf()


def letter() -> bytes:
    """Draw the second order: a letter that names its facts line by line."""
    sheet = Sheet()
    sheet.text(MARGIN, 62, "Institute of Marine Ecology", Style(14, "tibo"))
    sheet.text(MARGIN, 77, "Wischhofstraße 1, 24148 Kiel, Germany", SMALL)
    sheet.text(MARGIN, 120, "Vendor:", BOLD)
    sheet.lines(MARGIN + 60, 120, ["Polar Optics AS", "Strandgata 33", "9008 Tromsø", "Norway"])
    sheet.text(MARGIN, 212, "Purchase Order 88-40217", Style(15, "tibo"))
    facts = [
        ("Order no.:", "88-40217"),
        ("Order date:", "6 July 2026"),
        ("Deliver by:", "24 July 2026"),
        ("Ordered by:", "Institute of Marine Ecology"),
        ("Payment terms:", "30 days after receipt of invoice"),
        ("Incoterm:", "CIP Kiel"),
    ]
    y = sheet.pairs(MARGIN, 238, facts, gap=100)
    bottom = sheet.table(MARGIN, y + 12, _COLUMNS, _rows(LETTER), Rules.HEAD, step=21)
    sheet.rule(bottom + 4)
    sheet.text(MARGIN + 290, bottom + 24, "Total order value EUR", BOLD)
    sheet.text(MARGIN + 478, bottom + 24, "8,661.00", BOLD, Align.RIGHT)
    sheet.text(MARGIN, 720, "Kiel, 6 July 2026", Style(9))
    return sheet.pdf()


def _rows(order: dict[str, Any]) -> list[list[str]]:
    return [
        [
            line["article_number"],
            line["description"],
            f"{line['quantity']}",
            line["unit"],
            f"{line['unit_price']:,.2f}",
            f"{line['amount']:,.2f}",
        ]
        for line in order["lines"]
    ]
