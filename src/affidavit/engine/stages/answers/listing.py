"""List what a document lists: the items under a heading or lead, or the first column of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from affidavit.engine.result import BlockType, Citation
from affidavit.engine.stages.answers.question import Question
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.passages.passage import Passage, PassageKind
from affidavit.engine.stages.passages.row import Cell
from affidavit.engine.stages.passages.terms import kin_of, terms_of

MOST_ITEMS = 200
LEAST = 0.6  # of the question's weight, that the heading, lead or header must cover
SURE = 0.85


@dataclass(frozen=True, slots=True)
class Listed:
    """Items of a list, each cited."""

    items: tuple[str, ...]
    citations: tuple[Citation, ...]
    confidence: float

    @property
    def text(self) -> str:
        return "; ".join(self.items)


def listed(reader: Reader, question: Question) -> Iterator[Listed]:
    """Yield the lists that the question may mean."""
    yield from _under_leads(reader, question)
    yield from _columns(reader, question)


def _under_leads(reader: Reader, question: Question) -> Iterator[Listed]:
    """Yield runs of list items, by the heading and the sentence before them."""
    before: Passage | None = None
    for is_item, run in groupby(reader.passages, lambda each: each.block is BlockType.LIST_ITEM):
        passages = list(run)
        if is_item:
            lead = " ".join((passages[0].context, before.text if before else ""))
            covered = _coverage(reader, question, lead)
            if covered >= LEAST:
                yield _cited(reader, [each.segment.tokens for each in passages], covered)
        else:
            before = passages[-1]


def _columns(reader: Reader, question: Question) -> Iterator[Listed]:
    """Yield the wordy column of each table whose headers or heading are what was asked for."""
    rows = [passage for passage in reader.passages if passage.kind is PassageKind.ROW]
    for _, run in groupby(rows, lambda each: (each.page, each.context, each.headers)):
        table = list(run)
        headers = Counter(cell.header for row in table for cell in row.cells if _is_wordy(cell))
        for header, _ in headers.most_common(3):
            covered = _coverage(reader, question, f"{header} {table[0].context}")
            cells = [
                cell.segment.tokens
                for row in table
                for cell in row.cells
                if cell.header == header and _is_wordy(cell)
            ]
            if header and covered >= LEAST:
                yield _cited(reader, cells, covered)


def _coverage(reader: Reader, question: Question, text: str) -> float:
    stems = frozenset(kin for term in terms_of(text) for kin in kin_of(term.stem))
    return reader.index.coverage(question.stems, stems)


def _is_wordy(cell: Cell) -> bool:
    letters = sum(char.isalpha() for char in cell.segment.text)
    return letters * 2 > len(cell.segment.text)


def _cited(reader: Reader, items: Sequence[Sequence[object]], covered: float) -> Listed:
    kept = [tuple(tokens) for tokens in items[:MOST_ITEMS]]
    citations = tuple(reader.cite(tokens) for tokens in kept)  # type: ignore[arg-type]
    texts = tuple(citation.quote.lstrip("-\u2022*\u00b7 ") for citation in citations)
    return Listed(texts, citations, covered * SURE)
