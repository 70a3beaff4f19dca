"""Extraction fills a schema from what is printed, cites the words, and never invents."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.result import Document, FieldValue, Match
from affidavit.engine.stages.conformance import check
from affidavit.engine.stages.fields import Extraction, extract
from affidavit.engine.stages.fields.assignment import best_matching
from tests.documents import INVOICE, Placed, invoice_pdf, placed_pdf, text_pdf
from tests.engine.build import document_of

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
DATE = {"type": ["string", "null"], "format": "date"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _items(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": _object(**properties)}


INVOICE_SCHEMA = _object(
    invoice_number=TEXT,
    invoice_date=DATE,
    due_date=DATE,
    seller=_object(name=TEXT),
    buyer=TEXT,
    currency=TEXT,
    subtotal=NUMBER,
    tax=NUMBER,
    vat_rate=NUMBER,
    total=NUMBER,
    iban=TEXT,
    items=_items(description=TEXT, quantity={"type": "integer"}, unit_price=NUMBER, amount=NUMBER),
)


def _data(text: str, **properties: Any) -> Any:
    return extract(document_of(text_pdf(text)), _object(**properties)).data


def _markdown(document: Document) -> str:
    return "\n\n".join(page.markdown for page in document.pages)


def _placed(*rows: tuple[float, ...] | tuple[Any, ...]) -> Document:
    """Return a page with texts at (y, x, text, x, text, ...)."""
    texts = [Placed(text, x, y) for y, *rest in rows for x, text in zip(rest[::2], rest[1::2], strict=True)]
    return document_of(placed_pdf(*texts))


@pytest.mark.parametrize("ruled", [True, False])
def test_invoice_is_read_right_with_and_without_lines_around_its_table(ruled: bool) -> None:
    data = extract(document_of(invoice_pdf(ruled=ruled)), INVOICE_SCHEMA).data
    assert data["items"] == [
        {
            "description": item.description,
            "quantity": int(item.quantity),
            "unit_price": float(item.unit_price),
            "amount": float(item.amount),
        }
        for item in INVOICE.items
    ]
    assert {name: value for name, value in data.items() if name != "items"} == {
        "invoice_number": "INV-2026-0042",
        "invoice_date": "2026-03-14",
        "due_date": "2026-04-13",
        "seller": {"name": "Northwind Instruments Ltd"},
        "buyer": "Harbour Street Bakery",
        "currency": "EUR",
        "subtotal": 379.5,
        "tax": 75.9,
        "vat_rate": 20.0,
        "total": 455.4,
        "iban": None,
    }


def test_every_value_is_cited_by_words_that_stand_at_its_range() -> None:
    document = document_of(invoice_pdf())
    extraction = extract(document, INVOICE_SCHEMA)
    markdown = _markdown(document)
    words = {word.id: word for page in document.pages for word in page.words}
    cited = [value for value in extraction.fields.values() if value.value is not None]
    assert len(cited) == 22
    for value in cited:
        (citation,) = value.citations
        assert citation.range is not None
        assert markdown[slice(*citation.range)] == citation.quote
        assert " ".join(words[word].text for word in citation.words) == citation.quote
    assert extraction.ungrounded_fields == ()


def test_citation_on_a_later_page_counts_from_the_start_of_the_document() -> None:
    document = document_of(text_pdf("First page", "Contract number: C-77"))
    extraction = extract(document, _object(contract_number=TEXT))
    (citation,) = extraction.fields["contract_number"].citations
    assert citation.page == 2
    assert citation.range is not None
    assert _markdown(document)[slice(*citation.range)] == "C-77"


def test_match_says_whether_the_value_is_spelled_as_printed() -> None:
    fields = extract(document_of(invoice_pdf()), INVOICE_SCHEMA).fields
    assert fields["invoice_number"].citations[0].match is Match.EXACT
    assert fields["total"].citations[0].match is Match.NORMALIZED
    assert fields["total"].citations[0].quote == "455.40 EUR"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rechnungsnummer: 4711-A\nRechnungsdatum: 2. März 2026\nGesamtbetrag: 1.190,00 EUR", 1190.0),
        ("N° de facture : 4711-A\nDate de facture : 2 mars 2026\nTotal TTC : 1 190,00 EUR", 1190.0),
        (
            "Número de factura: 4711-A\nFecha de factura: 2 de marzo de 2026\nImporte total: 1.190,00 EUR",
            1190.0,
        ),
        ("Numero fattura: 4711-A\nData fattura: 2 marzo 2026\nTotale fattura: 1.190,00 EUR", 1190.0),
        ("Factuurnummer: 4711-A\nFactuurdatum: 2 maart 2026\nTotaalbedrag: EUR 1.190,00", 1190.0),
        ("Invoice No. 4711-A\nInvoice date: March 2, 2026\nGrand total: EUR 1,190.00", 1190.0),
    ],
)
def test_labels_are_known_in_six_languages(text: str, expected: float) -> None:
    data = _data(text, invoice_number=TEXT, issue_date=DATE, grand_total=NUMBER)
    assert data == {"invoice_number": "4711-A", "issue_date": "2026-03-02", "grand_total": expected}


def test_property_that_is_in_no_lexicon_is_found_by_its_own_name_and_title() -> None:
    text = "Vessel name: Aurora\nBerth: 14B\nHull inspection on: 03.04.2026"
    data = _data(
        text,
        vesselName=TEXT,
        berth_code=TEXT,
        inspected={"type": "string", "format": "date", "title": "Hull inspection on"},
    )
    assert data == {"vesselName": "Aurora", "berth_code": "14B", "inspected": "2026-04-03"}


def test_value_is_found_under_its_label() -> None:
    document = _placed((100, 60, "Invoice number", 250, "Customer no"), (116, 60, "A-17", 250, "K-99"))
    data = extract(document, _object(invoice_number=TEXT, customer_number=TEXT)).data
    assert data == {"invoice_number": "A-17", "customer_number": "K-99"}


def test_longer_label_wins_over_the_shorter_one_inside_it() -> None:
    data = _data("Due date: 01.05.2026\nDate: 01.04.2026", date=DATE, due_date=DATE)
    assert data == {"date": "2026-04-01", "due_date": "2026-05-01"}


def test_one_place_does_not_fill_two_leaves() -> None:
    extraction = extract(
        document_of(text_pdf("Order number: 5512\nInvoice")), _object(invoice_number=TEXT, order_number=TEXT)
    )
    assert extraction.data == {"invoice_number": None, "order_number": "5512"}


def test_sum_decides_between_amounts_that_a_label_could_mean() -> None:
    document = _placed(
        (100, 60, "Net", 160, "VAT", 260, "Total"),
        (120, 60, "100.00", 160, "19.00", 260, "119.00"),
        (140, 60, "50.00", 160, "3.50", 260, "53.50"),
        (160, 60, "150.00", 160, "22.50", 260, "172.50"),
    )
    data = extract(document, _object(net_total=NUMBER, tax_total=NUMBER, grand_total=NUMBER)).data
    assert data == {"net_total": 150.0, "tax_total": 22.5, "grand_total": 172.5}


def test_day_and_month_are_ordered_as_the_other_dates_of_the_document_show() -> None:
    data = _data("Date: 3/4/2026\nDue date: 3/28/2026", date=DATE, due_date=DATE)
    assert data == {"date": "2026-03-04", "due_date": "2026-03-28"}


def test_thousands_are_read_as_the_other_amounts_of_the_document_show() -> None:
    data = _data("Shipping: 1.234\nTotal: 12,50 EUR", shipping=NUMBER, total=NUMBER)
    assert data == {"shipping": 1234.0, "total": 12.5}


def test_address_blocks_are_given_to_the_party_whose_label_stands_over_them() -> None:
    document = _placed(
        (100, 60, "Seller", 320, "Bill to"),
        (116, 60, "Nordlicht GmbH", 320, "Meyer & Sons Ltd"),
        (132, 60, "Hafenstraße 5", 320, "12 High Street"),
        (148, 60, "20457 Hamburg", 320, "London SW1A 1AA"),
    )
    party = _object(name=TEXT, street=TEXT, postcode=TEXT, city=TEXT)
    data = extract(document, _object(seller=party, buyer=party)).data
    assert data == {
        "seller": {
            "name": "Nordlicht GmbH",
            "street": "Hafenstraße 5",
            "postcode": "20457",
            "city": "Hamburg",
        },
        "buyer": {
            "name": "Meyer & Sons Ltd",
            "street": "12 High Street",
            "postcode": "SW1A 1AA",
            "city": "London",
        },
    }


def test_sender_line_over_the_address_window_is_the_seller() -> None:
    text = "Nordlicht GmbH · Hafenstraße 5 · 20457 Hamburg\n\nErika Muster\nRingweg 8\n80331 München\n"
    data = _data(text, seller_name=TEXT, buyer_name=TEXT, buyer_city=TEXT)
    assert data == {"seller_name": "Nordlicht GmbH", "buyer_name": "Erika Muster", "buyer_city": "München"}


def test_vat_number_of_one_party_is_not_given_to_the_other() -> None:
    text = (
        "Seller\nNordlicht GmbH\nHafenstraße 5\n20457 Hamburg\nVAT ID: DE123456789\n\n\n\nVAT ID: DE123456789"
    )
    vat = _object(vat_id=TEXT)
    assert _data(text, seller=vat, buyer=vat) == {
        "seller": {"vat_id": "DE123456789"},
        "buyer": {"vat_id": None},
    }


@pytest.mark.parametrize(
    ("text", "expected"), [("Paid: yes", True), ("Paid: no", False), ("Bezahlt: ja", None), ("Paid", None)]
)
def test_boolean_needs_a_printed_yes_or_no_behind_its_label(text: str, expected: bool | None) -> None:
    assert _data(text, paid={"type": ["boolean", "null"]}) == {"paid": expected}


def test_enum_takes_the_member_that_is_printed_by_its_label() -> None:
    data = _data("Priority: High\nNote: low risk", priority={"enum": ["low", "medium", "high", None]})
    assert data == {"priority": "high"}


def test_items_are_read_without_lines_and_without_the_total_row() -> None:
    document = _placed(
        (100, 60, "Pos", 100, "Artikel", 300, "Menge", 380, "Einzelpreis", 480, "Betrag"),
        (120, 60, "1", 100, "Schraube M4", 300, "10", 380, "0,50", 480, "5,00"),
        (134, 100, "verzinkt"),
        (150, 60, "2", 100, "Mutter M4", 300, "20", 380, "0,25", 480, "5,00"),
        (170, 100, "Summe", 480, "10,00"),
    )
    schema = _object(lines=_items(pos=TEXT, name=TEXT, quantity=NUMBER, unit_price=NUMBER, amount=NUMBER))
    assert extract(document, schema).data["lines"] == [
        {"pos": "1", "name": "Schraube M4 verzinkt", "quantity": 10.0, "unit_price": 0.5, "amount": 5.0},
        {"pos": "2", "name": "Mutter M4", "quantity": 20.0, "unit_price": 0.25, "amount": 5.0},
    ]


def test_columns_with_misleading_headers_are_told_by_their_products() -> None:
    document = _placed(
        (100, 60, "Amount", 140, "Product", 300, "Price", 400, "Total"),
        (120, 60, "4", 140, "Balloon", 300, "2.50", 400, "10.00"),
        (140, 60, "3", 140, "Ribbon", 300, "1.10", 400, "3.30"),
    )
    schema = _object(lines=_items(name=TEXT, quantity=NUMBER, unit_price=NUMBER, amount=NUMBER))
    assert extract(document, schema).data["lines"] == [
        {"name": "Balloon", "quantity": 4.0, "unit_price": 2.5, "amount": 10.0},
        {"name": "Ribbon", "quantity": 3.0, "unit_price": 1.1, "amount": 3.3},
    ]


def test_array_of_values_takes_what_is_listed_behind_its_label() -> None:
    tags = {"type": "array", "items": {"type": "string"}}
    assert _data("Keywords: steel, copper; zinc", keywords=tags) == {"keywords": ["steel", "copper", "zinc"]}
    assert _data("Write to a@example.com or b@example.com", emails=tags) == {
        "emails": ["a@example.com", "b@example.com"]
    }


def test_document_without_evidence_gives_nulls_and_no_confidence() -> None:
    extraction = extract(
        document_of(text_pdf("The quick brown fox jumps over the lazy dog.")), INVOICE_SCHEMA
    )
    assert {value.value for value in extraction.fields.values()} == {None}
    assert extraction.data["items"] == []
    assert extraction.confidence is None


def test_empty_document_is_no_error() -> None:
    extraction = extract(document_of(text_pdf("")), INVOICE_SCHEMA)
    assert extraction.data["total"] is None


def test_required_value_without_evidence_is_null_and_listed_as_a_violation() -> None:
    schema = {**_object(total={"type": "number"}, note={"type": "string"}), "required": ["total"]}
    extraction = extract(document_of(text_pdf("Nothing here")), schema)
    assert extraction.data == {"total": None}
    assert [violation.path for violation in extraction.schema_violations] == ["/total"]


def test_value_that_breaks_the_schema_is_kept_and_the_breach_named() -> None:
    schema = _object(
        invoice_number={"type": "string", "pattern": "^INV-"}, total={"type": "number", "maximum": 10}
    )
    extraction = extract(document_of(text_pdf("Invoice number: 4711\nTotal: 12.00")), schema)
    assert extraction.data == {"invoice_number": "4711", "total": 12.0}
    assert [violation.path for violation in extraction.schema_violations] == ["/invoice_number", "/total"]


def test_fields_are_keyed_by_their_path_in_the_data() -> None:
    fields = extract(document_of(invoice_pdf()), INVOICE_SCHEMA).fields
    assert {"total", "seller.name", "items[0].quantity", "items[2].amount"} <= set(fields)


def test_properties_with_dots_and_brackets_have_fields_of_their_own() -> None:
    schema = _object(**{"a.b": TEXT, "a": _object(b=NUMBER), "l[0]": TEXT, "": TEXT, 'q"\\': TEXT})
    fields = extract(document_of(text_pdf("Nothing here")), schema).fields
    assert set(fields) == {'["a.b"]', "a.b", '["l[0]"]', '[""]', '["q\\"\\\\"]'}


@pytest.mark.parametrize("choices", [[{"a": 1}, "x"], [["EUR"], "EUR"]])
def test_enum_of_objects_and_arrays_is_no_crash(choices: list[Any]) -> None:
    extraction = extract(document_of(text_pdf("Kind: x")), _object(kind={"enum": choices}))
    assert extraction.data.get("kind") in {None, "x"}


_DOUBLING = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(40)} | {"a40": {}}


@pytest.mark.parametrize(
    "costly",
    [
        {"properties": {"note": {"pattern": "^(a+)+$"}}},
        {"patternProperties": {"^(n|no|not)+(e|t)*!": {}}, "propertyNames": {"pattern": "^(.*)*(.*)*!$"}},
        {"not": {"$ref": "#/$defs/a0"}, "$defs": _DOUBLING},
    ],
)
def test_schema_that_takes_too_long_to_check_is_listed_as_not_checked(costly: dict[str, Any]) -> None:
    data = {"note": "a" * 40 + "!", "a" * 400: ""}
    (violation,) = check(data, costly, seconds=0.2)
    assert (violation.path, "too long" in violation.message) == ("", True)


@pytest.mark.parametrize("keyword", ["not", "if"])
def test_schema_whose_check_has_no_end_says_so_and_keeps_the_data(keyword: str) -> None:
    schema = {**_object(note={"type": "string"}), keyword: {"$ref": "#"}}
    extraction = extract(document_of(text_pdf("Note: hello")), schema)
    assert extraction.data == {"note": "hello"}
    assert ["without end" in violation.message for violation in extraction.schema_violations] == [True]


def test_property_with_a_slash_is_not_taken_for_a_nested_one() -> None:
    schema = _object(**{"net/due": TEXT, "net": _object(due=NUMBER)})
    fields = extract(document_of(text_pdf("Net due: 12.50")), schema).fields
    assert isinstance(fields["net.due"].value, float | None)
    assert isinstance(fields["net/due"].value, str | None)
    assert {field.value for field in fields.values()} != {None}


def test_confidence_is_higher_for_a_clear_label_than_for_a_guess_by_place() -> None:
    fields = extract(document_of(invoice_pdf()), INVOICE_SCHEMA).fields
    assert fields["seller.name"].confidence < fields["invoice_number"].confidence <= 99


def test_rival_value_lowers_confidence_and_is_kept_as_an_alternative() -> None:
    clear = _field("Invoice number: A-17")
    torn = _field("Invoice number: A-17\n\n\n\nInvoice number: B-99")
    assert torn.confidence < clear.confidence
    assert [other.value for other in torn.alternatives] == ["B-99"]


def _field(text: str) -> FieldValue:
    return extract(document_of(text_pdf(text)), _object(invoice_number=TEXT)).fields["invoice_number"]


def test_extraction_is_the_same_every_time() -> None:
    document = document_of(invoice_pdf())
    first: Extraction = extract(document, INVOICE_SCHEMA)
    assert extract(document, INVOICE_SCHEMA) == first


def test_bad_schema_is_refused() -> None:
    with pytest.raises(SchemaInvalid):
        extract(document_of(text_pdf("x")), {"type": "string"})


def test_matching_gives_the_greatest_sum_not_the_greatest_first_choice() -> None:
    assert best_matching([[0.9, 0.8], [0.9, 0.1]]) == [1, 0]


def test_matching_agrees_with_trying_every_order() -> None:
    gains = [[(row * 7 + column * 5 + row * column) % 11 / 10 for column in range(6)] for row in range(4)]
    best = max(
        sum(gains[row][column] for row, column in enumerate(order))
        for order in itertools.permutations(range(6), 4)
    )
    assert sum(gains[row][column] for row, column in enumerate(best_matching(gains))) == pytest.approx(best)
