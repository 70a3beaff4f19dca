"""Give ids to what was found on a page, in reading order, and bring it back to the displayed page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from affidavit.engine.result import Block, BoundingBox, Cell, Line, Page, PageSource, Table, Word
from affidavit.engine.stages.affine import IDENTITY, Affine
from affidavit.engine.stages.draft import BlockDraft, TableDraft, WordLine
from affidavit.engine.stages.markdown import Written
from affidavit.engine.stages.sheet import Sheet
from affidavit.engine.stages.token import PageContent, Token, union

PRECISION = 2  # decimals of a box: 1/100 point is far below a pixel of any raster


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What is known of the page beside its content."""

    source: PageSource
    dpi: float
    upright: int = 0
    text_layer_words: int = 0
    ocr_engine: str | None = None
    warnings: tuple[str, ...] = ()


def assemble(
    sheet: Sheet,
    facts: PageFacts,
    content: PageContent,
    blocks: Sequence[BlockDraft],
    written: Written,
) -> Page:
    """Return the finished page. Values are built unchecked: everything in them was made here."""
    builder = _Builder(sheet, content.tokens, content.to_display, written)
    for number, block in enumerate(blocks):
        builder.add(number, block)
    return Page.model_construct(
        number=sheet.number,
        width=round(sheet.width, PRECISION),
        height=round(sheet.height, PRECISION),
        rotation=sheet.rotation,
        upright=facts.upright,
        dpi=round(facts.dpi, PRECISION),
        source=facts.source,
        markdown=written.markdown,
        range=(0, len(written.markdown)),
        blocks=tuple(builder.blocks),
        tables=tuple(builder.tables),
        lines=tuple(builder.lines),
        words=tuple(builder.words),
        text_layer_words=facts.text_layer_words,
        ocr_engine=facts.ocr_engine,
        damaged=False,
        warnings=facts.warnings,
        hidden=tuple(builder.hidden),
    )


Built = TypeVar("Built", Word, Line)


def _built(kind: type[Built], **values: object) -> Built:
    """Return the value unchecked, as `model_construct` would in four times the time.

    A page has thousands of words, and their checks and defaults would cost more than reading it.
    """
    built = kind.__new__(kind)
    object.__setattr__(built, "__dict__", values)
    object.__setattr__(built, "__pydantic_fields_set__", _FIELDS[kind])
    object.__setattr__(built, "__pydantic_extra__", None)
    object.__setattr__(built, "__pydantic_private__", None)
    return built


_FIELDS: dict[type, set[str]] = {kind: set(kind.model_fields) for kind in (Word, Line)}


class _Builder:
    def __init__(self, sheet: Sheet, tokens: Sequence[Token], to_display: Affine, written: Written) -> None:
        self.page = sheet.number
        self.width, self.height = sheet.width, sheet.height
        self.tokens = tokens
        self.to_display = None if to_display == IDENTITY else to_display
        self.written = written
        self.words: list[Word] = []
        self.hidden: list[str] = []
        self.lines: list[Line] = []
        self.blocks: list[Block] = []
        self.tables: list[Table] = []

    def add(self, number: int, draft: BlockDraft) -> None:
        block = f"p{self.page}.b{number}"
        span = self.written.blocks[number]
        if draft.table is not None:
            table = self._table(draft.table, block, span)
            self.tables.append(table)
            box, name = table.box, table.id
            lines: tuple[str, ...] = ()
            confidence = self._confidence(
                word for cell in draft.table.cells for line in cell.lines for word in line
            )
        else:
            lines = tuple(self._line(line, block)[0] for line in draft.lines)
            box, name = self._box(union([self.tokens[at].box for line in draft.lines for at in line])), None
            confidence = self._confidence(at for line in draft.lines for at in line)
        self.blocks.append(
            Block.model_construct(
                id=block,
                type=draft.type,
                box=box,
                range=span,
                lines=lines,
                level=draft.level,
                table=name,
                confidence=confidence,
            )
        )

    def _line(self, words: WordLine, block: str) -> tuple[str, tuple[str, ...]]:
        line = f"p{self.page}.l{len(self.lines)}"
        names = tuple(self._word(at, line, block) for at in words)
        box = self._box(union([self.tokens[at].box for at in words]))
        self.lines.append(_built(Line, id=line, box=box, words=names))
        return line, names

    def _word(self, at: int, line: str, block: str) -> str:
        token = self.tokens[at]
        name = f"p{self.page}.w{len(self.words)}"
        if token.hidden:
            self.hidden.append(name)
        self.words.append(
            _built(
                Word,
                id=name,
                text=token.text,
                box=self._box(token.box),
                confidence=token.confidence if token.native else round(token.confidence, 3),
                line=line,
                block=block,
                range=self.written.words.get(at),
            )
        )
        return name

    def _table(self, draft: TableDraft, block: str, span: tuple[int, int]) -> Table:
        cells = []
        for cell in sorted(draft.cells, key=lambda cell: (cell.row, cell.column)):
            names = tuple(name for line in cell.lines for name in self._line(line, block)[1])
            cells.append(
                Cell.model_construct(
                    row=cell.row,
                    column=cell.column,
                    row_span=cell.row_span,
                    column_span=cell.column_span,
                    header=cell.header,
                    text=" ".join(self.tokens[at].text for line in cell.lines for at in line),
                    box=self._box(cell.box),
                    range=self.written.cells.get(id(cell)),
                    words=names,
                )
            )
        return Table.model_construct(
            id=f"p{self.page}.t{len(self.tables)}",
            page=self.page,
            box=self._box(draft.box),
            rows=draft.rows,
            columns=draft.columns,
            cells=tuple(cells),
            range=span,
        )

    def _confidence(self, words: Iterable[int]) -> float:
        found = [self.tokens[at].confidence for at in words]
        return round(fmean(found), 3) if found else 1.0

    def _box(self, box: BoundingBox) -> BoundingBox:
        """Return the box as displayed, cut at the edges of the page: a glyph may hang over them."""
        x0, y0, x1, y1 = box if self.to_display is None else self.to_display.box(box)
        return self._across(x0), self._down(y0), self._across(x1), self._down(y1)

    def _across(self, x: float) -> float:
        return round(min(max(x, 0.0), self.width), PRECISION)

    def _down(self, y: float) -> float:
        return round(min(max(y, 0.0), self.height), PRECISION)
