"""A summary is of the document's own sentences, cited; a model's words only with their proof."""

from __future__ import annotations

import json
from typing import Any

import pytest

from affidavit.engine.errors import ModelLimitReached
from affidavit.engine.model import ModelReply
from affidavit.engine.operations import summarize
from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.ask import AnswerSource
from affidavit.engine.operations.shapes.summarize import SummarizeOutcome, SummarizeParameters
from affidavit.engine.result import Document
from affidavit.engine.spec import Limits, Operation, Spec
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.summary.choice import choose
from tests.documents import invoice_pdf, text_pdf
from tests.engine.build import document_of
from tests.engine.reading import read_bytes

STUDY = (
    """Water report

The reservoir supplied forty villages with drinking water last year.

Water quality in the reservoir was tested every week by the district laboratory.

The reservoir supplied forty villages with drinking water last year, as before.

A fence was painted green.""",
    """The laboratory found no bacteria in the drinking water of the reservoir.

The villages used 3 % more drinking water than in the year before.

Lunch was served at noon on the terrace of the town hall.""",
)


@pytest.fixture(scope="module")
def study() -> Document:
    return read_bytes(text_pdf(*STUDY)).document


def summed(document: Document, **parameters: Any) -> SummarizeOutcome:
    context = Context(document, Spec(operation=Operation.SUMMARIZE))
    found = summarize.run(context, SummarizeParameters(**parameters), ()).outcome
    assert isinstance(found, SummarizeOutcome)
    return found


def told(document: Document, points: list[dict[str, Any]], **parameters: Any) -> SummarizeOutcome:
    """Return the summary when a model replies with these points."""
    context, asked = Context(document, Spec(operation=Operation.SUMMARIZE)), SummarizeParameters(**parameters)
    (request,) = summarize.prompts(context, asked, ())
    replies = (ModelReply(id=request.id, text=json.dumps({"points": points})),)
    found = summarize.run(context, asked, replies).outcome
    assert isinstance(found, SummarizeOutcome)
    return found


def test_central_sentences_are_chosen_in_the_order_of_the_pages_and_none_twice(study: Document) -> None:
    points = summed(study, points=3).points

    assert [point.page for point in points] == sorted(point.page or 0 for point in points)
    assert sum("forty villages" in point.text for point in points) == 1
    assert not any("fence" in point.text or "Lunch" in point.text for point in points)


def test_every_point_cites_its_words(study: Document) -> None:
    markdown = "\n\n".join(page.markdown for page in study.pages)

    for point in summed(study).points:
        (citation,) = point.citations
        assert citation.range is not None
        assert markdown[slice(*citation.range)].replace("\n", " ") == point.text


def test_a_focus_brings_what_it_names(study: Document) -> None:
    assert "Lunch" not in summed(study, points=1).text
    assert "Lunch" in summed(study, points=1, focus="lunch on the terrace").text


def test_a_document_without_sentences_is_summed_up_by_its_labelled_values() -> None:
    text = summed(read_bytes(invoice_pdf()).document, points=20).text

    assert "455.40" in text
    assert "INV-2026-0042" in text


def test_a_long_document_is_summed_up_from_its_richest_sentences() -> None:
    rest = "\n\n".join(f"Nothing else of note took place on day {n} of it." for n in range(24))
    passages = Reader(document_of(text_pdf(STUDY[0], rest, STUDY[1]))).passages

    assert len(passages) > 30
    (chosen,) = choose(passages, 1, focus="bacteria in the laboratory", compared=4)
    assert "no bacteria" in chosen.passage.text


def test_a_models_point_is_kept_only_with_words_that_bear_it_out(study: Document) -> None:
    found = told(
        study,
        [
            {
                "text": "The reservoir supplied forty villages.",
                "quotes": ["The reservoir supplied forty villages with drinking water"],
            },
            {"text": "The reservoir will be closed.", "quotes": ["The reservoir will be closed next year."]},
            {"text": "Use rose by 30 %.", "quotes": ["The villages used 3 % more drinking water"]},
        ],
    )

    assert [point.text for point in found.points] == ["The reservoir supplied forty villages."]
    assert (found.dropped, found.source) == (2, AnswerSource.MODEL)


def test_when_nothing_of_a_model_holds_the_documents_own_sentences_stand(study: Document) -> None:
    found = told(study, [{"text": "All is well.", "quotes": ["All is well."]}])

    assert found.source is AnswerSource.RULES
    assert found.points


def test_a_document_too_long_for_a_model_is_refused_before_it_is_asked(study: Document) -> None:
    limits = Limits(model_requests=1, model_context_tokens=3200, model_reply_tokens=2048)
    long = read_bytes(text_pdf(*["\n\n".join(STUDY)] * 8)).document
    context = Context(long, Spec(operation=Operation.SUMMARIZE, limits=limits))

    with pytest.raises(ModelLimitReached):
        summarize.prompts(context, SummarizeParameters(), ())


def test_words_without_height_are_read_all_the_same() -> None:
    page = document_of(text_pdf("Total 12.00 EUR\n\nThis page was drawn with letters that have no height."))
    flat = page.pages[0].model_copy(
        update={
            "words": tuple(
                word.model_copy(update={"box": (word.box[0], 50.0, word.box[2], 50.0)})
                for word in page.pages[0].words
            )
        }
    )

    assert Reader(page.model_copy(update={"pages": (flat,)})).passages
