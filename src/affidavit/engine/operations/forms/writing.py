"""Write on a page that has no fields: text over a blank, a cross in a box."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import pymupdf

from affidavit.engine.errors import FormRefused
from affidavit.engine.operations.shapes.forms import FieldType, FormField, FormValue

LARGEST, SMALLEST = 11.0, 5.0  # points
RISE = 3.0  # points that text stands over the blank's box, so that its line is not struck through
CROSS = 0.18  # of a box's side, that is left free around the cross


@dataclass(frozen=True, slots=True)
class Writing:
    """What to write at a place of a flat form."""

    field: FormField
    value: str | bool


def checked(field: FormField, value: FormValue, name: str) -> Writing:
    """Return what to write. Raises FormRefused that names the field as the caller did."""
    if field.type is FieldType.CHECKBOX:
        if not isinstance(value, bool):
            raise FormRefused(name, "a box to tick takes true or false")
        if field.value and not value:
            raise FormRefused(name, "the box is ticked in print and cannot be cleared")
        return Writing(field, value)
    if value is None or isinstance(value, bool | tuple):
        raise FormRefused(name, "the place takes text")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if "\n" in text:
        raise FormRefused(name, "has several lines and the place takes one")
    return Writing(field, text)


def write(pdf: pymupdf.Document, writings: Sequence[Writing]) -> None:
    """Draw what is to be written on the pages."""
    for writing in writings:
        page = pdf.load_page(writing.field.page - 1)
        page.wrap_contents()  # what a page's own drawing leaves set must not move ours
        box = pymupdf.Rect(writing.field.box)
        if isinstance(writing.value, bool):
            if writing.value and not writing.field.value:
                _cross(page, box)
        else:
            _text(page, box, writing.value)


def _cross(page: pymupdf.Page, box: pymupdf.Rect) -> None:
    inset = CROSS * min(box.width, box.height)
    inner = pymupdf.Rect(box.x0 + inset, box.y0 + inset, box.x1 - inset, box.y1 - inset)
    turned = inner * page.derotation_matrix
    page.draw_line(turned.tl, turned.br, width=1)
    page.draw_line(turned.tr, turned.bl, width=1)


def _text(page: pymupdf.Page, box: pymupdf.Rect, text: str) -> None:
    size = max(SMALLEST, min(LARGEST, box.height))
    wide = max(pymupdf.get_text_length(text, fontname="helv", fontsize=1), 0.1)
    size = max(SMALLEST, min(size, box.width / wide))
    place = pymupdf.Rect(box.x0, box.y1 - RISE - 1.5 * size, max(box.x1, box.x0 + 1.1 * wide * size), box.y1)
    style = f"font-family:sans-serif;font-size:{size:g}pt;line-height:1.2;white-space:nowrap;margin:0"
    page.insert_htmlbox(
        place * page.derotation_matrix, f'<p style="{style}">{html.escape(text)}</p>', rotate=page.rotation
    )
