"""Read documents in this process with the engine's own entry point: the floor of the jobs.

As a script it reads the documents of a folder and prints how many seconds that took, so that two of
them show what the engine alone does on two cores.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from affidavit.engine.ocr import neural

os.environ.update(neural.ENVIRONMENT)  # before numpy is loaded: one thread each, as in the engine host

import pymupdf

from affidavit.engine import task
from affidavit.engine.spec import Operation, Spec

LINES = 45
WORDS = (
    "bearer",
    "deliver",
    "goods",
    "within",
    "thirty",
    "days",
    "notice",
    "every",
    "invoice",
    "harbour",
    "freight",
)


def document(number: int) -> bytes:
    """Draw one A4 page of about 400 words of text; each number makes other bytes."""
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        page.insert_text((56, 60), f"Delivery note {number:07d}", fontsize=14)
        for line in range(LINES):
            words = [WORDS[(number * 7 + line * 5 + at * 3) % len(WORDS)] for at in range(9)]
            page.insert_text((56, 90 + 16 * line), " ".join(words), fontsize=10)
        return bytes(pdf.tobytes(deflate=True))


def warm_up() -> None:
    """Load what the engine host loads before it forks."""
    task.warm_up()


def read(data: bytes) -> float:
    """Read a document as a child of the engine host does, files included; return the seconds."""
    spec = Spec(operation=Operation.PARSE).model_dump(mode="json")
    request: dict[str, object] = {
        "kind": "read",
        "spec": spec,
        "filename": "a.pdf",
        "pages": None,
        "batch": 8,
        "have": [],
        "finish": True,
    }
    messages: list[Mapping[str, object]] = []
    with _workspace() as folder, (folder / "document").open("w+b") as file:
        file.write(data)
        file.flush()
        started = time.perf_counter()
        task.run(request, file.fileno(), folder, messages.append)
        seconds = time.perf_counter() - started
    assert messages[-1]["type"] == "done", messages[-1]
    return seconds


@contextmanager
def _workspace() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="affidavit-bench-"))
    (folder / "pages").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Warm up, say so, read when told to, and print the seconds that it took."""
    documents = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
    warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    for data in documents:
        read(data)
    print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
