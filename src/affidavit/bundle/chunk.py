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
LARGEST = 2**53  # no box comes near; what is beyond may be infinite to a reader
_NUMBER = {int, float}
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
    words: list[list[Any]]  # [id, text, [x0, y0, x1, y1]]
    names: set[str]  # the ids of the words


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word that is cited, and where it stands; `range` is the one of its chunk."""

    text: str
    box: list[float]
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
    page = 1
    for number, line in enumerate(lines(blocks), 1):
        try:
            chunk = parse(line)
            _compare(chunk, page, markdown)
            for word in chunk.words if not chunk.names.isdisjoint(wanted) else ():
                _keep(word, chunk, wanted, words)
        except ChunkError as wrong:
            raise ChunkError(wrong.code, f"Line {number}: {wrong}") from wrong
        page = chunk.page
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
    block, page, text = value["block"], value["page"], value["text"]
    if type(page) is not int or type(block) is not type(text) or not isinstance(block, str | None):
        raise ChunkError("CHUNK_INVALID", "Its members are not those of a chunk.")
    return Chunk(block, page, _range(value["range"], block), text, value["words"], _names(value["words"]))


def _range(value: object, block: str | None) -> Range | None:
    match value:
        case None if block is None:
            return None
        case [start, end] if block is not None and type(start) is type(end) is int:
            return start, end
    raise ChunkError("CHUNK_INVALID", "Its range is not one.")


def _names(words: object) -> set[str]:
    if not isinstance(words, list) or not _are_words(words):
        raise ChunkError("CHUNK_INVALID", "Its words are not each an id, a text and a box.")
    if len(names := {word[0] for word in words}) != len(words):
        raise ChunkError("CHUNK_INVALID", "It has a word twice.")
    return names


def _are_words(words: list[Any]) -> bool:
    """Tell whether all are words, in one pass that unpacks them: there are hundreds of thousands."""
    try:
        return all(
            type(name) is type(text) is str
            and {type(x0), type(y0), type(x1), type(y1)} <= _NUMBER
            and -LARGEST < x0 < LARGEST > x1 > -LARGEST < y0 < LARGEST > y1 > -LARGEST
            for name, text, (x0, y0, x1, y1) in words
        )
    except (TypeError, ValueError):
        return False


def _compare(chunk: Chunk, page: int, markdown: str) -> None:
    if chunk.page < page:
        raise ChunkError("CHUNK_INVALID", "Its page comes before the one of the line above, or before 1.")
    if chunk.range is None:
        return
    start, end = chunk.range
    if not 0 <= start <= end <= len(markdown) or markdown[start:end] != chunk.text:
        raise ChunkError("CHUNK_TEXT_WRONG", "Its text is not the one of its range in document.md.")


def _keep(word: list[Any], chunk: Chunk, wanted: Collection[str], words: dict[str, PlacedWord]) -> None:
    name, text, box = word
    if name in words:
        raise ChunkError("CHUNK_INVALID", f"The word {name} stands in two chunks.")
    if name in wanted:
        words[name] = PlacedWord(text, box, chunk.page, chunk.range)
