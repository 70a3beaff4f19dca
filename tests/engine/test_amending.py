"""What a reviewer's corrections make of a result: values, items, evidence; the machine's own word is kept."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.engine import pipeline
from affidavit.engine.amending import CitedPlace, Correction, amend
from affidavit.engine.errors import CorrectionsInvalid
from affidavit.engine.field_path import parse_path, pointer_of
from affidavit.engine.result import Document, Result
from affidavit.engine.review import flagged
from affidavit.engine.spec import Operation, ReviewOptions, Spec
from tests.documents import invoice_pdf

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number", "minimum": 0},
        "note": {"type": ["string", "null"], "pattern": "^(a+)+$"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"description": {"type": "string"}, "quantity": {"type": "integer"}},
            },
        },
    },
    "required": ["invoice_number", "total"],
}


@pytest.fixture(scope="module")
def read() -> tuple[Document, Result]:
    spec = Spec(operation=Operation.EXTRACT, json_schema=SCHEMA)
    document = pipeline.read(pipeline.Source(invoice_pdf()), spec).document
    return document, pipeline.finish(document, spec)


def test_a_corrected_value_is_cited_where_it_stands_and_the_machines_is_kept(
    read: tuple[Document, Result],
) -> None:
    document, machine = read
    amended = amend(machine, SCHEMA, [Correction(path="total", value=379.5)], document)
    assert amended.data["total"] == 379.5
    assert amended.fields["total"].confidence == 100
    assert "379.50" in amended.fields["total"].citations[0].quote
    assert amended.review.corrected["total"] == machine.fields["total"]
    assert machine.data["total"] == 455.4


def test_a_box_cites_the_words_in_it(read: tuple[Document, Result]) -> None:
    document, machine = read
    word = next(word for page in document.pages for word in page.words if word.text == "INV-2026-0042")
    place = CitedPlace(page=1, box=word.box)
    amended = amend(
        machine, SCHEMA, [Correction(path="invoice_number", value="2026-0042", citation=place)], document
    )
    assert amended.fields["invoice_number"].citations[0].words == (word.id,)
    by_id = CitedPlace(words=(word.id,))
    again = amend(
        machine, SCHEMA, [Correction(path="invoice_number", value="2026-0042", citation=by_id)], document
    )
    assert again.fields["invoice_number"].citations == amended.fields["invoice_number"].citations


def test_items_are_added_and_removed_and_the_paths_follow(read: tuple[Document, Result]) -> None:
    document, machine = read
    count = len(machine.data["lines"])
    assert count == 3
    amended = amend(
        machine,
        SCHEMA,
        [
            Correction(path="lines[3].description", value="Calibration service"),
            Correction(path="lines[0]", remove=True),
        ],
        document,
    )
    assert [line["description"] for line in amended.data["lines"]] == [
        machine.data["lines"][1]["description"],
        machine.data["lines"][2]["description"],
        "Calibration service",
    ]
    assert amended.fields["lines[0].quantity"] == machine.fields["lines[1].quantity"]
    assert amended.fields["lines[2].quantity"].value is None
    assert amended.review.removed == ("lines[0]",)


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("total", "much", "is to be of type number"),
        ("total", True, "is to be of type number"),
        ("total", -1, "minimum"),
        ("totals", 1, "is no field of the schema"),
        ("lines", 1, "is no single field"),
        ("lines[9].quantity", 1, "is beyond the array's 3 items"),
        ("total..", 1, "is not a path"),
        ("note", "b", "does not match"),
    ],
)
def test_a_correction_that_does_not_fit_is_refused_by_its_path(
    read: tuple[Document, Result], path: str, value: object, why: str
) -> None:
    document, machine = read
    with pytest.raises(CorrectionsInvalid) as caught:
        amend(machine, SCHEMA, [Correction.model_validate({"path": path, "value": value})], document)
    (fault,) = caught.value.faults
    assert fault.path == path
    assert why in fault.message


def test_one_correction_that_does_not_fit_keeps_all_others_out(read: tuple[Document, Result]) -> None:
    document, machine = read
    with pytest.raises(CorrectionsInvalid):
        amend(machine, SCHEMA, [Correction(path="total", value=1), Correction(path="x", value=1)], document)


def test_without_the_pages_a_box_is_taken_as_it_is_said(read: tuple[Document, Result]) -> None:
    _, machine = read
    place = CitedPlace(page=1, box=(10.0, 10.0, 60.0, 20.0))
    amended = amend(machine, SCHEMA, [Correction(path="total", value=1, citation=place)], None)
    (citation,) = amended.fields["total"].citations
    assert (citation.page, citation.box, citation.words) == (1, place.box, ())


def test_what_is_doubtful_or_missing_is_flagged_and_nothing_else(read: tuple[Document, Result]) -> None:
    _, machine = read
    sure = ReviewOptions(threshold=1)
    assert flagged(machine, sure) == ()
    doubtful = machine.fields["total"].model_copy(update={"confidence": 40})
    shaken = machine.model_copy(update={"fields": {**machine.fields, "total": doubtful}})
    assert flagged(shaken, ReviewOptions(threshold=41)) == ("total",)
    assert flagged(shaken, ReviewOptions(threshold=40)) == ()


def test_a_value_that_the_schema_insists_on_is_flagged_when_it_is_missing() -> None:
    schema = {
        "type": "object",
        "properties": {"policy_holder_shoe_size": {"type": "integer"}},
        "required": ["policy_holder_shoe_size"],
    }
    spec = Spec(operation=Operation.EXTRACT, json_schema=schema)
    document = pipeline.read(pipeline.Source(invoice_pdf()), spec).document
    assert flagged(pipeline.finish(document, spec), ReviewOptions(threshold=50)) == (
        "policy_holder_shoe_size",
    )


def test_paths_are_read_as_results_spell_them() -> None:
    assert parse_path('lines[0]["a.b"].c') == ("lines", 0, "a.b", "c")
    assert pointer_of(parse_path('["a/b~"].c')) == "/a~1b~0/c"
    for wrong in ("", ".a", "a..b", 'a["b]', "[x]", "a" + ".b" * 40):
        with pytest.raises(ValueError, match=r"^(is|has) "):
            parse_path(wrong)
