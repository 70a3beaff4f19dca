"""Two bank statements: a ruled one over two pages, one of a credit union with lines under its rows."""

from __future__ import annotations

from datetime import date
from typing import Any

from affidavit.samples.sheet import BOLD, MARGIN, SMALL, Align, Column, Rules, Sheet, Style

_LONG = (
    ("2026-03-02", "Rent March, Hillside Property", -1150.0),
    ("2026-03-03", "Card payment, Corner Bakery", -12.4),
    ("2026-03-05", "Direct debit, City Water", -38.75),
    ("2026-03-09", "Transfer to savings", -400.0),
    ("2026-03-12", "Card payment, Rail Direct", -64.2),
    ("2026-03-16", "Refund, Bluebird Shoes", 79.95),
    ("2026-03-19", "Standing order, Gym Central", -29.0),
    ("2026-03-25", "Salary, Fernhill Analytics", 3284.16),
    ("2026-03-27", "Cash machine, Station Road", -120.0),
    ("2026-03-30", "Card payment, Garden World", -87.35),
)
_SHORT = (
    ("2026-01-07", "Deposit at counter", 500.0),
    ("2026-01-15", "Loan instalment 14/36", -213.8),
    ("2026-01-22", "Membership fee", -25.0),
    ("2026-01-30", "Interest", 3.42),
)


def _booked(entries: tuple[tuple[str, str, float], ...], balance: float) -> list[dict[str, Any]]:
    rows = []
    for day, description, amount in entries:
        balance = round(balance + amount, 2)
        rows.append({"date": day, "description": description, "amount": amount, "balance": balance})
    return rows


RULED: dict[str, Any] = {
    "bank": "Harbour & Vale Bank",
    "account_holder": "Maren Okafor",
    "iban": "IE29AIBK93115212345678",
    "bic": "AIBKIE2D",
    "statement_number": "03/2026",
    "period_start": "2026-03-01",
    "period_end": "2026-03-31",
    "currency": "EUR",
    "opening_balance": 2418.07,
    "closing_balance": 3880.48,
    "transactions": _booked(_LONG, 2418.07),
}
UNION: dict[str, Any] = {
    "bank": "Millbrook Credit Union",
    "account_holder": "Jonas Petersen",
    "iban": "GB33BUKB20201555555555",
    "bic": "BUKBGB22",
    "statement_number": "2026-01",
    "period_start": "2026-01-01",
    "period_end": "2026-01-31",
    "currency": "GBP",
    "opening_balance": 1730.5,
    "closing_balance": 1995.12,
    "transactions": _booked(_SHORT, 1730.5),
}

_COLUMNS = (
    Column("Date", 75),
    Column("Description", 228),
    Column("Amount", 90, Align.RIGHT),
    Column("Balance", 90, Align.RIGHT),
)


def ruled() -> bytes:
    """Draw the first statement: six bookings on its first page, the others and the end on its second."""
    sheet = Sheet()
    sheet.text(MARGIN, 66, "Harbour & Vale Bank", Style(16, "hebo"))
    sheet.text(MARGIN, 82, "4 Custom House Quay, Cork", SMALL)
    sheet.text(MARGIN, 126, "Account statement", Style(14, "hebo"))
    left = [("Account holder", "Maren Okafor"), ("IBAN", "IE29 AIBK 9311 5212 3456 78"), ("BIC", "AIBKIE2D")]
    right = [
        ("Statement number", "03/2026"),
        ("Period from", "01/03/2026"),
        ("Period to", "31/03/2026"),
        ("Currency", "EUR"),
    ]
    sheet.pairs(MARGIN, 156, left, gap=95)
    sheet.pairs(345, 156, right, gap=105)
    sheet.text(MARGIN, 246, "Opening balance", BOLD)
    sheet.text(MARGIN + 478, 246, "2,418.07", BOLD, Align.RIGHT)
    rows = [_row(booking, "%d/%m/%Y") for booking in RULED["transactions"]]
    sheet.table(MARGIN, 262, _COLUMNS, rows[:6], step=24)
    sheet.text(sheet.width / 2, 806, "Page 1 of 2", SMALL, Align.CENTRE)
    sheet.new_page()
    sheet.text(MARGIN, 66, "Harbour & Vale Bank", Style(11, "hebo"))
    sheet.text(MARGIN + 478, 66, "Statement number 03/2026", SMALL, Align.RIGHT)
    bottom = sheet.table(MARGIN, 92, _COLUMNS, rows[6:], step=24)
    sheet.text(MARGIN, bottom + 24, "Closing balance", BOLD)
    sheet.text(MARGIN + 478, bottom + 24, "3,880.48", BOLD, Align.RIGHT)
    sheet.text(sheet.width / 2, 806, "Page 2 of 2", SMALL, Align.CENTRE)
    return sheet.pdf()


def union() -> bytes:
    """Draw the second statement: a summary in a row of boxes, months by name."""
    sheet = Sheet()
    sheet.text(sheet.width / 2, 60, "Millbrook Credit Union", Style(17, "tibo"), Align.CENTRE)
    sheet.text(sheet.width / 2, 76, "Owned by its members since 1974", Style(9, "tiit"), Align.CENTRE)
    sheet.rule(90)
    sheet.text(sheet.width / 2, 108, "Statement of account", Style(11, "tibo"), Align.CENTRE)
    sheet.lines(MARGIN, 126, ["Account name: Jonas Petersen", "IBAN: GB33 BUKB 2020 1555 5555 55"])
    sheet.lines(330, 126, ["SWIFT: BUKBGB22", "Statement no.: 2026-01"])
    boxes = (
        ("From", "1 Jan 2026"),
        ("To", "31 Jan 2026"),
        ("Currency", "GBP"),
        ("Previous balance", "1,730.50"),
        ("New balance", "1,995.12"),
    )
    for number, (label, value) in enumerate(boxes):
        sheet.box(MARGIN + 97 * number, 158, 95, 32, label, value)
    rows = [_row(booking, "%d %b %Y") for booking in UNION["transactions"]]
    sheet.table(MARGIN, 212, _COLUMNS, rows, Rules.LINES, step=22)
    sheet.text(
        MARGIN, 780, "Please check this statement and tell us within 60 days of anything wrong.", SMALL
    )
    return sheet.pdf()


def _row(booking: dict[str, Any], form: str) -> list[str]:
    return [
        date.fromisoformat(booking["date"]).strftime(form),
        booking["description"],
        f"{booking['amount']:,.2f}",
        f"{booking['balance']:,.2f}",
    ]
