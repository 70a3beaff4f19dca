"""Each page is read by what it holds, and no page is lost without a word."""

from __future__ import annotations

import pymupdf
import pytest
from PIL import Image

from affidavit.engine.errors import OcrFailed
from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.ports import OcrWord
from affidavit.engine.result import Document, PageSource
from affidavit.engine.stages.plausibility import is_garbage
from tests.documents import (
    Placed,
    damaged_pdf,
    encoded,
    invoice_pdf,
    multipage_tiff,
    placed_pdf,
    raster,
    scanned,
    text_pdf,
)
from tests.engine.reading import only_page, read_bytes, result_of, spec

SEEN = NullOcr(
    (OcrWord("Seen", (100, 100, 180, 120), 0.8, 0), OcrWord("words", (190, 100, 280, 120), 0.6, 0))
)


def test_page_with_a_text_layer_is_read_from_it() -> None:
    page = only_page(text_pdf("Hello world"), ocr=SEEN)
    assert (page.source, page.markdown, page.ocr_engine) == (PageSource.NATIVE, "Hello world", None)
    assert all(word.confidence == 1 for word in page.words)


def test_page_that_is_an_image_is_read_by_ocr() -> None:
    page = only_page(scanned(text_pdf("Hello world"), dpi=100), ocr=SEEN)
    assert (page.source, page.markdown, page.ocr_engine) == (PageSource.OCR, "Seen words", "null 1")
    assert [word.confidence for word in page.words] == [0.8, 0.6]


def test_page_with_text_drawn_as_outlines_is_read_by_ocr() -> None:
    pdf = pymupdf.open()
    pdf.new_page().draw_bezier((90, 90), (200, 300), (300, 20), (400, 400))
    assert only_page(pdf.tobytes(), ocr=SEEN).source is PageSource.OCR


def test_empty_page_is_blank_and_costs_no_ocr() -> None:
    page = only_page(text_pdf(""), ocr=Failing())
    assert (page.source, page.markdown, page.words) == (PageSource.BLANK, "", ())


def test_mode_always_reads_text_pages_by_ocr() -> None:
    page = only_page(text_pdf("Hello world"), spec(ocr={"mode": "always"}), SEEN)
    assert (page.source, page.markdown, page.text_layer_words) == (PageSource.OCR, "Seen words", 2)


def test_mode_never_says_what_it_did_not_read() -> None:
    page = only_page(scanned(text_pdf("Hello world"), dpi=100), spec(ocr={"mode": "never"}), SEEN)
    assert page.source is PageSource.BLANK
    assert "OCR is off" in page.warnings[0]


def test_mode_never_warns_of_nothing_on_an_empty_page() -> None:
    assert only_page(text_pdf(""), spec(ocr={"mode": "never"})).warnings == ()


def test_page_with_ink_on_which_no_word_is_found_says_so() -> None:
    page = only_page(scanned(text_pdf("Hello world"), dpi=100), ocr=NullOcr())
    assert (page.source, page.words) == (PageSource.OCR, ())
    assert page.warnings == ("This page is not blank, but no words were found on it.",)


def _scan_with_layer(*layer: Placed) -> bytes:
    shown = text_pdf("\n".join(f"This is line {n} of the letter" for n in range(20)))
    pdf = pymupdf.open(stream=scanned(shown, dpi=100), filetype="pdf")
    for text in layer:
        pdf[0].insert_text((text.x, text.y), text.text, fontsize=text.font_size, render_mode=3)
    return bytes(pdf.tobytes())


def test_hidden_layer_that_covers_the_scan_is_trusted() -> None:
    lines = [Placed(f"This is line {n} of the letter", 72, 72 + n * 14.3, 11) for n in range(20)]
    page = only_page(_scan_with_layer(*lines), ocr=SEEN)
    assert page.source is PageSource.NATIVE
    assert "This is line 19 of the letter" in page.markdown


def test_hidden_layer_that_misses_most_of_the_scan_is_read_anew() -> None:
    page = only_page(_scan_with_layer(Placed("Page 1", 280, 800)), ocr=SEEN)
    assert (page.source, page.text_layer_words) == (PageSource.OCR, 2)


def test_text_in_a_large_image_joins_the_text_around_it() -> None:
    pdf = pymupdf.open(stream=text_pdf("Typed line"), filetype="pdf")
    (picture,) = raster(placed_pdf(Placed("Seen words", 30, 60, 18), size=(400, 200)), dpi=100)
    pdf[0].insert_image(pymupdf.Rect(72, 300, 472, 500), stream=encoded(picture, "PNG"))
    page = only_page(pdf.tobytes(), ocr=SEEN)
    assert page.source is PageSource.MIXED
    assert page.markdown.split() == ["Typed", "line", "Seen", "words"]
    seen = page.words[2]
    assert seen.box == pytest.approx((72 + 36, 300 + 36, 72 + 64.8, 300 + 43.2), abs=0.5)


def test_photograph_beside_text_is_not_read() -> None:
    pdf = pymupdf.open(stream=text_pdf("Typed line"), filetype="pdf")
    photo = Image.effect_noise((300, 200), 90)
    pdf[0].insert_image(pymupdf.Rect(72, 300, 472, 500), stream=encoded(photo, "PNG"))
    assert only_page(pdf.tobytes(), ocr=Failing()).source is PageSource.NATIVE


def test_ocr_word_under_a_text_layer_word_is_left_out() -> None:
    picture = raster(placed_pdf(Placed("Seen words", 30, 60, 18), size=(400, 200)), dpi=100)[0]
    pdf = pymupdf.open()
    page = pdf.new_page()
    page.insert_image(pymupdf.Rect(72, 300, 472, 500), stream=encoded(picture, "PNG"))
    page.insert_text((72 + 36, 300 + 44), "Typed", fontsize=12)
    assert only_page(pdf.tobytes(), ocr=SEEN).markdown.split() == ["Typed", "words"]


LETTER = "please find below the order that your colleague sent to our office in the first week of march"
PROSE = LETTER.split() * 4


def _shifted(words: list[str]) -> list[str]:
    """Return the words as a subset font without a map gives them: each code 29 lower."""
    return ["".join(chr(ord(letter) - 29) for letter in word) for word in words]


@pytest.mark.parametrize(
    ("words", "garbage"),
    [
        (PROSE, False),
        (_shifted(PROSE), True),
        (["\ufffd\ufffd\ufffd", "\ue001\ue002", "ok"], True),
        (["Größe", "naïve", "Ελληνικά", "中文"] * 20, False),
        (["4711", "12.50", "GTIN", "EUR"] * 20, False),
    ],
)
def test_garbage_is_told_from_text(words: list[str], garbage: bool) -> None:
    assert is_garbage(words) is garbage


class Failing(NullOcr):
    """An engine whose library breaks."""

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        raise RuntimeError("text of the document")


class FailsOnce(NullOcr):
    """An engine that fails on its first page."""

    calls = 0

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        FailsOnce.calls += 1
        if FailsOnce.calls == 1:
            raise OcrFailed("null", "it was told to")
        return [OcrWord("fine", (10, 10, 60, 20), 1.0, 0)]


def test_page_that_fails_is_listed_and_the_others_are_read() -> None:
    FailsOnce.calls = 0
    frames = [raster(text_pdf("words"), dpi=50)[0]] * 3
    document = read_bytes(multipage_tiff(frames), ocr=FailsOnce()).document
    assert [page.number for page in document.pages] == [2, 3]
    assert [(error.page, error.code) for error in document.failed] == [(1, "OCR_FAILED")]


def test_failure_of_an_engine_is_told_without_text_of_the_document() -> None:
    (error,) = read_bytes(scanned(text_pdf("words"), dpi=50), ocr=Failing()).document.failed
    assert error.code == "OCR_FAILED"
    assert "RuntimeError" in error.message
    assert "text of the document" not in error.message


def test_pages_asked_for_are_read_and_no_others() -> None:
    document = read_bytes(text_pdf("one", "two", "three", "four"), spec(pages="2,4")).document
    assert [(page.number, page.markdown) for page in document.pages] == [(2, "two"), (4, "four")]
    assert document.page_count == 4


def test_page_survives_its_checkpoint_unchanged() -> None:
    document = read_bytes(invoice_pdf()).document
    assert Document.model_validate_json(document.model_dump_json()) == document


def test_result_counts_ranges_over_the_whole_document() -> None:
    result = result_of(text_pdf("First page", "", "Third page"))
    assert result.markdown == "First page\n\n\n\nThird page"
    assert [result.markdown[slice(*page.range)] for page in result.pages] == ["First page", "", "Third page"]
    for page in result.pages:
        for word in page.words:
            assert word.range is not None
            assert result.markdown[slice(*word.range)] == word.text


def test_result_leaves_words_out_unless_asked() -> None:
    result = result_of(text_pdf("Some words"), spec(words=False))
    assert (result.pages[0].words, result.pages[0].lines) == (None, None)
    assert result.pages[0].blocks


def test_result_names_the_engines_that_read_its_pages() -> None:
    assert result_of(text_pdf("x"), ocr=SEEN).engine.ocr.engines == ()
    assert result_of(scanned(text_pdf("x"), dpi=50), ocr=SEEN).engine.ocr.engines == ("null 1",)


def test_damaged_file_counts_its_pages() -> None:
    assert result_of(damaged_pdf()).usage.pages == 1


def test_page_image_is_the_page_as_displayed() -> None:
    reading = read_bytes(placed_pdf(Placed("Hi", 100, 100), rotation=90), spec(images=True))
    image, page = reading.images[1], reading.document.pages[0]
    zoom = page.dpi / 72
    assert (image.width, image.height) == (pytest.approx(842 * zoom, abs=1), pytest.approx(595 * zoom, abs=1))
    assert len(image.data) < 20_000
