"""Schemas of any kind of document are filled by their own words: receipts, contracts, forms, filings."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.engine.result import Document
from affidavit.engine.stages.fields import extract
from tests.documents import Placed, placed_pdf, text_pdf
from tests.engine.build import document_of

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
DATE = {"type": ["string", "null"], "format": "date"}
YES_OR_NO = {"type": ["boolean", "null"]}

RECEIPT = """GOLDEN LOTUS STATIONERY SDN BHD
789417-W
NO. 53 JALAN SAGU 18,
TAMAN DAYA,
81100 JOHOR BAHRU
Document No : TD01167104
Date : 25/12/2018 8:13 PM
Total : 9.00
Cash : 10.00"""

AGREEMENT = """MUTUAL NON-DISCLOSURE AGREEMENT

This Mutual Non-Disclosure Agreement (this "Agreement") is entered into as of March 3, 2021
(the "Effective Date") by and between Acme Robotics, Inc., a Delaware corporation ("Acme"),
and Borealis Labs LLC, a New York limited liability company (the "Recipient").

1. Confidential Information. "Confidential Information" means any non-public information that
is disclosed by either party.

2. Term. This Agreement shall remain in effect for a period of two (2) years from the
Effective Date.

3. Termination. Either party may terminate this Agreement upon thirty (30) days' prior
written notice to the other party.

4. Governing Law. This Agreement shall be governed by and construed in accordance with the
laws of the State of Delaware, without regard to its conflict of laws principles."""


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _data(text: str, **properties: Any) -> Any:
    return extract(document_of(text_pdf(text)), _object(**properties)).data


def _placed(*rows: tuple[Any, ...], size: float = 11) -> Document:
    texts = [
        Placed(text, x, y, font_size=size)
        for y, *rest in rows
        for x, text in zip(rest[::2], rest[1::2], strict=True)
    ]
    return document_of(placed_pdf(*texts))


def test_receipt_is_headed_by_its_company_and_address() -> None:
    assert _data(RECEIPT, company=TEXT, date=DATE, address=TEXT, total=NUMBER) == {
        "company": "GOLDEN LOTUS STATIONERY SDN BHD",
        "date": "2018-12-25",
        "address": "NO. 53 JALAN SAGU 18, TAMAN DAYA, 81100 JOHOR BAHRU",
        "total": 9.0,
    }


def test_time_of_day_is_read_in_either_notation() -> None:
    clock = {"type": ["string", "null"], "format": "time"}
    assert _data("Check-in: 8:05 pm\nCheck-out: 11:30", check_in=clock, check_out=clock) == {
        "check_in": "20:05",
        "check_out": "11:30",
    }


def test_contract_states_its_terms_in_sentences() -> None:
    data = _data(
        AGREEMENT,
        title=TEXT,
        effective_date=DATE,
        recipient=TEXT,
        term=TEXT,
        governing_law=TEXT,
        termination=TEXT,
        confidential_information=TEXT,
    )
    assert data == {
        "title": "MUTUAL NON-DISCLOSURE AGREEMENT",
        "effective_date": "2021-03-03",
        "recipient": "Borealis Labs LLC",
        "term": "two (2) years",
        "governing_law": "State of Delaware",
        "termination": (
            "Either party may terminate this Agreement upon thirty (30) days' prior written notice to the "
            "other party."
        ),
        "confidential_information": "any non-public information that is disclosed by either party.",
    }


def test_word_in_the_middle_of_a_sentence_is_no_label_of_free_text() -> None:
    text = "Neither the vessel nor any of her officers shall be liable for delays caused by weather at sea."
    assert _data(text, vessel=TEXT, officers=TEXT) == {"vessel": None, "officers": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[X] Member\n[ ] Newsletter", (True, False)),
        ("Member [ ]\nNewsletter [x]", (False, True)),
        ("Member: [ ] Yes [x] No\nNewsletter: yes", (False, True)),
        ("Member: see note no. 3\nNewsletter", (None, None)),
    ],
)
def test_boolean_is_read_from_check_boxes(text: str, expected: tuple[bool | None, bool | None]) -> None:
    data = _data(text, member=YES_OR_NO, newsletter=YES_OR_NO)
    assert (data["member"], data["newsletter"]) == expected


@pytest.mark.parametrize("leaf", [{"enum": ["air", "sea", "road", None]}, TEXT])
def test_ticked_option_is_the_choice(leaf: dict[str, Any]) -> None:
    data = _data("Mode of transport: [ ] Air [x] Sea [ ] Road", mode_of_transport=leaf)
    assert data["mode_of_transport"].casefold() == "sea"


def test_label_of_two_words_is_not_cut_into_a_label_and_a_value() -> None:
    data = _data("Street and number\nWeidenweg 5\nVoyage no.\n026W", street=TEXT, voyage=TEXT)
    assert data == {"street": "Weidenweg 5", "voyage": "026W"}


def test_value_stands_over_its_caption_in_brackets() -> None:
    text = "Northwind Holdings Inc\n(Exact name of registrant)\nDelaware\n(State of incorporation)"
    data = _data(text, exact_name_of_registrant=TEXT, state_of_incorporation=TEXT)
    assert data == {
        "exact_name_of_registrant": "Northwind Holdings Inc",
        "state_of_incorporation": "Delaware",
    }


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("birth_date", "Date of birth"),
        ("port_of_loading", "Loading port"),
        ("policy_number", "Policy no."),
        ("last_name", "Surname"),
        ("employer_name", "Name of employer"),
    ],
)
def test_name_of_a_property_is_printed_in_other_words(name: str, printed: str) -> None:
    assert _data(f"{printed}: 4711-A", **{name: TEXT}) == {name: "4711-A" if name != "birth_date" else None}


def test_description_names_the_value_by_its_first_words() -> None:
    leaf = {**DATE, "description": "Inspection date when the hull was last seen by a surveyor"}
    assert _data("Inspection date: 3 April 2026\nDate: 1 May 2026", d1=leaf) == {"d1": "2026-04-03"}


def test_labels_that_the_caller_hints_at_are_found() -> None:
    assert _data("MRN: 26IE4471820", declaration={**TEXT, "x-labels": ["MRN"]}) == {
        "declaration": "26IE4471820"
    }


def test_value_after_the_anchor_is_preferred() -> None:
    text = "Reference: A-1\n\nPart two\nReference: B-2"
    assert _data(text, reference={**TEXT, "x-anchor": "Part two"}) == {"reference": "B-2"}


def test_value_on_another_page_than_hinted_is_not_taken() -> None:
    document = document_of(text_pdf("Reference: A-1", "Reference: B-2"))
    assert extract(document, _object(reference={**TEXT, "x-page": 2})).data == {"reference": "B-2"}
    assert extract(document, _object(reference={**TEXT, "x-page": 3})).data == {"reference": None}


def test_object_with_an_address_is_a_party_under_its_own_name() -> None:
    document = _placed(
        (100, 60, "Landlord", 320, "Tenant"),
        (114, 60, "Meyer Estates Ltd", 320, "Ada Brown"),
        (128, 60, "12 High Street", 320, "3 Mill Lane"),
        (142, 60, "London SW1A 1AA", 320, "Oxford OX1 2AB"),
    )
    party = _object(name=TEXT, address=TEXT)
    assert extract(document, _object(landlord=party, tenant=party)).data == {
        "landlord": {"name": "Meyer Estates Ltd", "address": "12 High Street, London SW1A 1AA"},
        "tenant": {"name": "Ada Brown", "address": "3 Mill Lane, Oxford OX1 2AB"},
    }


def test_third_party_is_not_taken_for_the_seller() -> None:
    text = (
        "Seller\nGlobal Supplies Ltd\n153 Victoria Street\nGB SW1B 3BN London\n\n\n"
        "Tax representative of the seller\nFiscal Agents GmbH\nAllee 5\nDE 12345 Berlin"
    )
    data = _data(text, seller=_object(name=TEXT, city=TEXT))
    assert data == {"seller": {"name": "Global Supplies Ltd", "city": "London"}}


def test_country_that_is_not_printed_follows_from_the_tax_number() -> None:
    country = {"type": ["string", "null"], "description": "ISO 3166 alpha-2"}
    text = (
        "Seller\nNordlicht GmbH\nHafenweg 5\n20457 Hamburg\nVAT ID: DE123456789\n\n\n\n"
        "Buyer\nErika Muster\nRingweg 8\n80331 Munich"
    )
    extraction = extract(
        document_of(text_pdf(text)), _object(seller=_object(country=country), buyer=_object(country=country))
    )
    assert extraction.data == {"seller": {"country": "DE"}, "buyer": {"country": "DE"}}
    assert extraction.fields["seller.country"].citations[0].quote == "DE123456789"


@pytest.mark.parametrize(
    ("title", "number", "day"),
    [
        ("Rechnung Nr. 4711-A vom 2. März 2026", "4711-A", "2026-03-02"),
        ("Credit note CN-17 of 2 March 2026", "CN-17", "2026-03-02"),
        ("Facture FA-2026-9 du 2 mars 2026", "FA-2026-9", "2026-03-02"),
    ],
)
def test_title_states_number_and_date(title: str, number: str, day: str) -> None:
    text = f"{title}\n\nOriginal invoice: OLD-1\nDelivered on 1 January 2026"
    assert _data(text, invoice_number=TEXT, invoice_date=DATE) == {
        "invoice_number": number,
        "invoice_date": day,
    }


def test_kind_of_document_is_one_of_the_choices_or_a_code_that_the_description_explains() -> None:
    data = _data(
        "GUTSCHRIFT\nNummer: 17",
        document_type={"enum": ["invoice", "credit_note", None]},
        type_code={**TEXT, "description": "380 invoice, 381 credit note"},
    )
    assert data["document_type"] == "credit_note" or data["type_code"] == "381"


def test_letterhead_of_an_order_is_the_buyer() -> None:
    document = _placed(
        (60, 60, "Institute of Marine Ecology"),
        (100, 60, "Purchase order PO-88"),
        (140, 60, "Delta Instruments BV"),
        (154, 60, "Kade 12"),
        (168, 60, "1011 AB Amsterdam"),
    )
    data = extract(document, _object(buyer=TEXT, seller=TEXT, order_number=TEXT)).data
    assert data["order_number"] == "PO-88"
    assert data["seller"] == "Delta Instruments BV"


def test_bill_of_a_utility_names_its_period_number_and_supply_address() -> None:
    text = (
        "Customer account number   8841 2231 90\nBilling period   1 Jan 2024 to 31 Jan 2024\n"
        "Previous reading   10,233\nCurrent reading   10,655\nSupply address\n14 Orchard Row\nLeeds\nLS1 4AB"
    )
    data = _data(
        text,
        account_number=TEXT,
        billing_period_start=DATE,
        billing_period_end=DATE,
        previous_reading=NUMBER,
        current_reading=NUMBER,
        supply_address=TEXT,
    )
    assert data == {
        "account_number": "8841 2231 90",
        "billing_period_start": "2024-01-01",
        "billing_period_end": "2024-01-31",
        "previous_reading": 10233.0,
        "current_reading": 10655.0,
        "supply_address": "14 Orchard Row, Leeds, LS1 4AB",
    }


def test_amount_is_no_number_of_anything() -> None:
    data = _data(
        "National Insurance 120.15\nNet pay 2,069.45", national_insurance_number=TEXT, net_pay=NUMBER
    )
    assert data == {"national_insurance_number": None, "net_pay": 2069.45}


def test_missing_part_of_a_sum_is_the_amount_that_is_printed_without_a_known_label() -> None:
    text = "Grand total: 530.75 EUR\nBalance due: 383.75 EUR\nTransfer of 31 October: 147.00 EUR"
    data = _data(text, grand_total=NUMBER, prepaid=NUMBER, amount_due=NUMBER)
    assert data == {"grand_total": 530.75, "prepaid": 147.0, "amount_due": 383.75}


@pytest.mark.parametrize("printed", ["DE89 3704 0044 0532 0130 00", "DE89 37O4 OO44 O532 O13O OO"])
def test_account_number_is_mended_where_letters_stand_for_digits(printed: str) -> None:
    assert _data(f"IBAN: {printed}", iban=TEXT) == {"iban": "DE89370400440532013000"}


def test_wrong_account_number_needs_a_label_and_is_less_sure() -> None:
    assert _data("DE12 1234 4321 9876 00", iban=TEXT) == {"iban": None}
    wrong, right = (
        extract(document_of(text_pdf(f"IBAN: {number}")), _object(iban=TEXT)).fields["iban"]
        for number in ("DE12 1234 4321 9876 00", "DE89 3704 0044 0532 0130 00")
    )
    assert wrong.value == "DE1212344321987600"
    assert wrong.confidence < right.confidence


@pytest.mark.parametrize("number", ["212-555-0101", "(555) 210-3344", "+49 40 123456", "020 7604101"])
def test_telephone_numbers_of_several_countries_are_read(number: str) -> None:
    assert _data(f"Fax no: {number}", fax_number=TEXT) == {"fax_number": number}
