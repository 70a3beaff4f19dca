"""Two forms: one with labels in the corners of boxes, one with labels before lines to write on."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import BOLD, MARGIN, SMALL, Sheet, Style

BOXES: dict[str, Any] = {
    "first_name": "Ingrid",
    "last_name": "Falkenberg",
    "birth_date": "1988-11-23",
    "street": "Weidenweg 5",
    "postcode": "28199",
    "city": "Bremen",
    "country": "Germany",
    "email": "ingrid.falkenberg@example.net",
    "phone": "+49 421 555 0188",
    "is_member": False,
    "wants_newsletter": True,
    "signed_on": "2026-08-04",
}
LINES: dict[str, Any] = {
    "first_name": "Callum",
    "last_name": "Drummond",
    "birth_date": "1979-02-15",
    "street": "27 Harbour Row",
    "postcode": "AB11 5QT",
    "city": "Aberdeen",
    "country": "United Kingdom",
    "email": "callum.drummond@example.com",
    "phone": "+44 1224 555019",
    "is_member": True,
    "wants_newsletter": False,
    "signed_on": "2026-10-12",
}

_HAND = Style(11, "heit")


def boxes() -> bytes:
    """Draw the first form: every answer in a box of its own."""
    sheet = Sheet()
    sheet.text(MARGIN, 66, "Application for membership", Style(16, "hebo"))
    sheet.text(MARGIN, 82, "Nordsee Rowing Club. Please fill in with block letters.", SMALL)
    fields = (
        (0, 100, 241, "First name", "Ingrid"),
        (242, 100, 241, "Last name", "Falkenberg"),
        (0, 138, 160, "Date of birth", "23.11.1988"),
        (161, 138, 322, "Email", "ingrid.falkenberg@example.net"),
        (0, 176, 241, "Street and number", "Weidenweg 5"),
        (242, 176, 90, "Postcode", "28199"),
        (333, 176, 150, "City", "Bremen"),
        (0, 214, 241, "Country", "Germany"),
        (242, 214, 241, "Phone", "+49 421 555 0188"),
    )
    for x, y, width, label, value in fields:
        sheet.box(MARGIN + x, y, width, 37, label, value)
    sheet.tick(MARGIN, 282, "I am already a member", is_set=False)
    sheet.tick(MARGIN, 302, "Send me the newsletter", is_set=True)
    sheet.box(MARGIN, 330, 160, 37, "Date", "04.08.2026")
    sheet.box(MARGIN + 161, 330, 322, 37, "Signature", "I. Falkenberg")
    return sheet.pdf()


def lines() -> bytes:
    """Draw the second form: answers in italics on ruled lines, with text boxes to cross."""
    sheet = Sheet()
    sheet.text(MARGIN, 66, "Course enrolment", Style(16, "tibo"))
    sheet.text(MARGIN, 100, "1. About you", BOLD)
    y = 126.0
    for label, value in (
        ("Surname", "Drummond"),
        ("Given name", "Callum"),
        ("Born on", "15/02/1979"),
        ("Street", "27 Harbour Row"),
        ("Town", "Aberdeen"),
        ("Postal code", "AB11 5QT"),
        ("Country", "United Kingdom"),
        ("Telephone", "+44 1224 555019"),
        ("Email", "callum.drummond@example.com"),
    ):
        sheet.text(MARGIN, y, f"{label}:", Style(10))
        sheet.text(MARGIN + 100, y, value, _HAND)
        sheet.rule(y + 4, MARGIN + 95, MARGIN + 420, 0.5)
        y += 26
    sheet.text(MARGIN, y + 14, "2. Your choices", BOLD)
    sheet.text(MARGIN, y + 38, "[X] Member")
    sheet.text(MARGIN, y + 56, "[ ] Newsletter")
    sheet.text(MARGIN, y + 100, "Signed on:", Style(10))
    sheet.text(MARGIN + 100, y + 100, "12/10/2026", _HAND)
    sheet.rule(y + 104, MARGIN + 95, MARGIN + 250, 0.5)
    return sheet.pdf()
