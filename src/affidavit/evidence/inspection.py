"""The entry point of a walled child that looks into a bundle: all that an earlier child wrote is parsed here.

What it finds it tells in messages (checks), or writes as the JSON of an answer, which is sent as it is.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cryptography.x509 import load_pem_x509_certificates

from affidavit.bundle import chunk, citations, keys, merkle
from affidavit.bundle.canonical import JsonError, load
from affidavit.bundle.chunk import ChunkError
from affidavit.bundle.citations import Citation, CitationError
from affidavit.bundle.report import PLACED_BY_HAND, Check, Status
from affidavit.bundle.text import CHUNKS, DOCUMENT, EXTRACTION, REVIEWED, read_citations
from affidavit.bundle.verify import verify
from affidavit.evidence.difference import compare

Emit = Callable[[Mapping[str, object]], None]
Json = dict[str, Any]

ANSWER: Final = "answer.json"
DETAIL_LENGTH: Final = 500  # characters of what a check says
ENTRY_LENGTH: Final = 300
BEFORE: Final = "before-"  # begins the names of the files of the bundle to compare with
_BLOCK: Final = 1 << 20


class Task(StrEnum):
    """What to look for."""

    VERIFY = "verify"
    CITATIONS = "citations"
    CITATION = "citation"
    DIFF = "diff"


class Refused(Exception):
    """The task cannot be done; `code` is NOT_FOUND or CONTENT_INVALID."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def run(request: Mapping[str, Any], document: int | None, workspace: Path, emit: Emit) -> None:
    """Do the `task` of a request; the other members are what each task needs."""
    gc.disable()  # values that were unpacked have no cycles, and the process ends with its task
    try:
        match Task(request["task"]):
            case Task.VERIFY:
                assert document is not None
                _verify(request, document, emit)
            case Task.CITATIONS:
                _write(workspace, _listed(request, workspace), emit)
            case Task.CITATION:
                _write(workspace, _proven(request, workspace), emit)
            case Task.DIFF:
                _write(workspace, _compared(request, workspace), emit)
    except Refused as refused:
        emit(_refusal(refused.code, str(refused)))
    except (JsonError, ChunkError, UnicodeDecodeError) as wrong:
        emit(_refusal("CONTENT_INVALID", str(wrong)[:DETAIL_LENGTH]))
    except RecursionError:
        emit(_refusal("CONTENT_INVALID", "It is nested too deeply."))
    else:
        emit({"type": "done"})


def _verify(request: Mapping[str, Any], document: int, emit: Emit) -> None:
    """Verify the container; `keys` is the JSON of /v1/keys/signing, `authorities` PEM or empty."""
    trusted = request["authorities"].encode()
    authorities = load_pem_x509_certificates(trusted) if trusted else ()
    with os.fdopen(document, "rb") as file:
        report = verify(file, keys.parse(request["keys"].encode()), authorities)
    for each in report.checks:
        emit({"type": "check", **_spelled(each)})
    emit({"type": "not_proven", "lines": list(report.not_proven)})


def _listed(request: Mapping[str, Any], workspace: Path) -> Json:
    """Return `limit` citations after the one called `after`, as they stand in the extraction."""
    found = _citations(workspace)
    start = 0
    if request["after"] is not None:
        places = [n for n, each in enumerate(found) if each.id == request["after"]]
        start = places[0] + 1 if places else len(found)
    shown = found[start : start + request["limit"]]
    is_more = start + len(shown) < len(found)
    return {
        **request["bundle"],
        "total": len(found),
        "items": [_cited(each) for each in shown],
        "next_after": shown[-1].id if is_more else None,
    }


def _proven(request: Mapping[str, Any], workspace: Path) -> Json:
    """Return one citation with what became of its check, and the proof that its chunks were sealed."""
    wanted = next((each for each in _citations(workspace) if each.id == request["citation"]), None)
    if wanted is None:
        raise Refused("NOT_FOUND", "There is no such citation.")
    markdown = (workspace / DOCUMENT).read_bytes().decode()
    gathered = chunk.gather(_blocks(workspace / CHUNKS), markdown, set(wanted.words))
    leaves, holding = _leaves(workspace, set(wanted.words))
    expected = request["chunks"]
    return {
        **request["bundle"],
        "citation": _cited(wanted),
        "checks": [
            _spelled(_quote_check(wanted, gathered, markdown)),
            _spelled(_tree_check(gathered, expected)),
        ],
        "words": [
            {"id": name, "text": word.text, "page": word.page, "box": list(word.box)}
            for name in wanted.words
            if (word := gathered.words.get(name)) is not None
        ],
        "chunks": [_chunk_proof(n, line, leaves) for n, line in holding],
        "tree": {"algorithm": "rfc6962-sha256", "size": gathered.count, "root": gathered.root},
    }


def _compared(request: Mapping[str, Any], workspace: Path) -> Json:
    before, after = _effective(workspace, BEFORE), _effective(workspace, "")
    return {**request["bundle"], **compare(before, after)}


def _citations(workspace: Path) -> list[Citation]:
    reviewed = workspace / REVIEWED
    return read_citations(
        (workspace / EXTRACTION).read_bytes(), reviewed.read_bytes() if reviewed.exists() else None
    )


def _effective(workspace: Path, prefix: str) -> Json:
    """Return what stands: what a person made of the extraction, or what the machine did."""
    path = workspace / f"{prefix}{REVIEWED}"
    reviewed = _object(path).get("extraction") if path.exists() else None
    return reviewed if isinstance(reviewed, dict) else _object(workspace / f"{prefix}{EXTRACTION}")


def _leaves(workspace: Path, words: set[str]) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """Return the hashes of all chunks, and those chunks that hold one of the words, by their places."""
    leaves: list[bytes] = []
    holding: list[tuple[int, bytes]] = []
    for n, line in enumerate(chunk.lines(_blocks(workspace / CHUNKS))):
        leaves.append(merkle.leaf_hash(line))
        if any(word[0] in words for word in chunk.parse(line).words):
            holding.append((n, line))
    return leaves, holding


def _chunk_proof(n: int, line: bytes, leaves: list[bytes]) -> Json:
    return {
        "index": n,
        "line": line.decode(),
        "leaf_hash": leaves[n].hex(),
        "proof": [each.hex() for each in merkle.inclusion_proof(leaves, n)],
    }


def _quote_check(wanted: Citation, gathered: chunk.Chunks, markdown: str) -> Check:
    try:
        has_words = citations.check(wanted, gathered.words, markdown)
    except CitationError as wrong:
        return Check("citation", Status.FAILED, wrong.code, str(wrong), wanted.id)
    if not has_words:
        detail = "It cites no words: a person pointed at the place."
        return Check("citation", Status.NOT_CHECKED, PLACED_BY_HAND, detail, wanted.id)
    return Check("citation", Status.PASSED, None, wanted.pointer, wanted.id)


def _tree_check(gathered: chunk.Chunks, expected: Mapping[str, Any]) -> Check:
    if (gathered.count, gathered.root) != (expected["count"], expected["root"]):
        detail = "The chunks make another tree than the one that was signed."
        return Check("chunks", Status.FAILED, "MERKLE_ROOT_WRONG", detail, CHUNKS)
    return Check("chunks", Status.PASSED, None, f"{gathered.count:,} chunks", CHUNKS)


def _cited(citation: Citation) -> Json:
    return {
        "id": citation.id,
        "artifact": REVIEWED if citation.id.startswith("r") else EXTRACTION,
        "pointer": citation.pointer,
        "field": _field(citation.pointer),
        **citation.value,
    }


def _field(pointer: str) -> str | None:
    """Return the path of the field whose citation stands there."""
    match pointer.split("/"):
        case ["", "fields", path, *_]:
            return path.replace("~1", "/").replace("~0", "~")
    return None


def _spelled(check: Check) -> Json:
    return {
        "name": check.name,
        "status": check.status.value,
        "code": check.code,
        "entry": None if check.entry is None else check.entry[:ENTRY_LENGTH],
        "detail": check.detail[:DETAIL_LENGTH],
    }


def _object(path: Path) -> Json:
    found = load(path.read_bytes())
    if not isinstance(found, dict):
        raise JsonError(f"There is no object in {path.name}.")
    return found


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _write(workspace: Path, answer: Json, emit: Emit) -> None:
    try:
        content = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as infinite:  # 1e999 is JSON, and no number that can be told again
        raise Refused("CONTENT_INVALID", "It holds a number beyond all bounds.") from infinite
    (workspace / ANSWER).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    emit({"type": "answer", "file": ANSWER, "size": len(content), "sha256": digest})


def _refusal(code: str, message: str) -> dict[str, object]:
    return {
        "type": "error",
        "code": code,
        "category": "input",
        "message": message,
        "page": None,
        "retryable": False,
    }
