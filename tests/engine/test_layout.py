"""Words come in the order in which a person reads them, in blocks of the right kind."""

from __future__ import annotations

import time

import pymupdf
import pytest

from affidavit.engine.result import BlockType, Page
from tests.documents import A4, Placed, invoice_pdf, placed_pdf, text_pdf
from tests.engine.reading import only_page

PROSE = "Lorem ipsum dolor sit amet consectetur elit"


def _kinds(page: Page) -> list[tuple[BlockType, str]]:
    return [(block.type, page.markdown[slice(*block.range)]) for block in page.blocks]


def test_two_columns_of_prose_are_read_one_after_the_other() -> None:
    left = [Placed(f"left{n} {PROSE}", 50, 150 + 14 * n, 10) for n in range(20)]
    right = [Placed(f"right{n} {PROSE}", 310, 150 + 14 * n, 10) for n in range(20)]
    title = Placed("A title that runs over both of the columns below it", 60, 100, 20)
    words = [word.text for word in only_page(placed_pdf(*right, title, *left)).words]
    marks = [word for word in words if word.startswith(("left", "right"))]
    assert words[0] == "A"
    assert marks == [f"left{n}" for n in range(20)] + [f"right{n}" for n in range(20)]


def test_values_stay_beside_their_labels() -> None:
    rows = [("Order no", "4711"), ("Customer", "Miller"), ("Due", "2026-01-31"), ("Total", "12.50")]
    texts = [
        Placed(text, x, 100 + 18 * n)
        for n, row in enumerate(rows)
        for text, x in zip(row, (60, 250), strict=True)
    ]
    assert only_page(placed_pdf(*texts)).markdown.splitlines() == [" ".join(row) for row in rows]


def test_address_is_not_mixed_with_the_labelled_values_beside_it() -> None:
    markdown = only_page(invoice_pdf()).markdown
    assert "Northwind Instruments Ltd\n12 Foundry Lane, Leeds" in markdown
    assert "Invoice number: INV-2026-0042\nInvoice date: 2026-03-14" in markdown


def test_heading_is_told_by_its_size_and_body_is_not() -> None:
    body = [Placed(PROSE, 60, 150 + 14 * n, 10) for n in range(8)]
    page = only_page(placed_pdf(Placed("Big", 60, 90, 20), Placed("Smaller", 60, 125, 14.5), *body))
    assert [(kind, text) for kind, text in _kinds(page)][:2] == [
        (BlockType.HEADING, "# Big"),
        (BlockType.HEADING, "## Smaller"),
    ]
    assert page.blocks[2].type is BlockType.PARAGRAPH


def test_page_of_one_size_has_no_headings() -> None:
    page = only_page(text_pdf("One line\nAnother line\n\nA third"))
    assert {block.type for block in page.blocks} == {BlockType.PARAGRAPH}


def test_list_items_are_told_by_their_signs() -> None:
    page = only_page(text_pdf("Intro\n\n- first thing\n- second thing\n\n1. one\n2. two"))
    assert page.markdown == "Intro\n\n- first thing\n- second thing\n1. one\n2. two"
    assert [kind for kind, _ in _kinds(page)][1:] == [BlockType.LIST_ITEM] * 4


def test_white_between_lines_parts_paragraphs() -> None:
    assert only_page(text_pdf("one\ntwo\n\nthree")).markdown == "one\ntwo\n\nthree"


def test_text_that_runs_up_beside_the_page_is_kept_and_stands_last() -> None:
    pdf = pymupdf.open(stream=text_pdf("Body of the page\nmore of it"), filetype="pdf")
    pdf[0].insert_text((30, 600), "Received stamp", rotate=90)
    assert only_page(pdf.tobytes()).markdown == "Body of the page\nmore of it\n\nReceived stamp"


def test_words_drawn_twice_at_one_place_are_read_once() -> None:
    page = only_page(placed_pdf(Placed("Bold", 100, 100), Placed("Bold", 100.3, 100)))
    assert (page.markdown, page.text_layer_words) == ("Bold", 1)


def test_ids_are_unique_and_refer_to_each_other() -> None:
    page = only_page(invoice_pdf())
    words, lines = {word.id for word in page.words}, {line.id: line for line in page.lines}
    assert len(words) == len(page.words)
    assert [word for line in page.lines for word in line.words] == [word.id for word in page.words]
    assert all(word.id in lines[word.line].words for word in page.words)
    assert {word.block for word in page.words} == {block.id for block in page.blocks}
    assert all(words.issuperset(cell.words) for table in page.tables for cell in table.cells)


@pytest.mark.timeout(60)
def test_page_of_twenty_thousand_words_is_read_in_seconds() -> None:
    pdf = pymupdf.open()
    page = pdf.new_page(width=A4[0] * 3, height=A4[1] * 3)
    for row in range(400):
        page.insert_text((20, 20 + row * 6), " ".join(f"w{row}x{n}" for n in range(50)), fontsize=5)
    started = time.process_time()
    read = only_page(pdf.tobytes())
    assert len(read.words) == 20_000
    assert time.process_time() - started < 20
