"""What a child leaves for a bundle: every citation of every operation is borne out by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from affidavit.bundle import chunk, citations
from affidavit.bundle.text import MAX_TEXT_BYTES
from affidavit.engine import evidence, pipeline
from affidavit.engine.errors import OutputLimitExceeded, SchemaInvalid
from affidavit.engine.operations.shapes.children import EVERY
from affidavit.engine.output import Output
from affidavit.engine.pipeline import Context, Source
from affidavit.engine.result import Document, Result
from affidavit.engine.spec import TEXT_BYTES, OcrMode, OcrOptions, Operation, Options, Spec
from affidavit.samples import contract, invoice
from tests import documents
from tests.engine import forms

SCHEMA = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "total": {"type": "number"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"description": {"type": "string"}, "amount": {"type": "number"}},
            },
        },
    },
}
WISHES: Mapping[Operation, dict[str, Any]] = {
    Operation.PARSE: {},
    Operation.EXTRACT: {},
    Operation.SPLIT: {},
    Operation.SCHEMA: {},
    Operation.CLASSIFY: {"scope": "page"},
    Operation.ASK: {"question": "What is the total?", "passages": 10},
    Operation.SUMMARIZE: {"points": 20},
    Operation.CHECK_CLAIMS: {"claims": ["The total is 455.40 EUR", "The invoice is dated 14 March 2026"]},
    Operation.FORMS: {},
    Operation.PIPELINE: {"steps": [{"operation": "classify"}, {"operation": "summarize"}]},
}
PAPERS = {
    "invoice": documents.invoice_pdf,
    "letter": invoice.letter,
    "contract": contract.terms,
    "form": forms.form_pdf,
    "flat form": forms.flat_pdf,
    "hyphens": lambda: documents.text_pdf("The amount of the con-\ntract is 12,50 EUR.", "A second page."),
    "plain text": lambda: b"Invoice number: A-1\n\nTotal: 12.50 EUR\n  Total again: 12.50 EUR\n",
}


@cache
def read(paper: str) -> tuple[Source, Document]:
    source = Source(PAPERS[paper](), f"{paper}.pdf" if paper != "plain text" else "a.txt")
    options = Options(ocr=OcrOptions(mode=OcrMode.NEVER))
    return source, pipeline.read(source, Spec(operation=Operation.PARSE, options=options)).document


def joined(*pdfs: bytes) -> bytes:
    with pymupdf.open() as whole:
        for pdf in pdfs:
            with pymupdf.open(stream=pdf, filetype="pdf") as part:
                whole.insert_pdf(part)
        return bytes(whole.tobytes())


def made(paper: str, operation: Operation = Operation.EXTRACT) -> tuple[Document, Result]:
    source, document = read(paper)
    schema = SCHEMA if operation is Operation.EXTRACT else None
    spec = Spec(operation=operation, parameters=WISHES[operation], json_schema=schema)
    return document, pipeline.conclude(Context(document, spec, source)).result


def written(folder: Path, document: Document, result: Result, limit: int = 1_000_000) -> dict[str, bytes]:
    told = {file.name: file.size for file in evidence.write(document, result, Output(folder, limit))}
    files = {name: (folder / name).read_bytes() for name in told}
    assert told == {name: len(content) for name, content in files.items()}
    return files


@pytest.mark.parametrize("operation", WISHES)
def test_every_citation_holds_by_the_files_alone(tmp_path: Path, operation: Operation) -> None:
    count = 0
    for paper in PAPERS:
        with suppress(SchemaInvalid):  # no schema can be made of what prints no labelled value
            count += checked(written(tmp_path, *made(paper, operation)))
    assert count > 0 or operation is Operation.PARSE


def checked(files: Mapping[str, bytes]) -> int:
    """Check all citations, and return how many they are."""
    markdown = files["document.md"].decode()
    found = list(citations.find(json.loads(files["extraction.json"])))
    cited = {word for citation in found for word in citation.value["words"]}
    words = chunk.gather([files["chunks.ndjson"]], markdown, cited).words
    for citation in found:
        assert citations.check(citation, words, markdown)
    return len(found)


def test_words_of_the_documents_of_other_jobs_are_not_cited_as_if_they_were_its_own(tmp_path: Path) -> None:
    source, document = read("letter")
    spec = Spec(operation=Operation.SCHEMA)
    others = (read("invoice")[1], read("contract")[1])
    alone = pipeline.conclude(Context(document, spec, source)).result
    result = pipeline.conclude(Context(document, spec, source, others)).result
    assert len(result.generated.properties) > len(alone.generated.properties)
    assert checked(written(tmp_path, document, result)) > 0


def test_citations_of_parts_count_from_the_start_of_the_whole_document(tmp_path: Path) -> None:
    asks = [{"operation": "ask", "question": "What is the total?", "for": EVERY}]
    steps = [{"operation": "split"}, *asks, {"operation": "summarize", "for": EVERY}]
    pdf = joined(documents.invoice_pdf(), contract.terms(), invoice.letter())
    source = Source(pdf, "packet.pdf")
    document = pipeline.read(source, Spec(operation=Operation.PARSE)).document
    spec = Spec(operation=Operation.PIPELINE, parameters={"steps": steps})
    result = pipeline.conclude(Context(document, spec, source)).result
    assert len(result.steps.root[1].runs) >= 2
    assert checked(written(tmp_path, document, result)) > 10


def test_the_files_hold_the_whole_of_the_result(tmp_path: Path) -> None:
    document, result = made("letter")
    files = written(tmp_path, document, result)
    structure = json.loads(files["document.json"])
    plain = json.loads(result.model_dump_json())
    assert files["document.md"].decode() == result.markdown
    assert structure["tables"] == plain["tables"]
    assert (structure["media_type"], structure["page_count"]) == ("application/pdf", document.page_count)
    for page, shown in zip(structure["pages"], plain["pages"], strict=True):
        assert len(page.pop("words")) == len(document.pages[page["number"] - 1].words)
        assert page.pop("lines")
        assert page.items() <= shown.items()
    rest = {name: value for name, value in plain.items() if name not in ("markdown", "pages", "tables")}
    assert json.loads(files["extraction.json"]) == rest


@pytest.mark.parametrize("paper", PAPERS)
def test_the_chunks_are_all_blocks_and_all_words_in_their_order(tmp_path: Path, paper: str) -> None:
    document, result = made(paper)
    files = written(tmp_path, document, result)
    markdown = files["document.md"].decode()
    chunks = [chunk.parse(line) for line in chunk.lines([files["chunks.ndjson"]])]
    assert [each.block for each in chunks if each.block] == [
        block.id for page in document.pages for block in page.blocks
    ]
    assert all(each.text == markdown[slice(*each.range)] for each in chunks if each.range is not None)
    words = [tuple(word[:2]) for each in chunks for word in each.words]
    assert sorted(words) == sorted((word.id, word.text) for page in document.pages for word in page.words)


def test_words_of_no_block_stand_in_a_line_of_their_own() -> None:
    (page,) = pipeline.placed_pages(read("invoice")[1])
    assert page.words is not None
    loose = page.model_copy(
        update={"words": tuple(word.model_copy(update={"block": None}) for word in page.words)}
    )
    *blocks, last = [json.loads(line) for line in evidence.lines(loose, "x" * 10_000)]
    assert all(each["words"] == [] for each in blocks)
    assert (last["block"], last["page"], last["range"], last["text"]) == (None, 1, None, None)
    assert [word[0] for word in last["words"]] == [word.id for word in page.words]


def test_no_text_is_longer_than_a_verifier_takes() -> None:
    assert TEXT_BYTES == MAX_TEXT_BYTES


def test_a_document_beyond_the_limit_is_refused_and_not_cut_short(tmp_path: Path) -> None:
    document, result = made("letter")
    with pytest.raises(OutputLimitExceeded):
        written(tmp_path, document, result, limit=1000)
