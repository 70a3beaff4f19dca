"""Typeset small documents for bundles: blocks of words on pages, as reading would find them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LETTER, LINE, MARGIN = 6.5, 14.25, 56.5  # page units
SIZE = (595.5, 842.0)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Word:
    id: str
    text: str
    box: Box
    block: str | None
    range: tuple[int, int] | None


@dataclass(frozen=True)
class Block:
    id: str
    page: int
    range: tuple[int, int]
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Paper:
    """`stamps` are words of a page that stand in no block, by page."""

    markdown: str
    pages: int
    blocks: tuple[Block, ...]
    stamps: dict[int, tuple[Word, ...]]

    def words(self, page: int) -> list[Word]:
        found = [word for block in self.blocks if block.page == page for word in block.words]
        return found + list(self.stamps.get(page, ()))

    def chunks(self) -> Iterator[dict[str, Any]]:
        for page in range(1, self.pages + 1):
            for block in self.blocks:
                if block.page == page:
                    start, end = block.range
                    text = self.markdown[start:end]
                    yield _chunk(block.id, page, [start, end], text, block.words)
            if page in self.stamps:
                yield _chunk(None, page, None, None, self.stamps[page])

    def chunk_lines(self) -> bytes:
        return b"".join(compact(chunk) + b"\n" for chunk in self.chunks())

    def document(self, media_type: str) -> dict[str, Any]:
        return {
            "media_type": media_type,
            "page_count": self.pages,
            "pages": [self._page(number) for number in range(1, self.pages + 1)],
            "tables": [],
        }

    def _page(self, number: int) -> dict[str, Any]:
        blocks = [block for block in self.blocks if block.page == number]
        return {
            "number": number,
            "width": SIZE[0],
            "height": SIZE[1],
            "rotation": 0,
            "source": "native",
            "range": [blocks[0].range[0], blocks[-1].range[1]] if blocks else [0, 0],
            "blocks": [
                {"id": block.id, "type": "paragraph", "box": union(block.words), "range": list(block.range)}
                for block in blocks
            ],
            "words": [
                {"id": word.id, "text": word.text, "box": list(word.box), "block": word.block}
                for word in self.words(number)
            ],
        }

    def cite(self, page: int, quote: str) -> dict[str, Any]:
        """Cite the first run of words of a page that reads like `quote`."""
        wanted = quote.split()
        words = self.words(page)
        for first in range(len(words) - len(wanted) + 1):
            run = words[first : first + len(wanted)]
            if [word.text for word in run] == wanted:
                return _citation(page, run, quote)
        raise LookupError(quote)


def _chunk(
    block: str | None, page: int, place: list[int] | None, text: str | None, words: Sequence[Word]
) -> dict[str, Any]:
    listed = [[word.id, word.text, list(word.box)] for word in words]
    return {"block": block, "page": page, "range": place, "text": text, "words": listed}


def _citation(page: int, run: Sequence[Word], quote: str) -> dict[str, Any]:
    first, last = run[0].range, run[-1].range
    return {
        "page": page,
        "box": union(run),
        "words": [word.id for word in run],
        "range": [first[0], last[1]] if first and last else None,
        "quote": quote,
        "match": "exact",
    }


def union(words: Sequence[Word]) -> list[float]:
    boxes = [word.box for word in words]
    return [
        *(min(box[side] for box in boxes) for side in (0, 1)),
        *(max(box[side] for box in boxes) for side in (2, 3)),
    ]


def typeset(pages: Sequence[Sequence[str]], stamps: dict[int, str] | None = None) -> Paper:
    """Set each text as one block of one line; `stamps` are texts outside of all blocks, by page."""
    markdown, blocks, outside = "", [], {}
    for number, texts in enumerate(pages, 1):
        count = 0
        for at, text in enumerate(texts):
            start = len(markdown)
            words = tuple(_set(text, number, count, at, f"p{number}.b{at}", start))
            blocks.append(Block(f"p{number}.b{at}", number, (start, start + len(text)), words))
            markdown += text + "\n\n"
            count += len(words)
        if number in (stamps or {}):
            outside[number] = tuple(_set(stamps[number], number, count, len(texts), None, None))
    return Paper(markdown, len(pages), tuple(blocks), outside)


def _set(text: str, page: int, first: int, line: int, block: str | None, start: int | None) -> Iterator[Word]:
    column = 0
    for n, part in enumerate(text.split(" "), first):
        left, top = MARGIN + column * LETTER, MARGIN + line * LINE
        box = (left, top, left + len(part) * LETTER, top + LINE)
        place = None if start is None else (start + column, start + column + len(part))
        yield Word(f"p{page}.w{n}", part, box, block, place)
        column += len(part) + 1


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
