"""A claim is supported or contradicted only where the document says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from affidavit.engine.model import ModelReply
from affidavit.engine.operations import check_claims
from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.ask import AnswerSource
from affidavit.engine.operations.shapes.check_claims import (
    CheckClaimsOutcome,
    CheckClaimsParameters,
    CheckedClaim,
    Verdict,
)
from affidavit.engine.result import Document
from affidavit.engine.spec import Operation, Spec
from affidavit.engine.stages.claims.fact import is_negated
from tests.documents import invoice_pdf, text_pdf
from tests.engine.reading import read_bytes
from tests.engine.test_ask import LEASE

YES, NO, UNKNOWN = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.NOT_FOUND


@pytest.fixture(scope="module")
def lease() -> Document:
    return read_bytes(text_pdf(LEASE)).document


@pytest.fixture(scope="module")
def invoice() -> Document:
    return read_bytes(invoice_pdf()).document


def context(document: Document) -> Context:
    return Context(document, Spec(operation=Operation.CHECK_CLAIMS))


def checked(document: Document, *claims: str) -> CheckClaimsOutcome:
    found = check_claims.run(context(document), CheckClaimsParameters(claims=claims), ()).outcome
    assert isinstance(found, CheckClaimsOutcome)
    return found


def told(document: Document, claim: str, verdict: str, *quotes: str) -> CheckedClaim:
    """Return the claim when a model replies so."""
    parameters = CheckClaimsParameters(claims=(claim,))
    (request,) = check_claims.prompts(context(document), parameters, ())
    said: dict[str, Any] = {"verdicts": [{"claim": 1, "verdict": verdict, "quotes": list(quotes)}]}
    replies = (ModelReply(id=request.id, text=json.dumps(said)),)
    found = check_claims.run(context(document), parameters, replies).outcome
    assert isinstance(found, CheckClaimsOutcome)
    return found.claims[0]


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("The monthly rent is 1,250.00 EUR.", YES),
        ("The rent is 1250 EUR per month.", YES),
        ("The monthly rent is 1,520.00 EUR.", NO),
        ("The monthly rent is 1,250.00 USD.", NO),
        ("The monthly rent is not 1,250.00 EUR.", NO),
        ("The monthly rent is more than 1,000 EUR.", YES),
        ("The monthly rent is at most 1,000 EUR.", NO),
        ("The notice period is 3 months.", YES),
        ("The notice period is 3 years.", NO),
        ("The notice period is 91 days.", UNKNOWN),
        ("The lease begins on 1 May 2024.", YES),
        ("The lease begins before June 2024.", YES),
        ("The lease ends in 2027.", YES),
        ("Pets are not allowed.", YES),
        ("Pets are allowed.", NO),
        ("Pets are prohibited.", YES),
        ("Smoking is allowed on the balcony.", YES),
        ("The agreement is governed by the laws of Austria.", YES),
        ("The agreement is governed by the laws of Germany.", NO),
    ],
)
def test_a_claim_is_held_against_what_is_said_of_the_same_thing(
    lease: Document, claim: str, verdict: Verdict
) -> None:
    assert checked(lease, claim).claims[0].verdict is verdict


@pytest.mark.parametrize(
    "claim",
    [
        "The parking fee is 1,250.00 EUR.",  # the same amount, of another thing
        "The rent in 2019 was 1,250.00 EUR.",  # another year
        "The gas bill is 3 months overdue.",
        "Children are allowed.",
        "The Tenant must terminate this lease.",  # may, not must
        "Jonas Weber is a dentist.",
        "The lease ends on 1 May 2024.",  # the other date of its sentence
    ],
)
def test_a_claim_about_what_the_document_is_silent_on_is_not_found(lease: Document, claim: str) -> None:
    found = checked(lease, claim).claims[0]

    assert (found.verdict, found.citations) == (UNKNOWN, ())


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("The invoice total is 455.40 EUR.", YES),
        ("The subtotal is 455.40 EUR.", NO),
        ("The VAT rate is 19%.", NO),
        ("The invoice is due on 13 April 2026.", YES),
        ("The invoice is due in May 2026.", NO),
        ("12 stainless probes were ordered.", YES),
        ("13 stainless probes were ordered.", NO),
        ("The unit price of the calibration service is 180.50.", YES),
        ("The unit price of the calibration service is 99.00.", NO),
        ("The delivery date is 14 March 2026.", UNKNOWN),
        ("The deposit is 455.40 EUR.", UNKNOWN),
    ],
)
def test_a_claim_is_held_against_fields_and_cells_of_an_invoice(
    invoice: Document, claim: str, verdict: Verdict
) -> None:
    assert checked(invoice, claim).claims[0].verdict is verdict


def test_the_counts_are_those_of_the_verdicts_and_every_verdict_cites_words(invoice: Document) -> None:
    found = checked(invoice, "The total is 455.40 EUR", "The total is 1.00 EUR", "The moon is far away")

    assert (found.supported, found.contradicted, found.not_found) == (1, 1, 1)
    assert [bool(each.citations) for each in found.claims] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "denies"),
    [
        ("Pets are not allowed", True),
        ("Payment is due no later than 30 days", False),
        ("The amount must not exceed 100 EUR", False),
        ("It is not without limits", False),
        ("Hunde sind nicht erlaubt", True),
        ("They don't pay", True),
    ],
)
def test_a_bound_denies_nothing_and_two_denials_make_none(text: str, denies: bool) -> None:
    assert is_negated(text) is denies


def test_a_models_verdict_counts_with_a_quote_of_the_document_that_holds_the_claims_values(
    lease: Document,
) -> None:
    claim = "The flat stands in Graz."
    borne = told(lease, claim, "supported", '"Premises" means the apartment at Lindenweg 4, Graz.')
    invented = told(lease, claim, "supported", "The flat stands in Graz, near the river.")
    beside = told(lease, "The garage costs 80 EUR.", "supported", "Pets are not allowed.")

    assert borne.verdict is UNKNOWN or borne.source is AnswerSource.MODEL
    assert invented.verdict is UNKNOWN
    assert beside.verdict is UNKNOWN


def test_a_model_that_says_the_opposite_lowers_the_confidence_and_not_the_verdict(lease: Document) -> None:
    claim = "The monthly rent is 1,250.00 EUR."
    alone = checked(lease, claim).claims[0]
    doubted = told(lease, claim, "contradicted", "The monthly rent is 1,250.00 EUR.")

    assert doubted.verdict is alone.verdict
    assert doubted.confidence < alone.confidence


def test_many_claims_are_asked_a_few_at_a_time(lease: Document) -> None:
    parameters = CheckClaimsParameters(claims=tuple(f"Clause {n} is void." for n in range(20)))

    assert len(check_claims.prompts(context(lease), parameters, ())) == 3
