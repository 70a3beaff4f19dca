"""Find the tables of a page: ruled ones, then those that only alignment shows."""

from __future__ import annotations

from affidavit.engine.stages.draft import TableDraft
from affidavit.engine.stages.grid import ruled_tables, text_box
from affidavit.engine.stages.token import PageContent


def find_tables(content: PageContent, size: float) -> list[TableDraft]:
    """Return the tables of the page in the reading frame; no word is in two of them."""
    ruled = ruled_tables(content.tokens, content.rules, size) if content.rules else []
    return [_fitted(table, content) for table in ruled]


def _fitted(table: TableDraft, content: PageContent) -> TableDraft:
    return TableDraft(text_box(table, content.tokens), table.rows, table.columns, table.cells)
