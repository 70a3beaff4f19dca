"""Compose a page: tables first, then what is left in reading order, cut in blocks."""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.engine.result import BlockType
from affidavit.engine.stages.columns import reading_order
from affidavit.engine.stages.draft import BlockDraft, TableDraft
from affidavit.engine.stages.grid import words_of
from affidavit.engine.stages.paragraphs import PageStyle, blocks_of, style_of
from affidavit.engine.stages.segments import Segment
from affidavit.engine.stages.tables import find_tables
from affidavit.engine.stages.token import PageContent, Token


def compose(content: PageContent) -> list[BlockDraft]:
    """Return the blocks of the page in reading order. Every word is in exactly one of them."""
    tokens = content.tokens
    if not tokens:
        return []
    found = find_tables(content, style_of(tokens).size)
    tables = found.tables
    in_tables = set().union(*map(words_of, tables)) if tables else set()
    running = [token for at, token in enumerate(tokens) if at not in in_tables] if tables else tokens
    style = style_of(running or tokens)
    segments = found.segments + [_table_segment(table, number, style) for number, table in enumerate(tables)]
    blocks: list[BlockDraft] = []
    for rows in reading_order(segments, tokens):
        blocks += blocks_of(rows, tokens, tables, style)
    return blocks + _turned_blocks(tokens, in_tables)


def _table_segment(table: TableDraft, number: int, style: PageStyle) -> Segment:
    return Segment(*table.box, style.size, (), number)


def _turned_blocks(tokens: Sequence[Token], taken: set[int]) -> list[BlockDraft]:
    """Return text that runs up, down or aslant as paragraphs of its own, after the others."""
    runs: dict[int, list[int]] = {}
    for index, token in enumerate(tokens):
        if token.turned and index not in taken:
            runs.setdefault(token.segment, []).append(index)
    return [BlockDraft(BlockType.PARAGRAPH, (tuple(run),)) for run in runs.values()]
