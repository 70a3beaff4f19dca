"""A generated schema is valid, well named, and `extract` fills it from the document that it was made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from affidavit.engine import pipeline
from affidavit.engine.errors import ModelNotConfigured, ModelReplyInvalid, SchemaInvalid
from affidavit.engine.model import ModelReply
from affidavit.engine.operations.generate import generate, prompts, run
from affidavit.engine.operations.generate.naming import distinct, name_of
from affidavit.engine.operations.generate.typing import ValueType, type_of, type_of_column
from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.generate import GenerateOutcome, GenerateParameters
from affidavit.engine.result import Document
from affidavit.engine.schema import compile_schema
from affidavit.engine.source import Source
from affidavit.engine.spec import Operation, Spec
from affidavit.engine.stages import fields
from tests.documents import Invoice, invoice_pdf, text_pdf
from tests.engine.build import document_of

PLAIN = GenerateParameters()
FORM = """Membership
Surname: Falkenberg
Date of visit: 1988-11-23
Email: ingrid@example.net
Members in household: 4
Newsletter: yes
Fee: 120.00 EUR
Postcode: 28199"""


def read(pdf: bytes) -> Document:
    return pipeline.read(Source(pdf), Spec(operation=Operation.PARSE, page_images=False)).document


def from_parameters(replies: tuple[ModelReply, ...] = (), **given: Any) -> GenerateOutcome:
    context = Context(document_of(text_pdf(FORM)), Spec(operation=Operation.SCHEMA))
    outcome = run(context, GenerateParameters.model_validate(given), replies).outcome
    assert isinstance(outcome, GenerateOutcome)
    return outcome


def types(schema: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (each["type"], each.get("format")) for name, each in schema["properties"].items()}


@pytest.mark.parametrize("ruled", [True, False])
def test_extract_fills_the_schema_that_its_own_document_gave(ruled):
    document = read(invoice_pdf(ruled=ruled))
    schema = generate([document], PLAIN).json_schema

    extracted = fields.extract(document, schema)

    filled = [path for path, value in extracted.fields.items() if value.value is not None]
    assert len(filled) >= 0.9 * len(extracted.fields)
    assert extracted.data["invoice_number"] == "INV-2026-0042"
    assert extracted.data["line_items"][2]["quantity"] == 12
    assert len(extracted.data["line_items"]) == 3
    assert extracted.schema_violations == ()


def test_an_invoice_gives_names_types_and_the_labels_words():
    schema = generate([read(invoice_pdf())], PLAIN).json_schema

    found = types(schema)
    items = schema["properties"]["line_items"]["items"]["properties"]
    assert found["issue_date"] == ("string", "date")
    assert found["total"] == ("number", None)
    assert schema["properties"]["invoice_number"]["description"] == "Invoice number"
    assert {"description", "quantity", "unit_price"} <= set(items)
    assert items["unit_price"]["type"] == "number"


def test_a_generated_schema_is_json_schema_and_compiles():
    schema = generate([read(invoice_pdf())], PLAIN).json_schema

    Draft202012Validator.check_schema(schema)
    compile_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")


def test_labelled_values_are_typed_by_how_they_are_printed():
    schema = generate([document_of(text_pdf(FORM))], PLAIN).json_schema

    assert types(schema) == {
        "surname": ("string", None),
        "date_of_visit": ("string", "date"),
        "email": ("string", "email"),
        "members_in_household": ("integer", None),
        "newsletter": ("boolean", None),
        "fee": ("number", None),
        "postcode": ("string", None),
    }


def test_every_property_cites_its_label_s_value():
    outcome = generate([document_of(text_pdf(FORM))], PLAIN)

    by_path = {source.path: source for source in outcome.properties}
    assert by_path["/properties/surname"].citations[0].quote == "Falkenberg"


def test_of_several_documents_all_values_are_kept_and_the_common_ones_required():
    one = document_of(text_pdf("Surname: Ek\nFee: 12.00 EUR"))
    other = document_of(text_pdf("Surname: Ohm\nCity: Bremen"))

    schema = generate([one, other], PLAIN).json_schema

    assert set(schema["properties"]) == {"surname", "fee", "city"}
    assert schema["required"] == ["surname"]


def test_one_document_alone_requires_nothing():
    assert "required" not in generate([document_of(text_pdf(FORM))], PLAIN).json_schema


def test_an_earlier_schema_is_extended():
    earlier = generate([document_of(text_pdf("Surname: Ek\nCity: Bremen"))], PLAIN).json_schema

    schema = generate([document_of(text_pdf(FORM))], GenerateParameters(extend=(earlier,))).json_schema

    assert {"surname", "city", "fee"} <= set(schema["properties"])


def test_a_document_that_states_nothing_is_refused_with_a_code():
    with pytest.raises(SchemaInvalid) as refused:
        generate([document_of(text_pdf("just a line of words"))], PLAIN)

    assert refused.value.code == "SCHEMA_INVALID"


def test_the_number_of_values_is_bounded_and_said():
    text = "\n".join(f"Label {chr(65 + at)}x: value" for at in range(25))
    outcome = generate([document_of(text_pdf(text))], GenerateParameters(max_properties=10))

    assert len(outcome.json_schema["properties"]) == 10
    assert outcome.notes


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Rechnungs-Nr.", "rechnungs_nr"),
        ("Größe (cm)", "groesse_cm"),
        ("Numéro de facture", "numero_de_facture"),
        ("Дата рождения", "data_rozhdeniya"),
        ("Αριθμός", "arithmos"),
        ("カナ", "kana"),
        ("invoiceDate", "invoice_date"),
        ("3rd party", "n3_rd_party"),
        ("请求", ""),
    ],
)
def test_labels_become_snake_case_in_ascii(label, name):
    assert name_of(label) == name


def test_names_are_distinct_and_never_empty():
    taken: set[str] = set()

    assert [distinct(name, taken, "field") for name in ("a", "a", "", "")] == ["a", "a_2", "field", "field_2"]


@pytest.mark.parametrize(
    ("text", "label", "expected"),
    [
        ("1.234,50 €", "Betrag", ValueType("number")),
        ("19 %", "VAT", ValueType("number")),
        ("00123", "Serial", ValueType("string")),
        ("4711", "Customer no.", ValueType("string")),
        ("4711", "Total", ValueType("number")),
        ("12 March 2026", "Due", ValueType("string", "date")),
        ("https://example.org/a", "Web", ValueType("string", "uri")),
        ("GBP", "Currency", ValueType("string", "currency")),
        ("ja", "Mitglied", ValueType("boolean")),
        ("12 boxes", "Load", ValueType("string")),
    ],
)
def test_a_value_is_typed(text, label, expected):
    assert type_of(text, label) == expected


def test_a_column_has_the_type_of_most_of_its_cells():
    assert type_of_column(["1", "2.50", "3.00", "n/a"], "Price") == ValueType("number")
    assert type_of_column(["red", "2.50", "blue"], "Colour") == ValueType("string")


EXAMPLES = [
    {
        "name": "Ada",
        "born": "1815-12-10",
        "size": 1,
        "mail": "ada@example.org",
        "tags": ["a"],
        "home": {"zip": "1"},
    },
    {
        "name": "Bob",
        "born": "1990-01-02",
        "size": 1.5,
        "mail": None,
        "tags": [],
        "home": {"zip": "2", "town": "X"},
    },
]


def test_examples_give_types_formats_and_what_is_required():
    schema = from_parameters(examples=EXAMPLES).json_schema

    assert types(schema) == {
        "name": ("string", None),
        "born": ("string", "date"),
        "size": ("number", None),
        "mail": (["string", "null"], "email"),
        "tags": ("array", None),
        "home": ("object", None),
    }
    assert schema["properties"]["home"]["required"] == ["zip"]
    assert "mail" not in schema["required"]
    Draft202012Validator(schema).validate(EXAMPLES[0])
    Draft202012Validator(schema).validate(EXAMPLES[1])


def test_the_document_says_what_the_values_of_examples_are_called():
    schema = from_parameters(examples=[{"surname": "Ek", "fee": 1.5, "colour": "red"}]).json_schema

    assert schema["properties"]["surname"]["x-labels"] == ["Surname"]
    assert "x-labels" not in schema["properties"]["colour"]
    assert set(schema["properties"]) == {"surname", "fee", "colour"}


@pytest.mark.parametrize("example", [{}, {"a": {"b": {}}} | {"[]": 1}])
def test_hostile_examples_are_refused_or_compile(example):
    try:
        schema = from_parameters(examples=[example]).json_schema
    except SchemaInvalid:
        return
    compile_schema(schema)


def test_a_bottomless_example_is_refused():
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}

    with pytest.raises(SchemaInvalid):
        from_parameters(examples=[deep])


def test_a_prompt_without_a_model_says_so():
    with pytest.raises(ModelNotConfigured):
        from_parameters(prompt="everything about the member")


def _answer(*values: dict[str, str]) -> tuple[ModelReply, ...]:
    return (ModelReply(id="schema", text=json.dumps({"values": list(values)})),)


def test_a_prompt_becomes_a_schema_by_the_model_s_list():
    replies = _answer(
        {"path": "member.Surname", "type": "string", "description": "Surname"},
        {"path": "fees[].amount", "type": "number", "description": "Fee"},
        {"path": "born", "type": "date", "description": ""},
    )

    schema = from_parameters(replies, prompt="the member and the fees").json_schema

    assert schema["properties"]["member"]["properties"]["surname"]["description"] == "Surname"
    assert schema["properties"]["fees"]["items"]["properties"]["amount"]["type"] == "number"
    assert schema["properties"]["born"]["format"] == "date"
    compile_schema(schema)


def test_a_model_that_answers_no_list_fails_by_its_code():
    with pytest.raises(ModelReplyInvalid):
        from_parameters((ModelReply(id="schema", text="I would rather not"),), prompt="x")


def test_only_a_prompt_asks_a_model():
    context = Context(document_of(text_pdf(FORM)), Spec(operation=Operation.SCHEMA))

    assert prompts(context, PLAIN, ()) == ()
    assert len(prompts(context, GenerateParameters(prompt="x"), ())) == 1


def test_invoices_of_two_looks_share_one_schema():
    first = read(invoice_pdf(Invoice()))
    second = read(invoice_pdf(Invoice(number="A-9"), ruled=False))

    schema = generate([first, second], PLAIN).json_schema

    assert "invoice_number" in schema["required"]
