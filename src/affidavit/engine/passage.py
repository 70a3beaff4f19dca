"""Give a document to a model: its blocks as passages with ids, in chunks that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from affidavit.engine.model import token_count
from affidavit.engine.result import BlockType, Document, Page

OVERLAP = 0.1  # of a chunk, said again in the next: a value and its label may stand on both sides of a cut
HEAD_LINES = 2  # of a Markdown table: its header and the rule under it
LONGEST_LINE = 4_000  # characters; a longer one is cut, wherever that is


@dataclass(frozen=True, slots=True)
class Passage:
    """A block of the document, or a part of one. Parts have the id of their block."""

    id: str
    page: int
    text: str
    is_table: bool = False

    @property
    def spelled(self) -> str:
        """The passage as a model is shown it."""
        return f"[{self.id}] {self.text}"


def passages_of(document: Document) -> tuple[Passage, ...]:
    """Return the text of each block in reading order, without those that hold none that can be seen."""
    return tuple(passage for page in document.pages for passage in _of_page(page))


def spell(passages: Sequence[Passage]) -> str:
    """Return passages as the text of one request."""
    return "\n".join(passage.spelled for passage in passages)


def chunks_of(passages: Sequence[Passage], tokens: int) -> list[tuple[Passage, ...]]:
    """Cut into runs of at most `tokens` each; the end of one is said again at the start of the next."""
    chunks: list[tuple[Passage, ...]] = []
    current: list[Passage] = []
    spent = 0
    for part in _parts(passages, tokens):
        cost = token_count(part.spelled) + 1
        if current and spent + cost > tokens:
            chunks.append(tuple(current))
            current = _tail(current, min(tokens * OVERLAP, tokens - cost))
            spent = sum(token_count(each.spelled) + 1 for each in current)
        current.append(part)
        spent += cost
    return [*chunks, tuple(current)] if current else chunks


def _of_page(page: Page) -> Iterator[Passage]:
    unseen = _unseen_blocks(page)
    for block in page.blocks:
        if block.id in unseen:
            continue
        start, end = block.range
        text = page.markdown[start:end].strip()
        if text:
            yield Passage(block.id, page.number, text, block.type is BlockType.TABLE)


def _unseen_blocks(page: Page) -> set[str | None]:
    """Return the blocks of which no word is to be seen on the page."""
    if not page.hidden:
        return set()
    hidden = frozenset(page.hidden)
    seen = {word.block for word in page.words if word.id not in hidden}
    return {word.block for word in page.words} - seen


def _tail(passages: Sequence[Passage], tokens: float) -> list[Passage]:
    """Return the last passages that take no more than `tokens` together."""
    kept: list[Passage] = []
    for passage in reversed(passages):
        tokens -= token_count(passage.spelled) + 1
        if tokens < 0:
            break
        kept.insert(0, passage)
    return kept


def _parts(passages: Sequence[Passage], tokens: int) -> Iterator[Passage]:
    """Yield the passages; those too large for one chunk at their line ends, half a chunk at a time."""
    for passage in passages:
        if token_count(passage.spelled) < tokens:
            yield passage
        else:
            yield from _cut(passage, tokens // 2)


def _cut(passage: Passage, tokens: int) -> Iterator[Passage]:
    lines = _lines(passage.text, tokens)
    head = lines[:HEAD_LINES] if passage.is_table else []
    start = spent = token_count("\n".join(head))
    part = list(head)
    for line in lines[len(head) :]:
        cost = token_count(line) + 1
        if len(part) > len(head) and spent + cost > tokens:
            yield replace(passage, text="\n".join(part))
            part, spent = list(head), start
        part.append(line)
        spent += cost
    yield replace(passage, text="\n".join(part))


def _lines(text: str, tokens: int) -> list[str]:
    most = max(1, min(LONGEST_LINE, tokens // 2))  # characters take no more than a token each, mostly
    return [line[at : at + most] for line in text.splitlines() for at in range(0, max(1, len(line)), most)]
