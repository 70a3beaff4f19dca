"""Two invoices: an English one with a coloured head, a German letter with plain lines."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import (
    BLUE,
    BOLD,
    MARGIN,
    SMALL,
    TITLE,
    Align,
    Column,
    Rules,
    Sheet,
    Style,
)

MODERN: dict[str, Any] = {
    "invoice_number": "LK-20418",
    "invoice_date": "2026-02-09",
    "due_date": "2026-03-11",
    "order_number": "PO-7731-B",
    "currency": "GBP",
    "seller": {
        "name": "Larkfield Joinery Ltd",
        "vat_id": "GB284719365",
        "iban": "GB29NWBK60161331926819",
    },
    "buyer": {"name": "Tidewater Hotels plc"},
    "lines": [
        {"description": "Oak reception desk, oiled", "quantity": 1, "unit_price": 3480.0, "amount": 3480.0},
        {"description": "Wall panels 60 x 240 cm", "quantity": 14, "unit_price": 128.5, "amount": 1799.0},
        {"description": "Fitting on site, per hour", "quantity": 22.5, "unit_price": 54.0, "amount": 1215.0},
        {"description": "Delivery within 50 miles", "quantity": 1, "unit_price": 140.0, "amount": 140.0},
    ],
    "subtotal": 6634.0,
    "tax": 1326.8,
    "total": 7960.8,
}
LETTER: dict[str, Any] = {
    "invoice_number": "2026-0317",
    "invoice_date": "2026-04-02",
    "due_date": "2026-04-16",
    "order_number": "4500098123",
    "currency": "EUR",
    "seller": {
        "name": "Brunner & Söhne GmbH",
        "vat_id": "DE811907980",
        "iban": "DE89370400440532013000",
    },
    "buyer": {"name": "Gasthaus Zur Linde KG"},
    "lines": [
        {"description": "Kaffeebohnen Hochland 1 kg", "quantity": 24, "unit_price": 17.9, "amount": 429.6},
        {"description": "Filterpapier Größe 4", "quantity": 40, "unit_price": 2.35, "amount": 94.0},
        {"description": "Wartung der Mühle", "quantity": 1.5, "unit_price": 78.0, "amount": 117.0},
    ],
    "subtotal": 640.6,
    "tax": 121.71,
    "total": 762.31,
}


def modern() -> bytes:
    """Draw the English invoice: coloured band, facts on the right, shaded rows."""
    sheet = Sheet()
    white = Style(22, "hebo", (1, 1, 1))
    sheet.fill(0, 0, sheet.width, 92, BLUE)
    sheet.text(MARGIN, 56, "INVOICE", white)
    sheet.text(sheet.width - MARGIN, 48, "Larkfield Joinery Ltd", Style(13, "hebo", (1, 1, 1)), Align.RIGHT)
    sheet.text(
        sheet.width - MARGIN,
        66,
        "Unit 4, Mill Lane, Hexham NE46 1QP",
        Style(9, "helv", (1, 1, 1)),
        Align.RIGHT,
    )
    sheet.text(MARGIN, 126, "Bill to", BOLD)
    sheet.lines(MARGIN, 142, ["Tidewater Hotels plc", "12 Esplanade", "Whitby YO21 3HH", "United Kingdom"])
    facts = [
        ("Invoice no.", "LK-20418"),
        ("Invoice date", "9 February 2026"),
        ("Due date", "11 March 2026"),
        ("PO number", "PO-7731-B"),
        ("VAT no.", "GB284719365"),
    ]
    sheet.pairs(350, 126, facts, gap=95)
    columns = [
        Column("Description", 235),
        Column("Quantity", 70, Align.RIGHT),
        Column("Unit price", 85, Align.RIGHT),
        Column("Amount", 93, Align.RIGHT),
    ]
    rows = [
        [line["description"], f"{line['quantity']:g}", f"{line['unit_price']:,.2f}", f"{line['amount']:,.2f}"]
        for line in MODERN["lines"]
    ]
    bottom = sheet.table(MARGIN, 240, columns, rows, Rules.ZEBRA, step=24)
    sums = [("Subtotal", "£6,634.00"), ("VAT 20 %", "£1,326.80"), ("Total due", "£7,960.80")]
    sheet.sums(sheet.width - MARGIN - 5, bottom + 28, sums)
    sheet.text(MARGIN, 690, "Payment details", BOLD)
    sheet.pairs(MARGIN, 706, [("Bank", "Northern Union Bank"), ("IBAN", "GB29 NWBK 6016 1331 9268 19")], 60)
    sheet.text(
        MARGIN, 800, "Larkfield Joinery Ltd is registered in England. Thank you for your business.", SMALL
    )
    return sheet.pdf()


def letter() -> bytes:
    """Draw the German invoice: address window, facts in a row, amounts with a comma."""
    sheet = Sheet()
    sheet.text(MARGIN, 60, "Brunner & Söhne GmbH", Style(15, "hebo"))
    sheet.text(MARGIN, 75, "Kaffeerösterei seit 1961", SMALL)
    sheet.text(MARGIN, 128, "Brunner & Söhne GmbH · Ofengasse 7 · 94032 Passau", Style(7, "helv"))
    sheet.lines(MARGIN, 146, ["Gasthaus Zur Linde KG", "Dorfstraße 21", "83278 Traunstein"])
    sheet.text(MARGIN, 240, "Rechnung", TITLE)
    sheet.text(MARGIN, 262, "Bitte bei Zahlung die Rechnungsnummer angeben.", Style(9))
    heads = ("Rechnungsnummer", "Rechnungsdatum", "Fällig am", "Ihre Bestellung")
    values = ("2026-0317", "02.04.2026", "16.04.2026", "4500098123")
    for number, (head, value) in enumerate(zip(heads, values, strict=True)):
        sheet.text(MARGIN + 122 * number, 292, head, Style(8, "hebo"))
        sheet.text(MARGIN + 122 * number, 306, value)
    columns = [
        Column("Pos.", 35),
        Column("Bezeichnung", 205),
        Column("Menge", 60, Align.RIGHT),
        Column("Einzelpreis", 85, Align.RIGHT),
        Column("Gesamtpreis", 98, Align.RIGHT),
    ]
    rows = [
        [
            str(number),
            line["description"],
            _german(line["quantity"], "g"),
            _german(line["unit_price"]),
            _german(line["amount"]),
        ]
        for number, line in enumerate(LETTER["lines"], 1)
    ]
    bottom = sheet.table(MARGIN, 330, columns, rows, Rules.LINES, step=22)
    sums = [("Nettobetrag", "640,60 EUR"), ("zzgl. 19 % MwSt.", "121,71 EUR"), ("Gesamtbetrag", "762,31 EUR")]
    sheet.sums(sheet.width - MARGIN - 5, bottom + 26, sums)
    sheet.rule(765)
    foot = [
        "Brunner & Söhne GmbH · Ofengasse 7 · 94032 Passau · Geschäftsführer: Veit Brunner",
        "USt-IdNr.: DE811907980 · Amtsgericht Passau HRB 4471",
        "Bank: Donau-Bank · IBAN: DE89 3704 0044 0532 0130 00 · BIC: COBADEFFXXX",
    ]
    sheet.lines(MARGIN, 778, foot, SMALL, 12)
    return sheet.pdf()


def _german(number: float, form: str = ",.2f") -> str:
    return f"{number:{form}}".translate(str.maketrans(",.", ".,"))
