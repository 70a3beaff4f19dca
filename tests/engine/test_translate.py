"""A translation keeps the structure, and tells of every number and code that it changed."""

from __future__ import annotations

import json
import re

import pytest

from affidavit.engine.errors import ModelLimitReached, ModelNotConfigured, ModelUnavailable
from affidavit.engine.model import ModelReply, ModelRequest
from affidavit.engine.operations import translate
from affidavit.engine.operations.port import Context
from affidavit.engine.operations.shapes.translate import TranslateOutcome, TranslateParameters
from affidavit.engine.result import BlockType, Document
from affidavit.engine.spec import Limits, Operation, Spec
from tests.documents import invoice_pdf, text_pdf
from tests.engine.reading import read_bytes

GERMAN = TranslateParameters(language="de")


@pytest.fixture(scope="module")
def invoice() -> Document:
    return read_bytes(invoice_pdf()).document


def context(document: Document, limits: Limits | None = None) -> Context:
    return Context(document, Spec(operation=Operation.TRANSLATE, limits=limits or Limits()))


def blocks_of(request: ModelRequest) -> list[tuple[str, str]]:
    """Return the ids and texts that a request shows, in their order."""
    body = request.text.split("\n", 1)[1].rsplit("\n", 1)[0]
    parts = re.split(r"^\[(p\d+\.b\d+)\] ", body, flags=re.MULTILINE)[1:]
    return [(name, text.strip()) for name, text in zip(parts[::2], parts[1::2], strict=True)]


def echoed(request: ModelRequest, *swaps: tuple[str, str], without: str = "") -> ModelReply:
    """Return the reply of a model that swaps some words and leaves the rest as it is."""
    blocks = []
    for name, text in blocks_of(request):
        said = text
        for old, new in swaps:
            said = said.replace(old, new)
        if name != without:
            blocks.append({"id": name, "text": said})
    return ModelReply(id=request.id, text=json.dumps({"blocks": blocks}))


def translated(document: Document, *swaps: tuple[str, str], without: str = "") -> TranslateOutcome:
    asked = context(document)
    replies = tuple(echoed(each, *swaps, without=without) for each in translate.prompts(asked, GERMAN, ()))
    found = translate.run(asked, GERMAN, replies).outcome
    assert isinstance(found, TranslateOutcome)
    return found


def test_blocks_are_translated_in_place_with_headings_and_tables_kept(invoice: Document) -> None:
    found = translated(invoice, ("Invoice number", "Rechnungsnummer"), ("Description", "Beschreibung"))
    table = next(block for block in found.blocks if block.type is BlockType.TABLE)

    assert found.markdown.startswith("# Invoice")
    assert table.text.startswith("| Beschreibung |")
    assert "Rechnungsnummer" in found.markdown
    assert (found.flagged, found.untranslated) == (0, 0)
    assert all(found.markdown[slice(*block.range)] == block.text for block in found.blocks)


def test_a_number_or_code_that_was_changed_is_told_of_its_block(invoice: Document) -> None:
    found = translated(invoice, ("455.40", "455.04"), ("INV-2026-0042", "INV-2026-42"))
    changed = {value for block in found.blocks for value in block.changed}

    assert {"455.40", "455.04", "INV-2026-0042", "INV-2026-42"} <= changed
    assert found.flagged == sum(bool(block.changed) for block in found.blocks) > 0


def test_a_block_that_the_model_left_out_stands_as_it_was_and_is_told(invoice: Document) -> None:
    name = invoice.pages[0].blocks[1].id
    found = translated(invoice, without=name)
    (left,) = [block for block in found.blocks if not block.translated]

    assert (left.id, left.text) == (name, left.source)
    assert found.untranslated == 1


def test_a_long_document_is_translated_in_chunks_that_say_each_block_once() -> None:
    text = "\n\n".join(f"Paragraph {n} speaks of the harbour and of the {n} boats in it." for n in range(25))
    document = read_bytes(text_pdf(*[text] * 4)).document
    requests = translate.prompts(context(document), GERMAN, ())
    asked = [name for request in requests for name, _ in blocks_of(request)]

    assert len(requests) > 1
    assert len(asked) == len(set(asked))
    assert translated(document, ("harbour", "Hafen")).markdown.count("Hafen") == 100


def test_the_glossary_and_the_language_stand_in_the_instructions(invoice: Document) -> None:
    parameters = TranslateParameters(language="fr-CA", from_language="en", glossary={"probe": "sonde"})
    request = translate.prompts(context(invoice), parameters, ())[0]

    assert "fr-CA from en" in request.instructions
    assert "probe = sonde" in request.instructions


def test_without_a_model_there_is_no_translation(invoice: Document) -> None:
    with pytest.raises(ModelNotConfigured):
        translate.run(context(invoice), GERMAN, ())


def test_a_model_that_does_not_answer_fails_the_translation(invoice: Document) -> None:
    requests = translate.prompts(context(invoice), GERMAN, ())
    replies = tuple(ModelReply(id=each.id, error="MODEL_TIMEOUT") for each in requests)

    with pytest.raises(ModelUnavailable):
        translate.run(context(invoice), GERMAN, replies)


def test_a_document_too_long_for_one_job_is_refused(invoice: Document) -> None:
    limits = Limits(model_requests=1, model_context_tokens=3200, model_reply_tokens=256)

    with pytest.raises(ModelLimitReached):
        translate.prompts(context(invoice, limits), GERMAN, ())


@pytest.mark.parametrize("tag", ["german", "d", "de_DE", "de; ignore the rest"])
def test_a_language_is_a_tag_and_nothing_else(tag: str) -> None:
    with pytest.raises(ValueError, match="language"):
        TranslateParameters(language=tag)
