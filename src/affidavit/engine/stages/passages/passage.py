"""Cut a document into passages: sentences of its blocks, rows of its tables, labels with their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice, pairwise

from affidavit.engine.result import Block, BlockType, Page
from affidavit.engine.stages.fields.view import Row, Segment, Token, View
from affidavit.engine.stages.passages.loose import loose_rows
from affidavit.engine.stages.passages.row import Cell, table_rows
from affidavit.engine.stages.passages.row import Row as TableRow
from affidavit.engine.stages.passages.sentence import sentences_of
from affidavit.engine.stages.passages.stack import boxed_pairs, stacked_pairs

MOST_PASSAGES = 300_000  # a million words are about 60,000 sentences
LABEL_WORDS = 6
LONGEST_HEADING = 40  # words
_LABEL = re.compile(r"[^\W\d_].*")

_PROSE = frozenset(
    {
        BlockType.HEADING,
        BlockType.PARAGRAPH,
        BlockType.LIST_ITEM,
        BlockType.CAPTION,
        BlockType.FOOTNOTE,
        BlockType.HEADER,
        BlockType.FOOTER,
        BlockType.FORM_FIELD,
        BlockType.CODE,
        BlockType.FORMULA,
        BlockType.FIGURE,
    }
)


class PassageKind(StrEnum):
    """What a passage was in the document."""

    SENTENCE = "sentence"
    HEADING = "heading"
    ROW = "row"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page that says one thing. `number` counts over the document in reading order.

    `context` is what is written over it: the heading of a sentence. `cells` are the parts of a row
    under their column's header, or the value of a pair under its label.
    """

    number: int
    kind: PassageKind
    segment: Segment
    block: BlockType
    context: str = ""
    cells: tuple[Cell, ...] = ()

    @property
    def page(self) -> int:
        return self.segment.page

    @property
    def text(self) -> str:
        return self.segment.text

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.segment.tokens

    @property
    def headers(self) -> str:
        """What the cells are called, on one line."""
        return " ".join(dict.fromkeys(cell.header for cell in self.cells if cell.header))


def passages_of(view: View) -> list[Passage]:
    """Return the passages of a document in reading order, at most MOST_PASSAGES."""
    rows = _rows_by_page(view)
    found = (
        passage
        for page in view.document.pages
        for passage in (*_of_blocks(view, page), *_beside(view, page, rows.get(page.number, [])))
    )
    return [replace(passage, number=n) for n, passage in enumerate(islice(found, MOST_PASSAGES))]


def _of_blocks(view: View, page: Page) -> Iterator[Passage]:
    heading = ""
    by_block = _tokens_by_block(view.tokens[page.number])
    tables = {table.id: table for table in page.tables}
    for block in page.blocks:
        tokens = by_block.get(block.id, [])
        if block.type is BlockType.TABLE and block.table in tables:
            for row in table_rows(tables[block.table], view):
                yield _of_row(row, block.type, heading)
        elif block.type in _PROSE and tokens:
            yield from _of_block(block, tokens, heading)
            if block.type is BlockType.HEADING:
                heading = " ".join(token.text for token in tokens[:LONGEST_HEADING])


def _of_row(row: TableRow, block: BlockType, heading: str) -> Passage:
    """Return a row as a passage: a label with its value when it is two cells, the second unheaded."""
    if len(row.cells) == 2 and not row.cells[1].header and _is_label(row.cells[0].text):
        label, value = row.cells
        cells = (Cell(label.text.rstrip(" :"), value.segment),)
        return Passage(0, PassageKind.PAIR, row.segment, block, heading, cells)
    return Passage(0, PassageKind.ROW, row.segment, block, heading, row.cells)


def _of_block(block: Block, tokens: Sequence[Token], heading: str) -> Iterator[Passage]:
    kind = PassageKind.HEADING if block.type is BlockType.HEADING else PassageKind.SENTENCE
    for sentence in sentences_of(tokens):
        segment = Segment(page=tokens[0].page, row=-1, tokens=tuple(sentence))
        yield Passage(0, kind, segment, block.type, heading)


def _beside(view: View, page: Page, page_rows: Sequence[Row]) -> Iterator[Passage]:
    """Yield what stands beside a label, and loose rows: text that is set in columns without being a table."""
    in_tables = {word for table in page.tables for cell in table.cells for word in cell.words}
    rows = [
        tuple(part for part in row.segments if part.tokens[0].word.id not in in_tables) for row in page_rows
    ]
    for row in rows:
        yield from _pairs(row)
    for label, value in (*boxed_pairs(page.tables, view), *stacked_pairs([row for row in rows if row])):
        yield _pair(label, value)
    for loose in loose_rows([row for row in rows if row]):
        yield Passage(0, PassageKind.ROW, loose.segment, BlockType.TABLE, "", loose.cells)


def _pairs(row: Sequence[Segment]) -> Iterator[Passage]:
    for segment in row:
        for label, value in _colon_pairs(segment):
            yield _pair(label, value)
    for left, right in pairwise(row):
        if _is_label(left.text) and not right.text.rstrip().endswith(":"):
            yield _pair(left.tokens, right.tokens)


def _colon_pairs(segment: Segment) -> Iterator[tuple[Sequence[Token], Sequence[Token]]]:
    """Yield the label and the value on the two sides of a colon inside one segment."""
    tokens = segment.tokens
    ends = [n for n, token in enumerate(tokens) if token.text.endswith((":", "\uff1a"))]
    for n, end in enumerate(ends):
        start = max(0, end - LABEL_WORDS + 1) if n == 0 else max(ends[n - 1] + 2, end - LABEL_WORDS + 1)
        stop = ends[n + 1] if n + 1 < len(ends) else len(tokens)
        if n == 0 and end >= LABEL_WORDS:
            continue  # a colon inside a sentence
        if end + 1 < stop and start <= end:
            yield tokens[start : end + 1], tokens[end + 1 : stop]


def _is_label(text: str) -> bool:
    stripped = text.rstrip()
    return stripped.endswith(":") or (len(stripped.split()) <= LABEL_WORDS and bool(_LABEL.match(stripped)))


def _pair(label: Sequence[Token], value: Sequence[Token]) -> Passage:
    page = label[0].page
    whole = Segment(page=page, row=-1, tokens=(*label, *value))
    cell = Cell(
        header=" ".join(token.text for token in label).rstrip(" :"),
        segment=Segment(page=page, row=-1, tokens=tuple(value)),
    )
    return Passage(0, PassageKind.PAIR, whole, BlockType.FORM_FIELD, "", (cell,))


def _tokens_by_block(tokens: Sequence[Token]) -> Mapping[str, list[Token]]:
    found: dict[str, list[Token]] = {}
    for token in tokens:
        if token.word.block is not None:
            found.setdefault(token.word.block, []).append(token)
    return found


def _rows_by_page(view: View) -> Mapping[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in view.rows:
        found.setdefault(row.page, []).append(row)
    return found
