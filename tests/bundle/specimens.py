"""The drafts of bundles that are valid: one of each kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.bundle.making import (
    ENGINE,
    Artifact,
    Draft,
    draft,
    logged,
    private_key,
    sha256,
)
from tests.bundle.paper import Paper, typeset

INVOICE = typeset([["Invoice 4711", "Seller: Ink & Quill Ltd", "Total: 119.00 EUR"]], {1: "COPY No 7"})


def fields(paper: Paper, **quotes: tuple[int, str]) -> dict[str, Any]:
    """Return an extraction whose fields each quote a page."""
    return {
        "operation": "extract",
        "data": {name: quote for name, (_, quote) in quotes.items()},
        "fields": {
            name: {"value": quote, "confidence": 97, "citations": [paper.cite(page, quote)]}
            for name, (page, quote) in quotes.items()
        },
        "engine": ENGINE,
    }


EXTRACTION = fields(INVOICE, seller=(1, "Ink & Quill Ltd"), total=(1, "119.00 EUR"), copy=(1, "No 7"))


def plain() -> Draft:
    return draft(INVOICE, EXTRACTION, images=1)


def with_log_proof() -> Draft:
    return logged(draft(INVOICE, EXTRACTION, name="logged", images=1))


def alone_in_the_log() -> Draft:
    """Return the first bundle of an installation: its proof has no hashes."""
    return logged(draft(INVOICE, EXTRACTION, name="first"), n=0, size=1)


def many_pages() -> Draft:
    paper = typeset([[f"Page {n} of the ledger", f"Carried forward {n * 17}.00"] for n in range(1, 41)])
    extraction = fields(paper, first=(1, "17.00"), last=(40, "680.00"), middle=(23, "Carried forward 391.00"))
    made = draft(paper, extraction, name="pages", images=40)
    dropped = tuple(a for a in made.artifacts if a.name != "pages/0007.webp")
    pages = {"total": 40, "included": "1-6,8-40", "failed": [], "without_image": "7"}
    return replace(made, artifacts=dropped).saying(pages=pages)


def non_ascii() -> Draft:
    texts = ["Квитанция № 42", "Café Müller · naïve", "合計 壱弐000 円", "שלום עולם", "👩‍👩‍👧 🧾 paid"]
    paper = typeset([texts])
    extraction = fields(paper, sum=(1, "壱弐000 円"), cafe=(1, "Café Müller"), who=(1, "👩‍👩‍👧 🧾"))
    source = Artifact("source/source.txt", "text/plain", "\ufeff".encode() + paper.markdown.encode())
    made = draft(paper, extraction, name="non_ascii", source=source)
    named = {**made.manifest["source"], "name": "Квитанция 🧾 \u202egnp.txt"}
    return made.saying(source=named, options={"note": "ключ\u0001\ue000\U0001f9fe"})


def nothing_read() -> Draft:
    """Return the bundle of a blank page: no text, no chunks, no fields."""
    source = Artifact("source/blank.pdf", "application/pdf", b"%PDF-1.7\n% blank\n")
    return draft(typeset([[]]), {"operation": "parse", "engine": ENGINE}, name="blank", source=source)


def with_files() -> Draft:
    files = [Artifact("files/filled.pdf", "application/pdf", b"%PDF-1.7\n% filled in\n")]
    return draft(INVOICE, EXTRACTION, name="files", files=files, operation="forms")


def placed_by_hand() -> dict[str, Any]:
    box = [56.5, 300.0, 120.0, 320.0]
    return {"page": 1, "box": box, "words": [], "range": None, "quote": "119.00", "match": "exact"}


def reviewed() -> Draft:
    parent = plain()
    corrected = fields(INVOICE, seller=(1, "Ink & Quill"), total=(1, "119.00"))
    corrected["fields"]["copy"] = {"value": "7", "confidence": 100, "citations": [placed_by_hand()]}
    decision = {
        "decision": "approved",
        "reviewer": "Renée",
        "key_id": "key_vector",
        "decided_at": "2026-01-03T00:00:00.000000Z",
        "actions": [{"path": "total", "action": "accept"}],
        "extraction": corrected,
    }
    made = draft(INVOICE, EXTRACTION, name="reviewed", images=1, reviewed=decision)
    return made.saying(parent=parent_of(parent, "review"), job_id=parent.manifest["job_id"])


def rejected() -> Draft:
    decision = {
        "decision": "rejected",
        "reviewer": "Renée",
        "key_id": "key_vector",
        "decided_at": "2026-01-03T00:00:00.000000Z",
        "actions": [],
        "extraction": None,
    }
    made = draft(INVOICE, EXTRACTION, name="rejected", reviewed=decision)
    return made.saying(parent=parent_of(plain(), "review"), job_id=plain().manifest["job_id"])


def rerun() -> Draft:
    return draft(INVOICE, EXTRACTION, name="rerun", attempt=2, parent=parent_of(plain(), "rerun"))


def signed_by_the_next_key() -> Draft:
    return replace(draft(INVOICE, EXTRACTION, name="next_key"), signer=private_key("vectors, the next"))


def parent_of(parent: Draft, relation: str) -> dict[str, str]:
    return {
        "bundle_id": parent.manifest["bundle_id"],
        "manifest_sha256": sha256(parent.manifest_bytes()),
        "relation": relation,
    }
