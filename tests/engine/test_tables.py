"""Tables are found where there are some, cell by cell, and nowhere else."""

from __future__ import annotations

import pymupdf
import pytest

from affidavit.engine.ocr import choose
from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.ports import OcrWord
from affidavit.engine.result import Table
from affidavit.engine.spec import OcrOptions
from tests.documents import (
    INVOICE,
    Placed,
    invoice_pdf,
    placed_pdf,
    raster,
    scanned,
    scanned_invoice_pdf,
    text_pdf,
)
from tests.engine.reading import only_page

GRID = [
    ["Description", "Quantity", "Unit price", "Amount"],
    *[[item.description, item.quantity, item.unit_price, item.amount] for item in INVOICE.items],
]


def _texts(table: Table) -> list[list[str]]:
    texts = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        texts[cell.row][cell.column] = cell.text
    return texts


@pytest.mark.parametrize("ruled", [True, False])
def test_line_items_are_a_table_with_and_without_rules(ruled: bool) -> None:
    (table,) = only_page(invoice_pdf(ruled=ruled)).tables
    assert _texts(table) == GRID
    assert [cell.header for cell in table.cells] == [True] * 4 + [False] * 12


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_ruled_table_of_a_rotated_page_has_its_cells_around_its_words(rotation: int) -> None:
    pdf = pymupdf.open(stream=invoice_pdf(), filetype="pdf")
    pdf[0].set_rotation(rotation)
    page = only_page(pdf.tobytes())
    (table,) = page.tables
    assert _texts(table) == GRID
    words = {word.id: word for word in page.words}
    for cell in table.cells:
        for name in cell.words:
            x0, y0, x1, y1 = words[name].box
            assert cell.box[0] <= (x0 + x1) / 2 <= cell.box[2]
            assert cell.box[1] <= (y0 + y1) / 2 <= cell.box[3]


@pytest.mark.parametrize("skew", [0.0, 2.0])
def test_rules_of_a_scan_make_the_same_table(skew: float) -> None:
    words = only_page(invoice_pdf()).words
    zoom = 200 / 72
    seen = [
        OcrWord(word.text, tuple(side * zoom for side in word.box), 0.9, number)  # type: ignore[arg-type]
        for number, word in enumerate(words)
    ]
    if skew:
        grown = _grown_by(skew)
        seen = [
            OcrWord(
                w.text,
                (w.box[0] + grown[0], w.box[1] + grown[1], w.box[2] + grown[0], w.box[3] + grown[1]),
                0.9,
                w.line,
            )
            for w in seen
        ]
    (table,) = only_page(scanned(invoice_pdf(), skew=skew), ocr=NullOcr(tuple(seen))).tables
    assert _texts(table) == GRID


def _grown_by(skew: float) -> tuple[float, float]:
    """Return how far levelling moves the middle of the raster: by half of what it grows."""
    (image,) = raster(scanned(invoice_pdf(), skew=skew), dpi=200)
    level = image.rotate(-skew, expand=True)
    return (level.width - image.width) / 2, (level.height - image.height) / 2


def _ruled(page: pymupdf.Page, xs: list[float], ys: list[float]) -> None:
    for y in ys:
        page.draw_line((xs[0], y), (xs[-1], y))
    for x in xs:
        page.draw_line((x, ys[0]), (x, ys[-1]))


def test_missing_rules_make_cells_that_span() -> None:
    pdf = pymupdf.open()
    page = pdf.new_page()
    for y in (100, 120, 140, 160):
        page.draw_line((100, y), (400, y))
    for x, top in ((100, 100), (200, 100), (300, 120), (400, 100)):
        page.draw_line((x, top), (x, 160))
    for text, x, y in (("Year", 110, 114), ("Both halves", 210, 114), ("2026", 110, 134), ("1.5", 210, 134)):
        page.insert_text((x, y), text)
    for text, x, y in (("2.5", 310, 134), ("2027", 110, 154), ("3.5", 210, 154), ("4.5", 310, 154)):
        page.insert_text((x, y), text)
    (table,) = only_page(pdf.tobytes()).tables
    spans = {cell.text: (cell.row, cell.column, cell.row_span, cell.column_span) for cell in table.cells}
    assert (table.rows, table.columns) == (3, 3)
    assert spans["Both halves"] == (0, 1, 1, 2)
    assert spans["4.5"] == (2, 2, 1, 1)


def test_frame_around_text_is_no_table() -> None:
    pdf = pymupdf.open(stream=text_pdf("Some words in a frame\nand some more"), filetype="pdf")
    pdf[0].draw_rect(pymupdf.Rect(50, 50, 545, 200))
    assert only_page(pdf.tobytes()).tables == ()


@pytest.mark.parametrize(
    "text",
    [
        "A page of prose.\nIt has several lines,\nand none of them is a row.",
        "Name: Miller\nTotal: 12.50\nDate: 2026-01-01",
    ],
)
def test_text_without_columns_is_no_table(text: str) -> None:
    assert only_page(text_pdf(text)).tables == ()


def test_three_columns_of_prose_are_no_table() -> None:
    texts = [
        Placed(f"{word} of a column", x, 100 + 14 * n, 10)
        for n in range(12)
        for word, x in (("left", 50), ("middle", 230), ("right", 410))
    ]
    assert only_page(placed_pdf(*texts)).tables == ()


def test_totals_below_the_items_are_not_rows_of_the_table() -> None:
    (table,) = only_page(invoice_pdf(ruled=False)).tables
    assert "Subtotal" not in " ".join(cell.text for cell in table.cells)


def test_second_line_of_a_description_stays_in_its_cell() -> None:
    rows = [
        (("Item", 60), ("Qty", 300), ("Price", 400)),
        (("Steel bolt", 60), ("4", 300), ("1.50", 400)),
        (("galvanised", 60),),
        (("Copper nut", 60), ("8", 300), ("0.75", 400)),
    ]
    texts = [Placed(text, x, 100 + 13 * n, 11) for n, row in enumerate(rows) for text, x in row]
    (table,) = only_page(placed_pdf(*texts)).tables
    assert _texts(table) == [
        ["Item", "Qty", "Price"],
        ["Steel bolt galvanised", "4", "1.50"],
        ["Copper nut", "8", "0.75"],
    ]


def test_scanned_and_skewed_invoice_reads_as_the_printed_one() -> None:
    page = only_page(scanned_invoice_pdf(), ocr=choose(OcrOptions()))
    (table,) = page.tables
    assert _texts(table) == GRID
    assert "Invoice number: INV-2026-0042" in page.markdown
    assert "Total 455.40 EUR" in page.markdown
