"""What is said of the operations that take parameters: where, what they do, and examples of each.

The examples are true: a test sends every one that needs nothing but itself to a service, and what comes back
has the shape of the outcome here. The outcomes are written by `python -m tests.api.outcomes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from affidavit.api.examples import JOB_ID, Example
from affidavit.engine.spec import Operation

OUTCOMES: Final = "outcomes.json"


@dataclass(frozen=True, slots=True)
class Offer:
    """One operation as the API offers it. `codes` are problems of its own."""

    path: str
    summary: str
    description: str
    bodies: Mapping[str, Example]
    codes: tuple[str, ...] = field(default=())


def outcome_of(operation: Operation) -> Any:
    """Return an example of the operation's member of the result: what its first body gives."""
    return _OUTCOMES[operation]


_OUTCOMES: Final[dict[str, Any]] = json.loads(files("affidavit.api").joinpath(OUTCOMES).read_bytes())

_INVOICE: Final = """\
INVOICE
Invoice number: INV-2026-0042
Date: 14 March 2026
Billed to: Harbour Books Ltd

Net total: 90.00 EUR
VAT: 9.00 EUR
Total: 99.00 EUR

Payment is due within 30 days of the invoice date."""
_LETTER: Final = """\
Dear Ms Fell,

thank you for your order. The bags will leave our warehouse on 16 March 2026.

Kind regards
Ada Bell"""
_SCHEMA: Final[Example] = {
    "type": "object",
    "properties": {"invoice_number": {"type": "string"}, "total": {"type": "number"}},
}
# A PDF of one page with one text field, called name.
_FORM: Final = (
    "JVBERi0xLjcKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUi9BY3JvRm9ybTw8L0ZpZWxkc1s1IDAgUl0vREEo"
    "L0YgMTIgVGYgMCBnKS9EUjw8L0ZvbnQ8PC9GIDYgMCBSPj4+Pj4+Pj5lbmRvYmoKMiAwIG9iajw8L1R5cGUvUGFnZXMvS2lk"
    "c1szIDAgUl0vQ291bnQgMT4+ZW5kb2JqCjMgMCBvYmo8PC9UeXBlL1BhZ2UvUGFyZW50IDIgMCBSL01lZGlhQm94WzAgMCAz"
    "MDAgMTIwXS9Db250ZW50cyA0IDAgUi9Bbm5vdHNbNSAwIFJdL1Jlc291cmNlczw8L0ZvbnQ8PC9GIDYgMCBSPj4+Pj4+ZW5k"
    "b2JqCjQgMCBvYmo8PC9MZW5ndGggMzI+PnN0cmVhbQpCVC9GIDEyIFRmIDIwIDgwIFRkKE5hbWUpVGogRVQgIAplbmRzdHJl"
    "YW0gZW5kb2JqCjUgMCBvYmo8PC9UeXBlL0Fubm90L1N1YnR5cGUvV2lkZ2V0L0ZUL1R4L1QobmFtZSkvUCAzIDAgUi9SZWN0"
    "WzcwIDc0IDI1MCA5NF0vRiA0Pj5lbmRvYmoKNiAwIG9iajw8L1R5cGUvRm9udC9TdWJ0eXBlL1R5cGUxL0Jhc2VGb250L0hl"
    "bHZldGljYT4+ZW5kb2JqCnRyYWlsZXI8PC9Sb290IDEgMCBSPj4K"
)


def _text(text: str, **parameters: Any) -> Example:
    return {"source": {"text": text}, **parameters}


OFFERS: Final[Mapping[Operation, Offer]] = {
    Operation.SPLIT: Offer(
        path="/v1/split",
        summary="Split a packet into its documents",
        description="Find where one document ends and the next begins, and what each is: by page numbers, "
        "titles, letterheads, blank and separator pages, barcodes, layout and words. Every boundary says how "
        "likely it is and why. With `files` each part becomes a file of its own, among the artifacts; with "
        "`child_jobs` a job of its own, without being read again.",
        bodies={
            "topics": {
                "summary": "A packet of invoices and letters",
                "value": _text(
                    _INVOICE + "\f" + _LETTER,
                    topics=[
                        {"name": "invoice", "description": "A bill with an amount to be paid"},
                        {"name": "letter", "description": "Correspondence that begins with a salutation"},
                    ],
                ),
            },
            "jobs": {
                "summary": "A job for each part: a schema for invoices, a summary of the rest",
                "value": _text(
                    _INVOICE + "\f" + _LETTER,
                    child_jobs={
                        "invoice": {"operation": "extract", "schema": _SCHEMA},
                        "*": {"operation": "summarize"},
                    },
                ),
            },
            "job": {
                "summary": "A document that was read before, with a file for each part",
                "value": {"source": {"job_id": JOB_ID}, "files": True},
            },
        },
        codes=("SCHEMA_INVALID", "TEMPLATE_AND_SCHEMA"),
    ),
    Operation.CLASSIFY: Offer(
        path="/v1/classify",
        summary="Say what a document is",
        description="Choose among your labels, or among the kinds of documents that are known, for the "
        "document and with `scope: page` for each page. Words that speak for it are cited; `unknown` is an "
        "answer too.",
        bodies={
            "labels": {
                "summary": "One of two labels",
                "value": _text(
                    _INVOICE,
                    labels=[
                        {"name": "invoice", "description": "A bill with an amount to be paid"},
                        {"name": "contract", "description": "An agreement between parties"},
                    ],
                ),
            },
            "known": {"summary": "One of the known kinds", "value": _text(_INVOICE)},
        },
    ),
    Operation.SCHEMA: Offer(
        path="/v1/schema",
        summary="Make a JSON Schema from a document",
        description="Name the values that a document holds and give them types; `generated.json_schema` is "
        "what `POST /v1/extract` takes. Further documents (`job_ids`) and examples of the data shape it too, "
        "and earlier schemas are united with it (`extend`). With a language model, a `prompt` says in words "
        "what is wanted.",
        bodies={
            "text": {"summary": "From one document", "value": _text(_INVOICE)},
            "examples": {
                "summary": "From a document and an example of the data",
                "value": _text(_INVOICE, examples=[{"invoice_number": "A-1", "total": 12.5}]),
            },
        },
    ),
    Operation.ASK: Offer(
        path="/v1/ask",
        summary="Answer a question from a document",
        description="Answer with the words of the document, cited; or say that it does not say.",
        bodies={
            "text": {
                "summary": "A question",
                "value": _text(_INVOICE, question="What is the total?"),
            }
        },
    ),
    Operation.SUMMARIZE: Offer(
        path="/v1/summarize",
        summary="Summarise a document",
        description="Choose the sentences that say most, each with its place; with a language model, words "
        "of its own that cite the document's.",
        bodies={"text": {"summary": "A short text", "value": _text(_INVOICE)}},
    ),
    Operation.CHECK_CLAIMS: Offer(
        path="/v1/check-claims",
        summary="Check claims against a document",
        description="For each claim: supported, contradicted or not found, with the words that decide it.",
        bodies={
            "text": {
                "summary": "Two claims",
                "value": _text(
                    _INVOICE, claims=["The total is 99.00 EUR.", "The invoice is dated 15 March 2026."]
                ),
            }
        },
    ),
    Operation.TRANSLATE: Offer(
        path="/v1/translate",
        summary="Translate a document",
        description="Translate block by block, each beside what it came from. Needs a language model.",
        bodies={"text": {"summary": "Into German", "value": _text(_LETTER, language="de")}},
    ),
    Operation.FORMS: Offer(
        path="/v1/forms",
        summary="Tell, fill or clear the fields of a form",
        description="Tell the fields of a PDF form, and the places to write on pages without any; fill them, "
        "or clear them, and get the PDF among the artifacts.",
        bodies={
            "fill": {
                "summary": "Fill a field",
                "value": {
                    "source": {"base64": _FORM, "filename": "form.pdf"},
                    "action": "fill",
                    "values": {"name": "Ada Bell"},
                },
            },
            "detect": {"summary": "Find the places to write", "value": _text("Name: ____________")},
        },
    ),
    Operation.PIPELINE: Offer(
        path="/v1/pipeline",
        summary="Do several things with one document",
        description="Run steps as one job over one reading. A step after a split may be `for` the parts of a "
        "topic, or for every part (`*`). `steps` of the result has what came of each step, for each part; "
        "pages and citations are those of the whole document.",
        bodies={
            "packet": {
                "summary": "Split a packet, and fill a schema from each invoice in it",
                "value": _text(
                    _INVOICE + "\f" + _LETTER,
                    steps=[
                        {"operation": "parse"},
                        {
                            "operation": "split",
                            "topics": [
                                {"name": "invoice", "description": "A bill with an amount to be paid"},
                                {"name": "letter", "description": "Correspondence with a salutation"},
                            ],
                        },
                        {"operation": "extract", "for": "invoice", "schema": _SCHEMA},
                    ],
                ),
            },
            "two": {
                "summary": "Fill a schema and ask a question",
                "value": _text(
                    _INVOICE,
                    steps=[
                        {"operation": "extract", "schema": _SCHEMA},
                        {"operation": "ask", "question": "Who is it billed to?"},
                    ],
                ),
            },
        },
        codes=("SCHEMA_INVALID", "TEMPLATE_AND_SCHEMA"),
    ),
}
