"""Forms that the tests fill: each field of a kind, made here."""

from __future__ import annotations

from collections.abc import Sequence

import pymupdf

Rect = tuple[float, float, float, float]

TEXT = (100, 90, 320, 108)
TICK = (100, 130, 112, 142)
COMBO = (100, 160, 220, 176)
LISTED = (100, 200, 220, 250)
MULTILINE = (100, 300, 320, 360)


def form_pdf(*, flags: int = 0, maxlen: int = 0, twin: bool = False) -> bytes:
    """Return a page with a field of each kind, its label beside it.

    `flags` and `maxlen` are of the field `person.name`; `twin` adds another field with its label.
    """
    pdf = pymupdf.open()
    page = pdf.new_page(width=595, height=842)
    for text, y in (
        ("Full name:", 102),
        ("I agree to the terms", 140),
        ("Country:", 171),
        ("Colour:", 214),
        ("Remarks:", 312),
    ):
        x = 120 if text.startswith("I agree") else 40
        page.insert_text((x, y), text, fontsize=10)
    _add(page, "person.name", pymupdf.PDF_WIDGET_TYPE_TEXT, TEXT, flags=flags, maxlen=maxlen)
    _add(page, "remarks", pymupdf.PDF_WIDGET_TYPE_TEXT, MULTILINE, flags=pymupdf.PDF_TX_FIELD_IS_MULTILINE)
    _add(page, "terms", pymupdf.PDF_WIDGET_TYPE_CHECKBOX, TICK)
    _add(
        page,
        "country",
        pymupdf.PDF_WIDGET_TYPE_COMBOBOX,
        COMBO,
        choices=[("at", "Austria"), ("fr", "France")],
    )
    _add(page, "colour", pymupdf.PDF_WIDGET_TYPE_LISTBOX, LISTED, choices=["red", "green", "blue"])
    if twin:
        page.insert_text((40, 402), "Full name:", fontsize=10)
        _add(page, "partner.name", pymupdf.PDF_WIDGET_TYPE_TEXT, (100, 390, 320, 408))
    page.insert_text((40, 272), "Delivery:", fontsize=10)
    for x, word in ((116, "by post"), (196, "by hand")):
        page.insert_text((x, 272), word, fontsize=10)
    add_radio(pdf, page, "delivery", [("post", (100, 262, 112, 274)), ("hand", (180, 262, 192, 274))])
    return bytes(pdf.tobytes(garbage=1, no_new_id=True))


def _add(
    page: pymupdf.Page,
    name: str,
    kind: int,
    rect: Rect,
    *,
    flags: int = 0,
    maxlen: int = 0,
    choices: Sequence[object] = (),
) -> None:
    widget = pymupdf.Widget()
    widget.field_name, widget.field_type, widget.rect = name, kind, pymupdf.Rect(rect)
    widget.field_flags, widget.text_maxlen = flags, maxlen
    if choices:
        widget.choice_values = list(choices)
    page.add_widget(widget)


def add_radio(
    pdf: pymupdf.Document, page: pymupdf.Page, name: str, options: Sequence[tuple[str, Rect]]
) -> None:
    """Add a group of radio buttons, which the library cannot make by itself."""
    parent = pdf.get_new_xref()
    pdf.update_object(parent, "<<>>")
    kids = [_button(pdf, page, parent, state, rect) for state, rect in options]
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    pdf.update_object(parent, f"<</FT/Btn/Ff 49152/T({name})/V/Off/Kids[{listed}]>>")
    _append(pdf, page.xref, "Annots", listed)
    _append(pdf, pdf.pdf_catalog(), "AcroForm/Fields", f"{parent} 0 R")


def _button(pdf: pymupdf.Document, page: pymupdf.Page, parent: int, state: str, rect: Rect) -> int:
    looks = []
    for mark in (b"0 0 12 12 re S", b"0 0 12 12 re S 3 3 6 6 re f"):
        looks.append(pdf.get_new_xref())
        pdf.update_object(looks[-1], "<</Type/XObject/Subtype/Form/BBox[0 0 12 12]>>")
        pdf.update_stream(looks[-1], mark)
    top = page.rect.height
    kid: int = pdf.get_new_xref()
    pdf.update_object(
        kid,
        f"<</Type/Annot/Subtype/Widget/F 4/Parent {parent} 0 R/P {page.xref} 0 R/AS/Off"
        f"/Rect[{rect[0]} {top - rect[3]} {rect[2]} {top - rect[1]}]"
        f"/AP<</N<</Off {looks[0]} 0 R/{state} {looks[1]} 0 R>>>>>>",
    )
    return kid


def _append(pdf: pymupdf.Document, xref: int, key: str, listed: str) -> None:
    _, array = pdf.xref_get_key(xref, key)
    pdf.xref_set_key(xref, key, f"{array.rstrip(']')} {listed}]")


def flat_pdf() -> bytes:
    """Return a page to be filled in by hand: a blank, two boxes to tick, and a label with room."""
    pdf = pymupdf.open()
    page = pdf.new_page(width=595, height=842)
    page.insert_text((60, 80), "Registration form", fontsize=16)
    page.insert_text((60, 120), "Surname: ______________________", fontsize=11)
    page.insert_text((60, 150), "[ ] Member", fontsize=11)
    page.insert_text((160, 150), "[x] Guest", fontsize=11)
    page.insert_text((60, 180), "Date of birth:", fontsize=11)
    page.insert_text((60, 230), "Send this page to the office. It is read there.", fontsize=11)
    return bytes(pdf.tobytes(garbage=1, no_new_id=True))


def signed_pdf() -> bytes:
    """Return the form with a signature field that holds a signature, of whatever worth."""
    pdf = pymupdf.open(stream=form_pdf(), filetype="pdf")
    page = pdf[0]
    signature, field = pdf.get_new_xref(), pdf.get_new_xref()
    pdf.update_object(
        signature,
        "<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/adbe.pkcs7.detached/ByteRange[0 1 2 3]/Contents<00>>>",
    )
    pdf.update_object(
        field,
        f"<</Type/Annot/Subtype/Widget/FT/Sig/T(approval)/F 4/Rect[100 300 250 340]/P {page.xref} 0 R"
        f"/V {signature} 0 R>>",
    )
    _append(pdf, page.xref, "Annots", f"{field} 0 R")
    _append(pdf, pdf.pdf_catalog(), "AcroForm/Fields", f"{field} 0 R")
    pdf.xref_set_key(pdf.pdf_catalog(), "AcroForm/SigFlags", "3")
    return bytes(pdf.tobytes(no_new_id=True))
