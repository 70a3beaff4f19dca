"""Documents that the tests read: each is made here, so that what stands on it is known.

All functions return the bytes of a file. Positions are PDF points from the top left.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import pymupdf
from PIL import Image

A4 = (595.0, 842.0)


@dataclass(frozen=True)
class Item:
    """A line of the invoice."""

    description: str
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True)
class Invoice:
    """What the invoice says, as it is printed."""

    number: str = "INV-2026-0042"
    date: str = "2026-03-14"
    due: str = "2026-04-13"
    seller: str = "Northwind Instruments Ltd"
    buyer: str = "Harbour Street Bakery"
    items: tuple[Item, ...] = (
        Item("Digital thermometer", "4", "25.00", "100.00"),
        Item("Calibration service", "1", "180.50", "180.50"),
        Item("Stainless probe, 30 cm", "12", "8.25", "99.00"),
    )
    subtotal: str = "379.50"
    tax: str = "75.90"
    total: str = "455.40"
    currency: str = "EUR"


INVOICE = Invoice()


def invoice_pdf(invoice: Invoice = INVOICE, *, ruled: bool = True) -> bytes:
    """Return a one-page invoice with a text layer; `ruled` draws the lines of its table."""
    pdf = pymupdf.open()
    _draw_invoice(pdf.new_page(width=A4[0], height=A4[1]), invoice, ruled=ruled)
    return _saved(pdf)


def scanned_invoice_pdf(invoice: Invoice = INVOICE, *, skew: float = 2.0, dpi: int = 200) -> bytes:
    """Return the same invoice as an image-only PDF, turned by `skew` degrees counter-clockwise."""
    return scanned(invoice_pdf(invoice), skew=skew, dpi=dpi)


def scanned(pdf: bytes, *, skew: float = 0.0, dpi: int = 200, turn: int = 0) -> bytes:
    """Return a PDF of page images of `pdf`: skewed, then turned clockwise by a multiple of 90."""
    result = pymupdf.open()
    for image in raster(pdf, dpi=dpi):
        skewed = image.rotate(skew, Image.Resampling.BICUBIC, fillcolor="white") if skew else image
        turned = skewed.rotate(-turn, expand=True) if turn else skewed
        page = result.new_page(width=turned.width * 72 / dpi, height=turned.height * 72 / dpi)
        page.insert_image(page.rect, stream=encoded(turned, "JPEG"))
    return _saved(result)


def raster(pdf: bytes, *, dpi: int = 200) -> list[Image.Image]:
    """Return each page of `pdf` as an RGB image."""
    images = []
    for page in pymupdf.open(stream=pdf, filetype="pdf"):
        pixmap = page.get_pixmap(dpi=dpi)
        images.append(Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples))
    return images


def encoded(image: Image.Image, format_name: str) -> bytes:
    """Return the image as a file of the format that Pillow calls `format_name`."""
    buffer = io.BytesIO()
    image.save(buffer, format_name)
    return buffer.getvalue()


def multipage_tiff(images: list[Image.Image]) -> bytes:
    """Return one TIFF with a frame for each image."""
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:], compression="tiff_lzw")
    return buffer.getvalue()


def text_pdf(*pages: str, size: tuple[float, float] = A4, font_size: float = 11) -> bytes:
    """Return a PDF with one page of plain lines for each text; an empty text makes a blank page."""
    pdf = pymupdf.open()
    for text in pages:
        page = pdf.new_page(width=size[0], height=size[1])
        for number, line in enumerate(text.splitlines()):
            page.insert_text((72, 72 + number * font_size * 1.3), line, fontsize=font_size)
    return _saved(pdf)


@dataclass(frozen=True)
class Placed:
    """A text whose baseline starts at `x`, `y` of the page before rotation and crop."""

    text: str
    x: float
    y: float
    font_size: float = 12
    font: str = "helv"


def placed_pdf(
    *texts: Placed,
    rotation: int = 0,
    crop: tuple[float, float, float, float] | None = None,
    size: tuple[float, float] = A4,
) -> bytes:
    """Return a one-page PDF with texts at known places, then cropped and rotated clockwise."""
    pdf = pymupdf.open()
    page = pdf.new_page(width=size[0], height=size[1])
    for text in texts:
        page.insert_text((text.x, text.y), text.text, fontsize=text.font_size, fontname=text.font)
    if crop is not None:
        page.set_cropbox(pymupdf.Rect(crop))
    page.set_rotation(rotation)
    return _saved(pdf)


def encrypted_pdf(text: str = "Secret words", *, user: str, owner: str = "owner") -> bytes:
    """Return an AES-256 PDF; an empty `user` password opens for everyone."""
    pdf = pymupdf.open(stream=text_pdf(text), filetype="pdf")
    return bytes(pdf.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=user, owner_pw=owner))


def damaged_pdf(text: str = "Still readable") -> bytes:
    """Return a PDF whose cross-reference table is cut off: readable after repair."""
    whole = text_pdf(text)
    return whole[: whole.rindex(b"xref")]


def pdf_without_pages() -> bytes:
    """Return a well-formed PDF with an empty page tree."""
    return (
        b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        b"2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\n"
        b"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000054 00000 n \n"
        b"trailer\n<</Size 3/Root 1 0 R>>\nstartxref\n101\n%%EOF\n"
    )


def _saved(pdf: pymupdf.Document) -> bytes:
    return bytes(pdf.tobytes(garbage=3, deflate=True, no_new_id=True))  # the same bytes every time


COLUMNS = (60.0, 290.0, 360.0, 450.0, 535.0)


def _draw_invoice(page: pymupdf.Page, invoice: Invoice, *, ruled: bool) -> None:
    page.insert_text((60, 80), "Invoice", fontsize=24, fontname="hebo")
    page.insert_text((60, 110), invoice.seller, fontsize=11)
    page.insert_text((60, 125), "12 Foundry Lane, Leeds", fontsize=11)
    heads = (("Invoice number:", invoice.number), ("Invoice date:", invoice.date), ("Due date:", invoice.due))
    for row, (label, value) in enumerate((*heads, ("Bill to:", invoice.buyer))):
        page.insert_text((340, 110 + row * 16), label, fontsize=11, fontname="hebo")
        page.insert_text((435, 110 + row * 16), value, fontsize=11)
    bottom = _draw_items(page, invoice, top=210.0, ruled=ruled)
    totals = (("Subtotal", invoice.subtotal), ("VAT 20%", invoice.tax), ("Total", invoice.total))
    for row, (label, value) in enumerate(totals):
        y = bottom + 30 + row * 18
        page.insert_text((COLUMNS[2] + 4, y), label, fontsize=11, fontname="hebo")
        _right(page, COLUMNS[4] - 4, y, f"{value} {invoice.currency}")
    page.insert_text(
        (60, bottom + 120), "Please pay within 30 days. Thank you for your business.", fontsize=10
    )


def _draw_items(page: pymupdf.Page, invoice: Invoice, *, top: float, ruled: bool) -> float:
    rows = [("Description", "Quantity", "Unit price", "Amount")]
    rows += [(item.description, item.quantity, item.unit_price, item.amount) for item in invoice.items]
    for row, cells in enumerate(rows):
        y = top + row * 22 + 15
        font = "hebo" if row == 0 else "helv"
        page.insert_text((COLUMNS[0] + 4, y), cells[0], fontsize=11, fontname=font)
        for column, text in enumerate(cells[1:], start=1):
            _right(page, COLUMNS[column + 1] - 4, y, text, font)
    bottom = top + len(rows) * 22
    if ruled:
        for row in range(len(rows) + 1):
            page.draw_line((COLUMNS[0], top + row * 22), (COLUMNS[-1], top + row * 22), width=0.8)
        for x in COLUMNS:
            page.draw_line((x, top), (x, bottom), width=0.8)
    return bottom


def _right(page: pymupdf.Page, x: float, y: float, text: str, font: str = "helv") -> None:
    width = pymupdf.get_text_length(text, fontname=font, fontsize=11)
    page.insert_text((x - width, y), text, fontsize=11, fontname=font)
