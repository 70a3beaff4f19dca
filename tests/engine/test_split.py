"""Packets come apart into their documents, and single documents stay whole."""

from __future__ import annotations

import io
import random

import pymupdf
import pytest
import zxingcpp
from PIL import Image

from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.split import Cue, SplitParameters
from affidavit.engine.operations.split import run, split
from affidavit.engine.operations.split.marks import Style, find_marks
from affidavit.engine.result import Document, Line, Page, PageError, PageSource, Word
from affidavit.engine.source import Source
from affidavit.engine.spec import Operation, Spec
from affidavit.engine.stages.fields.view import View
from tests.documents import INVOICE, Invoice, invoice_pdf, text_pdf
from tests.engine import packets
from tests.engine.build import document_of

PLAIN = SplitParameters()
TOPICS = SplitParameters.model_validate(
    {
        "topics": [
            {"name": "bills", "description": "An invoice with an amount due"},
            {"name": "agreements", "description": "A contract between two parties"},
        ]
    }
)


def joined(*pdfs: bytes) -> bytes:
    whole = pymupdf.open()
    for pdf in pdfs:
        whole.insert_pdf(pymupdf.open(stream=pdf, filetype="pdf"))
    return whole.tobytes()


def ranges(pdf: bytes, parameters: SplitParameters = PLAIN) -> list[str]:
    return [part.range for part in split(document_of(pdf), parameters).parts]


def numbered(*texts: str) -> bytes:
    """Return pages of prose with a text at the foot of each."""
    pdf = pymupdf.open()
    for number, text in enumerate(texts):
        page = pdf.new_page(width=595, height=842)
        for line in range(40):
            page.insert_text(
                (72, 72 + 16 * line), f"line {line} of page {number} goes on about ships", fontsize=10
            )
        page.insert_text((280, 815), text, fontsize=9)
    return pdf.tobytes()


def test_boundaries_of_generated_packets_are_found():
    made = [packets.packet(seed) for seed in range(100, 108)]

    found = [{part.pages[0] for part in split(document_of(each.pdf), PLAIN).parts[1:]} for each in made]

    assert packets.f1(found, [set(each.starts[1:]) for each in made]) >= 0.85


@pytest.mark.parametrize("kind", packets.KINDS)
def test_a_single_document_stays_whole(kind):
    for seed in range(200, 202):
        assert len(ranges(packets.single(kind, seed))) == 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Page 1 of 2", "Page 2 of 2", "Page 1 of 1"), ["1-2", "3"]),
        (("Seite 1/3", "Seite 2/3", "Seite 3/3"), ["1-3"]),
        (("Página 1 de 2", "Página 2 de 2", "Página 1 de 2", "Página 2 de 2"), ["1-2", "3-4"]),
        (("Strona 1 z 2", "Strona 2 z 2", "Strona 1 z 1"), ["1-2", "3"]),
        (("1 / 1", "1 / 2", "2 / 2"), ["1", "2-3"]),
        (("- 1 -", "- 2 -", "- 3 -"), ["1-3"]),
    ],
)
def test_page_numbers_part_and_join_pages(texts, expected):
    assert ranges(numbered(*texts)) == expected


@pytest.mark.parametrize("text", ["第 2 页 共 3 页", "2 / 3", "Side 2 af 3", "Pagina 2 di 3", "стр. 2 из 3"])
def test_a_page_number_is_read_in_many_scripts(text):
    document = document_of(numbered(""))
    view = View(_with_last_line(document, text))

    (mark,) = [mark for mark in find_marks(view.rows, 842) if mark.style is Style.OF_TOTAL]

    assert (mark.number, mark.total) == (2, 3)


def _with_last_line(document: Document, text: str) -> Document:
    """Return a one-page document whose foot says `text`; fonts at hand draw no Chinese."""
    page = document.pages[0]
    pieces = text.split()
    words = tuple(
        Word(
            id=f"p1.w{900 + at}",
            text=piece,
            box=(250 + 25 * at, 810, 272 + 25 * at, 820),
            confidence=1,
            line="p1.l900",
        )
        for at, piece in enumerate(pieces)
    )
    line = Line(id="p1.l900", box=(250, 810, 400, 820), words=tuple(word.id for word in words))
    kept = page.model_copy(update={"words": (*page.words, *words), "lines": (*page.lines, line)})
    return document.model_copy(update={"pages": (kept,)})


def test_two_invoices_of_one_sender_are_told_apart_by_their_numbers():
    pdf = joined(invoice_pdf(), invoice_pdf(Invoice(number="INV-2026-0043", date="2026-03-15")))

    outcome = split(document_of(pdf), PLAIN)

    (boundary,) = [boundary for boundary in outcome.boundaries if boundary.splits]
    assert [part.range for part in outcome.parts] == ["1", "2"]
    assert Cue.IDENTIFIER in {reason.cue for reason in boundary.reasons}


def test_every_page_is_in_one_part_or_said_to_be_in_none():
    for seed in range(120, 122):
        made = packets.packet(seed, blanks=0.6, separators=0.4)
        outcome = split(document_of(made.pdf), PLAIN)
        inside = [page for part in outcome.parts for page in part.pages]
        assert sorted([*inside, *outcome.separator_pages]) == list(range(1, made.pages + 1))
        assert outcome.separator_pages == made.separators
        assert outcome.blank_pages == made.blank


def test_blank_pages_are_left_out_when_not_kept():
    pdf = joined(text_pdf("Invoice\n\nTotal 5", ""), invoice_pdf())

    assert ranges(pdf, SplitParameters(keep_blank=False)) == ["1", "3"]
    assert ranges(pdf) == ["1-2", "3"]


def test_a_page_that_says_it_is_blank_is_blank():
    outcome = split(document_of(text_pdf("Invoice", "This page intentionally left blank")), PLAIN)

    assert outcome.blank_pages == (2,)


def test_unread_pages_stay_with_the_document_before_them():
    document = document_of(numbered("Page 1 of 3", "Page 3 of 3"))
    pages = (document.pages[0], document.pages[1].model_copy(update={"number": 3}))
    failed = (PageError(page=2, code="PAGE_FAILED", message=""),)

    outcome = split(document.model_copy(update={"pages": pages, "failed": failed, "page_count": 3}), PLAIN)

    assert outcome.unread_pages == (2,)
    assert 2 in outcome.parts[0].pages


def test_max_parts_keeps_the_surest_boundaries():
    pdf = joined(*(invoice_pdf(Invoice(number=f"INV-{number}-77")) for number in range(5)))

    assert len(ranges(pdf, SplitParameters(max_parts=2))) == 2


def test_parts_are_named_by_topics_and_the_rest_stays_uncategorised():
    pdf = joined(invoice_pdf(), packets.single("contract", 3), packets.single("resume", 3))

    outcome = split(document_of(pdf), TOPICS)

    assert [part.topic for part in outcome.parts] == ["bills", "agreements", "uncategorised"]
    assert outcome.uncategorised_pages == outcome.parts[2].pages
    assert outcome.parts[0].citations[0].quote == "Invoice"


def test_a_qr_code_on_a_sheet_of_its_own_parts_documents():
    pdf = joined(text_pdf("One story"), _code_sheet("SEPARATOR-7"), text_pdf("goes on here"))
    context = Context(document_of(pdf), Spec(operation=Operation.SPLIT), Source(pdf))

    outcome = run(context, PLAIN, ()).outcome

    assert [part.range for part in outcome.parts] == ["1", "3"]
    assert [(code.page, code.text) for code in outcome.barcodes] == [(2, "SEPARATOR-7")]


def _code_sheet(text: str) -> bytes:
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    buffer = io.BytesIO()
    Image.fromarray(code.to_image(scale=8)).save(buffer, "PNG")
    pdf = pymupdf.open()
    pdf.new_page(width=595, height=842).insert_image((150, 250, 450, 550), stream=buffer.getvalue())
    return pdf.tobytes()


def test_child_files_hold_their_pages_and_no_others():
    pdf = joined(invoice_pdf(), packets.single("contract", 3))
    context = Context(document_of(pdf), Spec(operation=Operation.SPLIT), Source(pdf))

    finished = run(context, SplitParameters(files=True), ())

    texts = [pymupdf.open(stream=each.data, filetype="pdf")[0].get_text() for each in finished.artifacts]
    assert [part.file for part in finished.outcome.parts] == [each.name for each in finished.artifacts]
    assert INVOICE.number in texts[0]
    assert INVOICE.number not in texts[1]


def test_files_of_what_is_no_pdf_are_left_out_with_a_note():
    document = document_of(text_pdf("Invoice"))
    context = Context(document, Spec(operation=Operation.SPLIT), Source(b"plain words", "a.txt"))

    finished = run(context, SplitParameters(files=True), ())

    assert finished.artifacts == ()
    assert "no PDF" in finished.outcome.notes[0]


def test_an_empty_document_has_no_parts():
    outcome = split(document_of(text_pdf("", "")), PLAIN)

    assert outcome.parts == ()
    assert outcome.blank_pages == (1, 2)


def test_two_thousand_pages_are_all_taken():
    outcome = split(_long(2000), TOPICS)  # every gap against two pages: what grew faster would time out

    assert [page for part in outcome.parts for page in part.pages] == list(range(1, 2001))


def _long(count: int) -> Document:
    """Return pages of 20 words each, with numbers that begin anew at random."""
    rng = random.Random(5)
    pages = []
    for number in range(1, count + 1):
        texts = [f"w{rng.randint(1, 400)}x" for _ in range(18)] + ["Page", str(rng.randint(1, 9))]
        words = tuple(
            Word(
                id=f"p{number}.w{at}",
                text=text,
                box=(72 + 40 * (at % 10), 72 + 20 * (at // 10), 108 + 40 * (at % 10), 84 + 20 * (at // 10)),
                confidence=1,
                line=f"p{number}.l{at // 10}",
                range=(0, 1),
            )
            for at, text in enumerate(texts)
        )
        pages.append(
            Page(
                number=number,
                width=595,
                height=842,
                dpi=72,
                source=PageSource.NATIVE,
                markdown=" ".join(texts),
                range=(0, 1),
                words=words,
            )
        )
    return Document(media_type="application/pdf", page_count=count, pages=tuple(pages))
