"""The text of a document in chunks, each a line of chunks.ndjson and a leaf of a Merkle tree.

So one value can be proven without showing the rest of the document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from affidavit.bundle import merkle
from affidavit.bundle.canonical import JsonError, JsonTooLarge, load

MAX_LINE_BYTES = 16 << 20
_MEMBERS = {"block", "page", "range", "text", "words"}

Range = tuple[int, int]  # code points of document.md, end exclusive


class ChunkError(ValueError):
    """A chunk is not what the format says; `code` is CHUNK_INVALID, CHUNK_TEXT_WRONG or TOO_LARGE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block of a page, or the words of a page that stand in no block: then it has no id and no range."""

    block: str | None
    page: int
    range: Range | None
    text: str | None
    words: list[Any]  # [id, text, [x0, y0, x1, y1]] each, looked at only when one is cited


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word that is cited, and where it stands; `range` is the one of its chunk."""

    text: str
    box: tuple[float, float, float, float]
    page: int
    range: Range | None


@dataclass(frozen=True, slots=True)
class Chunks:
    """What was gathered from all chunks: how many, the root over them, and the words that were asked for."""

    count: int
    root: str
    words: dict[str, PlacedWord]


def lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of some bytes without their newline, which each must have."""
    rest = b""
    for block in blocks:
        *complete, rest = (rest + block).split(b"\n")
        yield from complete
        if len(rest) > MAX_LINE_BYTES:
            raise ChunkError("TOO_LARGE", f"A line has more than {MAX_LINE_BYTES:,} bytes.")
    if rest:
        raise ChunkError("CHUNK_INVALID", "The last line does not end.")


def gather(blocks: Iterable[bytes], markdown: str, wanted: Collection[str]) -> Chunks:
    """Read all chunks, hold each against the Markdown of the document, and keep the words that are wanted."""
    frontier = merkle.Frontier()
    words: dict[str, PlacedWord] = {}
    for number, line in enumerate(lines(blocks), 1):
        try:
            chunk = parse(line)
            _compare(chunk, markdown)
            _keep(chunk, wanted, words)
        except ChunkError as wrong:
            raise ChunkError(wrong.code, f"Line {number}: {wrong}") from wrong
        frontier.append(merkle.leaf_hash(line))
    return Chunks(frontier.size, frontier.root().hex(), words)


def parse(line: bytes) -> Chunk:
    """Return the chunk of a line. Raise `ChunkError` unless it has exactly the members of one."""
    try:
        value = load(line)
    except JsonTooLarge as large:
        raise ChunkError("TOO_LARGE", str(large)) from large
    except JsonError as wrong:
        raise ChunkError("CHUNK_INVALID", str(wrong)) from wrong
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        raise ChunkError("CHUNK_INVALID", "It has not the members of a chunk.")
    match value["block"], value["page"], value["range"], value["text"], value["words"]:
        case str() as block, int() as page, [int() as start, int() as end], str() as text, list() as words:
            return Chunk(block, page, (start, end), text, words)
        case None, int() as page, None, None, list() as words:
            return Chunk(None, page, None, None, words)
    raise ChunkError("CHUNK_INVALID", "Its members are not those of a chunk.")


def _compare(chunk: Chunk, markdown: str) -> None:
    if chunk.range is None:
        return
    start, end = chunk.range
    if not 0 <= start <= end <= len(markdown) or markdown[start:end] != chunk.text:
        raise ChunkError("CHUNK_TEXT_WRONG", "Its text is not the one of its range in document.md.")


def _keep(chunk: Chunk, wanted: Collection[str], words: dict[str, PlacedWord]) -> None:
    for word in chunk.words:
        match word:
            case [str() as name, str() as text, [x0, y0, x1, y1]]:
                if name in wanted:
                    if name in words:
                        raise ChunkError("CHUNK_INVALID", f"The word {name} stands in two places.")
                    box = _number(x0), _number(y0), _number(x1), _number(y1)
                    words[name] = PlacedWord(text, box, chunk.page, chunk.range)
            case _:
                raise ChunkError("CHUNK_INVALID", "It has a word that is not an id, a text and a box.")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 2**53:
        raise ChunkError("CHUNK_INVALID", "It has a box that is not made of numbers.")
    return float(value)
