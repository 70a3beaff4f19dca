"""Documents are given the class that their words speak for, or none."""

from __future__ import annotations

import json

import pytest

from affidavit.engine.model import ModelReply
from affidavit.engine.operations.classify import classify, prompts, run
from affidavit.engine.operations.kinds import match_title
from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.classify import ClassifyParameters
from affidavit.engine.spec import Operation, Options, Spec
from affidavit.samples import catalogue
from tests.documents import invoice_pdf, text_pdf
from tests.engine import packets
from tests.engine.build import document_of

LABELS = ClassifyParameters.model_validate(
    {
        "labels": [
            {"name": "Supplier bills", "description": "An invoice that a supplier sends, with an amount due"},
            {"name": "agreement", "description": "A contract that binds two parties"},
            {
                "name": "complaint",
                "description": "A customer complains about damaged goods",
                "labels": ["damaged"],
            },
        ]
    }
)
COMPLAINT = "Hello,\nthe kettle arrived damaged and I want\nmy money back, please.\nJo"


@pytest.mark.parametrize("kind", [kind for kind in packets.KINDS if kind != "letter"])
def test_known_kinds_are_told_without_labels(kind):
    answers = [
        classify(document_of(packets.single(kind, seed)), ClassifyParameters()).label for seed in range(4)
    ]

    assert answers.count(kind) >= 3


STARTERS = [
    "invoice", "receipt", "bank_statement", "purchase_order", "contract", "resume", "form", "bill_of_lading",
    "customs_declaration",
]  # fmt: skip


@pytest.mark.parametrize("name", STARTERS)
def test_every_sample_of_a_starter_template_is_told(name):
    for sample in catalogue.samples_of(name):
        document = document_of(sample.data)
        if any(page.words for page in document.pages):  # the third is a scan
            assert classify(document, ClassifyParameters()).label == name


@pytest.mark.parametrize(
    ("pdf", "label"),
    [
        (invoice_pdf(), "Supplier bills"),
        (packets.single("contract", 5), "agreement"),
        (text_pdf(COMPLAINT), "complaint"),
        (packets.single("resume", 5), "unknown"),
        (text_pdf("wuxi lo plamer"), "unknown"),
        (text_pdf(""), "unknown"),
    ],
)
def test_labels_of_the_caller_are_chosen_by_their_words(pdf, label):
    assert classify(document_of(pdf), LABELS).label == label


def test_the_quotes_are_words_of_the_document():
    outcome = classify(document_of(invoice_pdf()), LABELS)

    assert outcome.citations[0].quote == "Invoice"
    assert outcome.citations[0].words
    assert outcome.confidence >= 80


def test_unknown_can_be_forbidden():
    parameters = LABELS.model_copy(update={"allow_unknown": False})

    assert classify(document_of(packets.single("resume", 5)), parameters).label != "unknown"


def test_pages_are_classified_one_by_one():
    parameters = ClassifyParameters.model_validate({"scope": "page"})
    document = document_of(
        text_pdf("INVOICE\nInvoice number 7\nAmount due 9.00", "RECEIPT\nCash 9.00\nChange 1.00")
    )

    assert [page.label for page in classify(document, parameters).pages] == ["invoice", "receipt"]


def test_two_labels_of_one_name_are_refused():
    with pytest.raises(ValueError, match="same name"):
        ClassifyParameters.model_validate({"labels": [{"name": "a"}, {"name": "a"}]})


@pytest.mark.parametrize(
    "line", ["Invoice date", "Invoice to:", "Rechnungsnummer", "Total: 5", "the agreement of"]
)
def test_a_label_or_a_sentence_is_no_title(line):
    match = match_title(line)

    assert match is None or match.quality < 0.9


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("INVOICE", "invoice"),
        ("Monatsrechnung", "invoice"),
        ("Rechnung Nr. 4711", "invoice"),
        ("Rechnung des Hauses Nr. 01.234-7 vom 6.12.2018", "invoice"),
        ("Rechnungs-Korrektur", "credit_note"),
        ("Relevé de compte", "bank_statement"),
    ],
)
def test_a_title_is_known_with_its_number_and_in_compounds(line, kind):
    match = match_title(line)

    assert match is not None
    assert match.kind == kind


def _context(model: str = "auto") -> Context:
    spec = Spec(operation=Operation.CLASSIFY, options=Options(model=model))
    return Context(document_of(invoice_pdf()), spec)


def _reply(label: str, quote: str) -> tuple[ModelReply, ...]:
    return (ModelReply(id="classify", text=json.dumps({"class": label, "quote": quote})),)


def test_a_model_that_agrees_makes_it_surer():
    outcome = run(_context(), LABELS, _reply("Supplier bills", "Invoice")).outcome

    assert (outcome.label, outcome.source) == ("Supplier bills", "both")


def test_a_model_that_says_otherwise_is_heard_and_its_quote_is_found():
    outcome = run(_context(), LABELS, _reply("agreement", "Please pay within 30 days")).outcome

    assert (outcome.label, outcome.source) == ("agreement", "model")
    assert outcome.citations[0].quote.startswith("Please pay")
    assert outcome.confidence <= 60


def test_an_invented_quote_is_no_citation_and_costs_confidence():
    outcome = run(_context(), LABELS, _reply("agreement", "the undersigned solemnly swear")).outcome

    assert outcome.citations == ()
    assert outcome.confidence < 50


def test_a_class_that_is_no_label_is_asked_for_again_and_then_left():
    context = _context()
    wrong = _reply("poem", "Invoice")

    assert len(prompts(context, LABELS, wrong)) == 1
    assert run(context, LABELS, wrong).outcome.source == "rules"
