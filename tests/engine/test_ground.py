"""A value that comes without its words is found on the page, or said not to be there."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.engine.result import Document, Match
from affidavit.engine.schema import Leaf, compile_schema
from affidavit.engine.stages.ground import locate
from tests.documents import text_pdf
from tests.engine.build import document_of


def _leaf(**schema: Any) -> Leaf:
    return compile_schema({"type": "object", "properties": {"value": schema}}).leaves[0]


STRING = _leaf(type="string")
NUMBER = _leaf(type="number")
DATE = _leaf(type="string", format="date")


def _document(*pages: str) -> Document:
    return document_of(text_pdf(*pages))


def test_value_as_printed_is_an_exact_match_with_its_words_and_range() -> None:
    document = _document("Contract with Harbour Street Bakery of Leeds")
    found = locate(document, "Harbour Street Bakery", leaf=STRING)
    assert found is not None
    assert (found.match, found.quote, found.words) == (
        Match.EXACT,
        "Harbour Street Bakery",
        ("p1.w2", "p1.w3", "p1.w4"),
    )
    assert found.range is not None
    assert document.pages[0].markdown[slice(*found.range)] == "Harbour Street Bakery"


def test_box_covers_all_cited_words_and_nothing_else() -> None:
    document = _document("Contract with Harbour Street Bakery of Leeds")
    found = locate(document, "Harbour Street Bakery", leaf=STRING)
    assert found is not None
    words = document.pages[0].words
    assert found.box == (words[2].box[0], words[2].box[1], words[4].box[2], words[4].box[3])


@pytest.mark.parametrize(
    ("text", "value", "leaf"),
    [
        ("Total 119,00 EUR due", 119.0, NUMBER),
        ("Summe 1.190,50 €", 1190.5, NUMBER),
        ("Rebate (12.50)", -12.5, NUMBER),
        ("vom 2. März 2026", "2026-03-02", DATE),
        ("on March 2nd, 2026", "2026-03-02", DATE),
        ("USt-IdNr. DE 123 456 789", "DE123456789", STRING),
        ("HARBOUR street   bakery", "Harbour Street Bakery", STRING),
    ],
)
def test_value_is_found_in_another_spelling_of_the_same(text: str, value: Any, leaf: Leaf) -> None:
    found = locate(_document(text), value, leaf=leaf)
    assert found is not None
    assert found.match is Match.NORMALIZED


def test_amount_is_cited_with_its_currency() -> None:
    found = locate(_document("Total 119,00 EUR due"), 119.0, leaf=NUMBER)
    assert found is not None
    assert found.quote == "119,00 EUR"


@pytest.mark.parametrize(
    "printed", ["Harb0ur Streel Bakery", "HarbourStreet Bakory", "Harbour Slreet Bakerv"]
)
def test_letters_misread_by_ocr_are_a_fuzzy_match(printed: str) -> None:
    found = locate(_document(f"Sold to {printed} today"), "Harbour Street Bakery", leaf=STRING)
    assert found is not None
    assert (found.match, found.quote) == (Match.FUZZY, printed)


def test_value_over_two_lines_is_cited_with_the_words_of_both() -> None:
    found = locate(_document("sold to Harbour Street\nBakery of Leeds"), "Harbour Street Bakery", leaf=STRING)
    assert found is not None
    assert found.quote == "Harbour Street Bakery"
    assert found.box[3] - found.box[1] > 20


@pytest.mark.parametrize(
    ("value", "leaf"),
    [("Nowhere Limited", STRING), (120.0, NUMBER), ("2026-03-03", DATE), ("xyz", STRING), ("", STRING)],
)
def test_value_that_is_not_printed_is_not_located(value: Any, leaf: Leaf) -> None:
    assert locate(_document("Harbour Street Bakery, 119,00 EUR, 2. März 2026"), value, leaf=leaf) is None


def test_quote_chooses_between_equal_values() -> None:
    document = _document("Deposit 50.00\nRefund 50.00")
    first, second = (locate(document, 50.0, leaf=NUMBER, quote=quote) for quote in (None, "Refund 50.00"))
    assert first is not None
    assert second is not None
    assert (first.words, second.words) == (("p1.w1",), ("p1.w3",))


def test_value_on_a_later_page_has_a_range_into_the_document() -> None:
    document = _document("First page", "Total 119.00")
    found = locate(document, 119.0, leaf=NUMBER)
    assert found is not None
    assert found.range is not None
    markdown = "\n\n".join(page.markdown for page in document.pages)
    assert (found.page, markdown[slice(*found.range)]) == (2, "119.00")


def test_part_of_a_word_is_not_the_value() -> None:
    assert locate(_document("a part of it"), "art", leaf=STRING) is None
