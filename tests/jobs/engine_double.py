"""An engine that does what the document says: reads pages of no content, fails, lies or hangs.

The document is JSON: `{"pages": count, "fail": [...], "skip": [...], "stray": n, "hang": n, "slow": s}`,
each but the first optional. With MENDED in the environment no page fails. `stray` is told of though nobody
asked, the child hangs before page `hang`, and takes `slow` seconds for each. With `images` each page has one.
`evidence` gives the text of files of a bundle, null for one that is not written; one that begins with `<` or
`>` is told of as longer or shorter.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

END = {"complete": True, "engine": {"version": "1"}}
EVIDENCE = {
    "document.md": "whole",
    "document.json": '{"media_type":"application/pdf","page_count":1,"pages":[],"tables":[]}',
    "chunks.ndjson": '{"block":"p1.b0","page":1,"range":[0,5],"text":"whole","words":[]}\n',
    "extraction.json": "{}",
}


def run(request, document, workspace, emit):
    if request["kind"] == "finish":
        finish(request, workspace, emit)
    else:
        with os.fdopen(document, "rb") as file:
            emit(read(json.load(file), request, workspace, emit) or {"type": "done"})


def finish(request, workspace, emit):
    seal(request, workspace, emit)
    pages = [(workspace / "pages" / f"page-{n:04d}.json.zst").read_text() for n in request["pages"]]
    emit({"type": "result", **written(workspace, "result.json.zst", " ".join(pages)), **END})
    emit({"type": "done"})


def read(script, request, workspace, emit):
    batch = request["pages"]
    if batch is None:
        emit(
            {
                "type": "opened",
                "media_type": "application/pdf",
                "page_count": script["pages"],
                "selected": f"1-{script['pages']}",
            }
        )
        batch = range(1, min(request["batch"], script["pages"]) + 1)
    for number in [*batch, *script.get("stray", [])]:
        time.sleep(script.get("slow", 0))
        if number == script.get("hang"):
            time.sleep(600)
        if number in request["have"] or number in script.get("skip", []):
            continue
        if number in failing(script):
            emit({"type": "page_failed", "number": number, "code": "PAGE_FAILED", "message": "It failed."})
            continue
        file = written(workspace, f"page-{number:04d}.json.zst", f"page {number}")
        image = drawn(workspace, number) if script.get("images") else None
        emit({"type": "page", "number": number, **file, "source": "native", "image": image})
    if request["pages"] is None and script["pages"] <= request["batch"]:
        if failing(script):
            return refusal(failing(script))
        seal(request, workspace, emit, script.get("evidence", {}))
        emit({"type": "result", **written(workspace, "result.json.zst", "whole"), **END})
    return None


def drawn(workspace, number):
    return {**written(workspace, f"page-{number:04d}.webp", f"image {number}"), "width": 9, "height": 9}


def seal(request, workspace, emit, other=None):
    files = EVIDENCE | (other or {}) if request["seal"] or other else {}
    for name, text in files.items():
        if text is None:
            continue
        size = written(workspace, name, text.removeprefix("<").removeprefix(">"))["size"]
        emit({"type": "evidence", "file": name, "size": size + text.startswith("<") - text.startswith(">")})


def failing(script):
    return [] if os.environ.get("MENDED") else script.get("fail", [])


def refusal(pages):
    return {
        "type": "error",
        "code": "PAGES_FAILED",
        "category": "engine",
        "message": "Pages failed.",
        "page": pages[0],
        "retryable": True,
    }


def written(workspace, name, text):
    (workspace / name).write_text(text)
    content = text.encode()
    return {"file": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
