"""Two contracts: one with its particulars in a table up front, one with a schedule at its end."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import MARGIN, SMALL, Align, Column, Rules, Sheet, Style

TERMS: dict[str, Any] = {
    "contract_number": "SLA-0093/26",
    "effective_date": "2026-04-01",
    "end_date": "2028-03-31",
    "client": "Rowan Street Clinic Ltd",
    "provider": "Clearbyte Systems Ltd",
    "services": "Managed network and helpdesk",
    "fee": 18600.0,
    "currency": "EUR",
    "payment_terms": "Quarterly in advance",
    "notice_period": "3 months",
    "governing_law": "Ireland",
}
SCHEDULE: dict[str, Any] = {
    "contract_number": "CL-2026-17",
    "effective_date": "2026-09-14",
    "end_date": "2027-09-13",
    "client": "Oakline Publishing LLC",
    "provider": "Vera Lindholm Translations",
    "services": "Translation of children's books",
    "fee": 42000.0,
    "currency": "USD",
    "payment_terms": "14 days from invoice",
    "notice_period": "30 days",
    "governing_law": "State of New York",
}

_PROSE = Style(9.5, "tiro")
_HEAD = Style(10.5, "tibo")
_SERVICES = """The Provider shall perform the services with the skill and care to be expected of an
experienced supplier, and shall keep records that the Client may inspect on reasonable notice."""
_PAYMENT = """The Client shall pay undisputed invoices when due. Interest on late payment runs at two per cent
above the base rate. Expenses are reimbursed only if agreed in writing beforehand."""
_SECRECY = """Each party shall keep the other's confidential information secret during the term and for five
years after its end, and use it only for the purposes of this agreement."""
_LIABILITY = """Neither party is liable for loss of profit. The total liability of each party in a year is
limited to the fees paid in that year. Nothing limits liability for fraud or personal injury."""
_CLAUSES = (
    ("1. Services", _SERVICES),
    ("2. Payment", _PAYMENT),
    ("3. Confidentiality", _SECRECY),
    ("4. Liability", _LIABILITY),
)


def terms() -> bytes:
    """Draw the first contract: a table of key terms, then clauses and signatures."""
    sheet = Sheet()
    sheet.text(sheet.width / 2, 70, "SERVICE LEVEL AGREEMENT", Style(17, "tibo"), Align.CENTRE)
    rows = [
        ["Contract number", "SLA-0093/26"],
        ["Client", "Rowan Street Clinic Ltd"],
        ["Provider", "Clearbyte Systems Ltd"],
        ["Services", "Managed network and helpdesk"],
        ["Effective date", "1 April 2026"],
        ["End date", "31 March 2028"],
        ["Annual fee", "EUR 18,600.00"],
        ["Payment terms", "Quarterly in advance"],
        ["Notice period", "3 months"],
        ["Governing law", "Ireland"],
    ]
    columns = [Column("Key terms", 150), Column("", 333)]
    y = sheet.table(MARGIN, 96, columns, rows, Rules.GRID, step=19, size=9.5) + 28
    y = _clauses(sheet, y)
    _signatures(sheet, y + 30, "Rowan Street Clinic Ltd", "Clearbyte Systems Ltd")
    return sheet.pdf()


def schedule() -> bytes:
    """Draw the second contract: clauses first, what was agreed in a schedule on the second page."""
    sheet = Sheet()
    sheet.text(MARGIN, 70, "Agreement for Translation Services", Style(17, "tibo"))
    y = sheet.prose(
        MARGIN,
        98,
        483,
        "This agreement is made between the Client and the Provider named in the Schedule, who agree to the "
        "terms below. The Schedule is part of this agreement and prevails over its clauses.",
        _PROSE,
    )
    _clauses(sheet, y + 6)
    sheet.text(sheet.width / 2, 806, "1 / 2", SMALL, Align.CENTRE)
    sheet.new_page()
    sheet.text(MARGIN, 70, "Schedule", Style(15, "tibo"))
    pairs = [
        ("Agreement no.:", "CL-2026-17"),
        ("Client:", "Oakline Publishing LLC"),
        ("Provider:", "Vera Lindholm Translations"),
        ("Services:", "Translation of children's books"),
        ("Commencement date:", "September 14, 2026"),
        ("Expiry date:", "September 13, 2027"),
        ("Contract value:", "USD 42,000.00"),
        ("Payment terms:", "14 days from invoice"),
        ("Notice period:", "30 days"),
        ("Governing law:", "State of New York"),
    ]
    y = sheet.pairs(MARGIN, 100, pairs, gap=130, step=20, style=Style(10.5, "tiro"))
    _signatures(sheet, y + 60, "Oakline Publishing LLC", "Vera Lindholm Translations")
    sheet.text(sheet.width / 2, 806, "2 / 2", SMALL, Align.CENTRE)
    return sheet.pdf()


def _clauses(sheet: Sheet, y: float) -> float:
    for head, text in _CLAUSES:
        sheet.text(MARGIN, y, head, _HEAD)
        y = sheet.prose(MARGIN, y + 15, 483, text, _PROSE) + 4
    return y


def _signatures(sheet: Sheet, y: float, left: str, right: str) -> None:
    for x, name in ((MARGIN, left), (330.0, right)):
        sheet.rule(y + 34, x, x + 190)
        sheet.text(x, y + 47, f"for {name}", Style(8.5, "tiro"))
