"""Values are read out of text whatever the language, the decimal sign and the order of a date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from affidavit.engine.stages.values.codes import (
    find_bics,
    find_document_numbers,
    find_emails,
    find_ibans,
    find_phones,
    find_uris,
    find_vat_ids,
    is_iban,
)
from affidavit.engine.stages.values.dates import DateOrder, date_order_of, find_dates
from affidavit.engine.stages.values.folding import split_name, squash
from affidavit.engine.stages.values.numbers import DecimalSign, decimal_sign_of, find_numbers, parse_number


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("119,00 EUR", "119.00", "EUR"),
        ("1.234,56 €", "1234.56", "EUR"),
        ("$1,234.56", "1234.56", "USD"),
        ("1 234,56", "1234.56", None),
        ("CHF 1'234.50", "1234.50", "CHF"),
        ("1.000.000", "1000000", None),
        ("-5,00", "-5.00", None),
        ("(12.50)", "-12.50", None),
        ("5,00-", "-5.00", None),
        ("100,-", "100", None),
        ("0,5", "0.5", None),
        ("3,3333", "3.3333", None),
        ("£12", "12", "GBP"),
        ("\u22123,00", "-3.00", None),
    ],
)
def test_amount_is_read_with_its_sign_and_currency(text: str, value: str, currency: str | None) -> None:
    (number,) = find_numbers(text)
    assert (number.value, number.currency, text[number.start : number.end]) == (
        Decimal(value),
        currency,
        text,
    )


@pytest.mark.parametrize(
    "text", ["2018-471331", "02.03.2026", "12:30", "RE-2026", "x12", "192.168.0.1", "1/2"]
)
def test_number_inside_something_else_is_not_an_amount(text: str) -> None:
    assert find_numbers(text) == []


def test_percent_is_told_from_money() -> None:
    rate, amount = find_numbers("19 % MwSt. 22,80 EUR")
    assert (rate.is_percent, amount.is_percent) == (True, False)


@pytest.mark.parametrize(
    ("sign", "value"), [(None, "1234"), (DecimalSign.COMMA, "1234"), (DecimalSign.POINT, "1.234")]
)
def test_lone_separator_before_three_digits_is_read_as_the_document_writes(
    sign: DecimalSign | None, value: str
) -> None:
    assert parse_number("1.234", sign) == Decimal(value)


def test_decimal_sign_is_the_one_that_the_document_shows() -> None:
    assert decimal_sign_of(["1.234", "5,90", "12,00"]) is DecimalSign.COMMA
    assert decimal_sign_of(["1,234.50"]) is DecimalSign.POINT
    assert decimal_sign_of(["1,234"]) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02",
        "02.03.2026",
        "2.3.26",
        "2. März 2026",
        "2 March 2026",
        "March 2nd, 2026",
        "Mar 2 2026",
        "02-Mar-2026",
        "2 mars 2026",
        "2 de marzo de 2026",
        "2 marzo 2026",
        "2 maart 2026",
        "2026/03/02",
    ],
)
def test_date_is_read_in_every_spelling(text: str) -> None:
    (found,) = find_dates(text)
    assert (found.value, found.swapped) == (date(2026, 3, 2), None)
    assert text[found.start : found.end] == text


def test_first_of_a_month_in_french_is_a_date() -> None:
    assert find_dates("le 1er février 2024")[0].value == date(2024, 2, 1)


def test_ambiguous_date_keeps_both_readings() -> None:
    (found,) = find_dates("3/4/2026")
    assert found.read(DateOrder.DAY_FIRST) == date(2026, 4, 3)
    assert found.read(DateOrder.MONTH_FIRST) == date(2026, 3, 4)


def test_order_of_dates_is_the_one_that_the_document_shows() -> None:
    assert date_order_of(["3/4/2026", "3/14/2026"]) is DateOrder.MONTH_FIRST
    assert date_order_of(["3/4/2026", "14/3/2026"]) is DateOrder.DAY_FIRST
    assert date_order_of(["3/4/2026"]) is None


@pytest.mark.parametrize("text", ["31.02.2024", "13/13/2024", "12.50", "Invoice 12 2024"])
def test_what_is_no_day_of_the_calendar_is_no_date(text: str) -> None:
    assert find_dates(text) == []


def test_time_beside_a_date_is_kept() -> None:
    (found,) = find_dates("2026-03-02T10:11:12Z")
    assert found.clock is not None
    assert found.clock.isoformat() == "10:11:12"


def test_iban_is_found_among_words_by_its_check_digits() -> None:
    text = "IBAN: DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX"
    (found,) = find_ibans(text)
    assert found.value == "DE89370400440532013000"
    assert text[found.start : found.end] == "DE89 3704 0044 0532 0130 00"


def test_iban_with_a_wrong_digit_is_not_one() -> None:
    assert not is_iban("DE89370400440532013001")
    assert find_ibans("DE89 3704 0044 0532 0130 01") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("USt-IdNr. DE 123 456 789", "DE123456789"),
        ("ATU12345678", "ATU12345678"),
        ("TVA FR 12 345678901", "FR12345678901"),
        ("NL123456789B01", "NL123456789B01"),
        ("GB 123 4567 89", "GB123456789"),
    ],
)
def test_vat_number_is_read_without_its_spaces(text: str, value: str) -> None:
    assert [code.value for code in find_vat_ids(text)] == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("No. INV-2026-0042", "INV-2026-0042"),
        ("R 471102", "R 471102"),
        ("#123", "#123"),
        ("RE/12.3 x", "RE/12.3"),
    ],
)
def test_document_number_is_one_token_with_a_digit(text: str, value: str) -> None:
    assert [code.value for code in find_document_numbers(text)] == [value]


def test_addresses_end_before_the_sentence_does() -> None:
    assert [code.value for code in find_emails("Write to a.b@example.com, please.")] == ["a.b@example.com"]
    assert [code.value for code in find_uris("See www.example.com/a.")] == ["www.example.com/a"]


def test_phone_and_bank_code_are_found() -> None:
    assert [code.value for code in find_phones("Tel. +49 89 123456")] == ["+49 89 123456"]
    assert [code.value for code in find_bics("BIC COBADEFFXXX")] == ["COBADEFFXXX"]


def test_names_of_properties_are_split_into_words() -> None:
    assert split_name("invoiceDate") == split_name("invoice_date") == ["invoice", "date"]
    assert split_name("IBANNumber") == ["iban", "number"]
    assert squash("Straße 5") == "strasse5"
