"""Two receipts: a supermarket's roll of paper, a restaurant's bill."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import Align, Sheet, Style

SHOP: dict[str, Any] = {
    "merchant": "GREENWAY MARKET",
    "receipt_number": "0048213",
    "date": "2026-05-16",
    "time": "18:42",
    "items": [
        {"description": "Whole milk 2 l", "quantity": 2, "amount": 3.58},
        {"description": "Sourdough loaf", "quantity": 1, "amount": 4.25},
        {"description": "Tomatoes on the vine", "quantity": 1, "amount": 2.87},
        {"description": "Olive oil 500 ml", "quantity": 1, "amount": 8.99},
        {"description": "Dish soap", "quantity": 3, "amount": 5.97},
    ],
    "subtotal": 25.66,
    "tax": 1.8,
    "total": 27.46,
    "currency": "USD",
    "payment_method": "VISA",
}
TABLE: dict[str, Any] = {
    "merchant": "Trattoria Bella Riva",
    "receipt_number": "A-1170",
    "date": "2026-06-03",
    "time": "21:15",
    "items": [
        {"description": "Minestrone", "quantity": 2, "amount": 15.0},
        {"description": "Tagliatelle al ragù", "quantity": 1, "amount": 16.5},
        {"description": "Branzino alla griglia", "quantity": 1, "amount": 27.0},
        {"description": "House wine, half a litre", "quantity": 1, "amount": 13.8},
    ],
    "subtotal": 65.73,
    "tax": 6.57,
    "total": 72.3,
    "currency": "EUR",
    "payment_method": "Cash",
}

_ROLL = 226.0  # points: paper of 80 mm
_MONO = Style(8.5, "cour")
_LOUD = Style(11, "cobo")


def shop() -> bytes:
    """Draw the supermarket's receipt: typewriter letters, dashed rules, a price at each line's end."""
    sheet = Sheet(_ROLL, 430)
    middle, left, right = _ROLL / 2, 14.0, _ROLL - 14
    sheet.text(middle, 28, "GREENWAY MARKET", Style(13, "cobo"), Align.CENTRE)
    for number, text in enumerate(("2210 Cedar Avenue", "Portland, OR 97214", "Tel. (503) 555-0142")):
        sheet.text(middle, 42 + 11 * number, text, _MONO, Align.CENTRE)
    sheet.text(left, 86, "05/16/2026  18:42", _MONO)
    sheet.text(left, 98, "Receipt no: 0048213   Till 3", _MONO)
    sheet.text(left, 110, "-" * 38, _MONO)
    y = _head(sheet, 122, left, right)
    for item in SHOP["items"]:
        y = _item(sheet, y, left, right, item)
    sheet.text(left, y, "-" * 38, _MONO)
    y += 14
    for label, amount in (("SUBTOTAL", "25.66"), ("TAX 7%", "1.80")):
        sheet.text(left, y, label, _MONO)
        sheet.text(right, y, amount, _MONO, Align.RIGHT)
        y += 13
    sheet.text(left, y + 4, "TOTAL", _LOUD)
    sheet.text(right, y + 4, "$27.46", _LOUD, Align.RIGHT)
    sheet.text(left, y + 24, "Paid by: VISA", _MONO)
    sheet.text(left, y + 36, "Card ************4471  Auth 019283", _MONO)
    sheet.text(middle, y + 62, "THANK YOU FOR SHOPPING", _MONO, Align.CENTRE)
    return sheet.pdf()


def table() -> bytes:
    """Draw the restaurant's bill: a column for the number, tax included in the total."""
    sheet = Sheet(300, 460)
    middle, left, right = 150.0, 24.0, 276.0
    sheet.text(middle, 38, "Trattoria Bella Riva", Style(15, "tibo"), Align.CENTRE)
    sheet.text(middle, 53, "Lungolago 18, 6900 Lugano", Style(8), Align.CENTRE)
    plain = Style(9)
    facts = [("Date", "03.06.2026"), ("Time", "21:15"), ("Receipt no.", "A-1170"), ("Table", "12")]
    y = sheet.pairs(left, 82, facts, gap=70, step=14, style=plain) + 12
    y = _head(sheet, y, left, right, Style(9, "hebo"))
    for item in TABLE["items"]:
        y = _item(sheet, y, left, right, item, plain)
    sheet.rule(y - 4, left, right)
    y += 14
    for label, amount in (("Net", "65.73"), ("VAT 10 %", "6.57")):
        sheet.text(left, y, label, plain)
        sheet.text(right, y, amount, plain, Align.RIGHT)
        y += 15
    sheet.text(left, y + 4, "Total EUR", Style(12, "hebo"))
    sheet.text(right, y + 4, "72.30", Style(12, "hebo"), Align.RIGHT)
    sheet.text(left, y + 28, "Payment: Cash", plain)
    sheet.text(middle, y + 60, "Grazie e arrivederci", Style(9, "tiit"), Align.CENTRE)
    return sheet.pdf()


def _head(sheet: Sheet, y: float, left: float, right: float, style: Style = _MONO) -> float:
    sheet.text(left, y, "Qty", style)
    sheet.text(left + 28, y, "Item", style)
    sheet.text(right, y, "Amount", style, Align.RIGHT)
    return y + 14


def _item(
    sheet: Sheet, y: float, left: float, right: float, item: dict[str, Any], style: Style = _MONO
) -> float:
    sheet.text(left, y, f"{item['quantity']}", style)
    sheet.text(left + 28, y, item["description"], style)
    sheet.text(right, y, f"{item['amount']:.2f}", style, Align.RIGHT)
    return y + style.size * 1.45
