"""Check the text of a bundle: its chunks against the document, and what is cited against the chunks."""

from __future__ import annotations

from typing import Any

from affidavit.bundle import chunk, citations
from affidavit.bundle.canonical import JsonError, JsonTooLarge, load
from affidavit.bundle.chunk import ChunkError, Chunks
from affidavit.bundle.citations import Citation, CitationError
from affidavit.bundle.manifest import Manifest
from affidavit.bundle.opened import Opened, TooLarge
from affidavit.bundle.report import PLACED_BY_HAND, Report

MAX_TEXT_BYTES = 64 << 20  # of what is unpacked in memory
MAX_COMPARED = 64 << 20  # characters: a few seconds. 100,000 honest citations take a tenth

DOCUMENT = "document.md"
CHUNKS = "chunks.ndjson"
EXTRACTION = "extraction.json"
REVIEWED = "reviewed.json"


def check_text(opened: Opened) -> None:
    """Check chunks and citations, given that their files are the ones that were sealed."""
    report, manifest = opened.report, opened.manifest
    if manifest is None or not opened.bound >= {DOCUMENT, CHUNKS, EXTRACTION}:
        for name in ("chunks", "citation"):
            report.not_checked(name, "ARTIFACT_WRONG", "What it is made of is not what was sealed.")
        return
    cited = _citations(opened)
    wanted = {word for citation in cited for word in citation.words}
    try:
        markdown = opened.read(DOCUMENT, MAX_TEXT_BYTES).decode()
        chunks = chunk.gather(opened.stream(CHUNKS), markdown, wanted)
    except (TooLarge, ChunkError, UnicodeDecodeError) as wrong:
        _refuse_chunks(report, wrong)
        report.not_checked("citation", "CHUNKS_WRONG", "There are no chunks to compare with.")
        return
    _check_chunks(report, chunks, manifest)
    compared = 0
    for citation in cited:
        compared += citation.length(chunks.words, markdown)
        if compared > MAX_COMPARED:
            detail = f"Citations are compared with up to {MAX_COMPARED:,} characters in all."
            report.not_checked("citation", "TOO_LARGE", detail, entry=citation.id)
            break
        _check_citation(report, citation, chunks, markdown)


def read_citations(extraction: bytes, reviewed: bytes | None = None) -> list[Citation]:
    """Return what is cited in extraction.json, then in reviewed.json. Raises `JsonError`."""
    return _extracted(extraction) + ([] if reviewed is None else _reviewed(reviewed))


def _extracted(data: bytes) -> list[Citation]:
    return list(citations.find(_object(load(data))))


def _reviewed(data: bytes) -> list[Citation]:
    changed = _object(load(data)).get("extraction", "")
    return [] if changed is None else list(citations.find(_object(changed), "r"))


def _citations(opened: Opened) -> list[Citation]:
    found: list[Citation] = []
    for name, read in ((EXTRACTION, _extracted), (REVIEWED, _reviewed)):
        try:
            found += read(opened.read(name, MAX_TEXT_BYTES)) if name in opened.bound else []
        except (TooLarge, JsonTooLarge) as large:
            opened.report.not_checked("citation", "TOO_LARGE", str(large), entry=name)
        except JsonError as wrong:
            opened.report.failed("citation", "EXTRACTION_INVALID", str(wrong), entry=name)
    if not found and not opened.report.has("citation"):
        opened.report.passed("citation", "nothing is cited")
    return found


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JsonError("It is not an object, or has not the members that it must have.")
    return value


def _refuse_chunks(report: Report, wrong: Exception) -> None:
    match wrong:
        case TooLarge() | ChunkError(code="TOO_LARGE"):
            report.not_checked("chunks", "TOO_LARGE", str(wrong))
        case ChunkError():
            report.failed("chunks", wrong.code, str(wrong), entry=CHUNKS)
        case _:
            report.failed("chunks", "DOCUMENT_INVALID", "It is not UTF-8.", entry=DOCUMENT)


def _check_chunks(report: Report, found: Chunks, manifest: Manifest) -> None:
    says = manifest.value["chunks"]
    if found.count != says["count"]:
        detail = f"There are {found.count:,} chunks; the manifest says {says['count']:,}."
        report.failed("chunks", "CHUNK_COUNT_WRONG", detail, entry=CHUNKS)
    elif found.root != says["root"]:
        report.failed("chunks", "MERKLE_ROOT_WRONG", "They have another Merkle root.", entry=CHUNKS)
    else:
        report.passed("chunks", f"{found.count:,} chunks, root {found.root}", entry=CHUNKS)


def _check_citation(report: Report, citation: Citation, chunks: Chunks, markdown: str) -> None:
    try:
        has_words = citations.check(citation, chunks.words, markdown)
    except CitationError as wrong:
        report.failed("citation", wrong.code, f"{wrong} {citation.pointer}", entry=citation.id)
        return
    if has_words:
        report.passed("citation", citation.pointer, entry=citation.id)
    else:
        detail = f"It cites no words: a person pointed at the place. {citation.pointer}"
        report.not_checked("citation", PLACED_BY_HAND, detail, entry=citation.id)
