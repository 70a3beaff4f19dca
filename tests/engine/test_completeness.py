"""The ledger counts what is there, not what should be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.ports import OcrWord
from affidavit.engine.result import Document, PageError
from affidavit.engine.stages import damage
from affidavit.engine.stages.completeness import account, unshown
from tests.documents import Placed, invoice_pdf, placed_pdf, scanned, text_pdf
from tests.engine.reading import read_bytes, result_of

places = st.tuples(
    st.from_regex(r"[A-Za-z0-9*_#|.,:-]{1,8}", fullmatch=True), st.integers(30, 500), st.integers(30, 800)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(places, min_size=1, max_size=25, unique_by=lambda place: place[1:]), st.sampled_from([0, 90]))
def test_every_word_wherever_it_stands_is_in_the_markdown(
    found: list[tuple[str, int, int]], rotation: int
) -> None:
    document = read_bytes(placed_pdf(*[Placed(*place) for place in found], rotation=rotation)).document
    ledger = account(document)
    assert ledger.ok, unshown(document.pages)
    assert ledger.words_in_output == ledger.text_layer_words > 0


def test_pages_are_counted_by_source() -> None:
    seen = NullOcr((OcrWord("seen", (10, 10, 60, 20), 1.0, 0),))
    assert result_of(text_pdf("one", "", "three"), ocr=seen).completeness.pages.model_dump() == {
        "total": 3,
        "native": 2,
        "ocr": 0,
        "mixed": 0,
        "blank": 1,
        "failed": 0,
    }
    assert result_of(scanned(text_pdf("x"), dpi=50), ocr=seen).completeness.pages.ocr == 1


def test_failed_page_makes_the_document_incomplete() -> None:
    read = read_bytes(text_pdf("one", "two")).document
    error = PageError(page=2, code="OCR_FAILED", message="no")
    ledger = account(read.model_copy(update={"pages": read.pages[:1], "failed": (error,)}))
    assert (ledger.ok, ledger.pages.total, ledger.failed_pages) == (False, 2, (error,))


def test_word_that_the_markdown_lost_is_missed() -> None:
    document = read_bytes(invoice_pdf()).document
    (page,) = document.pages
    torn = page.model_copy(update={"markdown": page.markdown.replace("455.40", "      ")})
    ledger = account(Document(media_type="application/pdf", page_count=1, pages=(torn,)))
    assert (ledger.ok, ledger.text_layer_words - ledger.words_in_output) == (False, 1)


def test_word_that_layout_dropped_is_missed() -> None:
    document = read_bytes(invoice_pdf()).document
    (page,) = document.pages
    fewer = page.model_copy(update={"words": page.words[:-1]})
    assert not account(document.model_copy(update={"pages": (fewer,)})).ok


def test_torn_file_is_not_called_complete() -> None:
    whole = invoice_pdf()
    result = result_of(whole[: len(whole) // 2])
    assert result.completeness.damaged_pages == (1,)
    assert not result.completeness.ok
    assert {damage.DAMAGED, damage.REPAIRED} <= set(result.completeness.warnings)


def test_sound_file_has_no_warning() -> None:
    ledger = result_of(invoice_pdf()).completeness
    assert (ledger.ok, ledger.damaged_pages, ledger.warnings) == (True, (), ())
