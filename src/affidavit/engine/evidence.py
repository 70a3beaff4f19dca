"""Write what a bundle of evidence holds of a document: its text, its structure, its chunks and what was made.

`chunks.ndjson` has a line for each block in reading order: the stretch of the text that it is, and its words
with their boxes. Words of no block come last on their page, in a line without a stretch. Each line stands
for itself, so that one of them can be shown, and proven, without the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from pydantic_core import to_json

from affidavit.bundle.chunk import MAX_LINE_BYTES
from affidavit.engine.errors import OutputLimitExceeded
from affidavit.engine.output import Output, PlainFile, pieces
from affidavit.engine.pipeline import placed_pages
from affidavit.engine.result import Document, Result, ResultPage, Word
from affidavit.engine.spec import TEXT_BYTES, structure_bytes

IN_OTHER_FILES: Final = frozenset({"markdown", "pages", "tables"})


def write(document: Document, result: Result, output: Output) -> Iterator[PlainFile]:
    """Write the four files; each is yielded once it is complete. Raises OutputLimitExceeded."""
    with output.plain("document.md", TEXT_BYTES) as text:
        text.write(result.markdown.encode())
    yield text
    yield write_extraction(result, output)
    yield from _structure(document, result, output)


def write_extraction(result: Result, output: Output) -> PlainFile:
    """Write `extraction.json`: what was made of the document. Raises OutputLimitExceeded."""
    with output.plain("extraction.json", TEXT_BYTES) as made:
        for piece in pieces(result, without=IN_OTHER_FILES):
            made.write(piece)
    return made


def _structure(document: Document, result: Result, output: Output) -> Iterator[PlainFile]:
    """Write `document.json` and `chunks.ndjson` page by page, so that neither stands in memory."""
    most = structure_bytes(output.limit)
    with ExitStack() as files:
        structure = files.enter_context(output.plain("document.json", most))
        chunks = files.enter_context(output.plain("chunks.ndjson", most))
        head = {"media_type": document.media_type, "page_count": document.page_count}
        structure.write(to_json(head)[:-1] + b',"pages":[')
        for index, page in enumerate(placed_pages(document)):
            structure.write((b"," if index else b"") + to_json(page, inf_nan_mode="null"))
            for line in lines(page, result.markdown):
                chunks.write(line)
        structure.write(b'],"tables":[')
        for index, table in enumerate(result.tables):
            structure.write((b"," if index else b"") + to_json(table, inf_nan_mode="null"))
        structure.write(b"]}")
    yield structure
    yield chunks


def lines(page: ResultPage, markdown: str) -> Iterator[bytes]:
    """Yield the lines of a page with its words; ranges are into `markdown`. Raises OutputLimitExceeded."""
    words: dict[str | None, list[Word]] = {block.id: [] for block in page.blocks}
    loose: list[Word] = []
    for word in page.words or ():
        words.get(word.block, loose).append(word)
    for block in page.blocks:
        start, end = block.range
        known = {"block": block.id, "page": page.number, "range": block.range, "text": markdown[start:end]}
        yield _line(known, words[block.id])
    if loose:
        yield _line({"block": None, "page": page.number, "range": None, "text": None}, loose)


def _line(known: dict[str, object], words: Sequence[Word]) -> bytes:
    spelled = [(word.id, word.text, word.box) for word in words]
    line = to_json({**known, "words": spelled}, inf_nan_mode="null") + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise OutputLimitExceeded(limit=MAX_LINE_BYTES)
    return line
