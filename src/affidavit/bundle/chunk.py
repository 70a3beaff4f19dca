"""The text of a document in chunks, each a line of chunks.ndjson and a leaf of a Merkle tree.

So one value can be proven without showing the rest of the document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from affidavit.bundle import merkle
from affidavit.bundle.canonical import JsonError, JsonTooLarge, load

MAX_LINE_BYTES = 16 << 20
LARGEST = 2**53  # no box comes near; what is beyond may be infinite to a reader
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
            chunk = parse(line, floats_as_spelled=True)
            _compare(chunk, page, markdown)
            for word in chunk.words if not chunk.names.isdisjoint(wanted) else ():
                _keep(word, chunk, wanted, words)
        except ChunkError as wrong:
            raise ChunkError(wrong.code, f"Line {number}: {wrong}") from wrong
        page = chunk.page
        frontier.append(merkle.leaf_hash(line))
    return Chunks(frontier.size, frontier.root().hex(), words)


def parse(line: bytes, *, floats_as_spelled: bool = False) -> Chunk:
    """Return the chunk of a line. Raise `ChunkError` unless it has exactly the members of one.

    See `canonical.load` for `floats_as_spelled`.
    """
    try:
        value = load(line, floats_as_spelled=floats_as_spelled)
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
    """Return the ids of words, which are checked in the same pass: there are hundreds of thousands."""
    if not isinstance(words, list):
        raise ChunkError("CHUNK_INVALID", "It has no list of words.")
    is_number = {int, float, bytes}.__contains__
    try:
        names = {
            name
            for name, text, (x0, y0, x1, y1) in words
            if type(name) is type(text) is str
            and is_number(type(x0))
            and is_number(type(y0))
            and is_number(type(x1))
            and is_number(type(y1))
        }
        # A float that is left as spelled unpacks too, into its characters.
        are_boxes = set(map(type, map(itemgetter(2), words))) <= {list}
    except (TypeError, ValueError):  # what cannot be unpacked
        names, are_boxes = set(), False
    if len(names) != len(words) or not are_boxes:
        raise ChunkError("CHUNK_INVALID", "It has a word twice, or one that is not an id, a text and a box.")
    return names


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
        words[name] = PlacedWord(text, [_side(side) for side in box], chunk.page, chunk.range)


def _side(spelled: float | bytes) -> float:
    side = float(spelled) if isinstance(spelled, bytes) or abs(spelled) < LARGEST else LARGEST
    if not -LARGEST < side < LARGEST:
        raise ChunkError("CHUNK_INVALID", "It has a word with a box beyond all pages.")
    return side
