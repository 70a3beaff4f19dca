"""Find the tables of a page: ruled ones, then those that only alignment shows."""

from __future__ import annotations

from dataclasses import replace

from affidavit.engine.stages.aligned import aligned_tables
from affidavit.engine.stages.draft import TableDraft
from affidavit.engine.stages.grid import ruled_tables, text_box, words_of
from affidavit.engine.stages.segments import segments_of
from affidavit.engine.stages.token import PageContent


def find_tables(content: PageContent, size: float) -> list[TableDraft]:
    """Return the tables of the page in the reading frame; no word is in two of them."""
    tokens = content.tokens
    ruled = ruled_tables(tokens, content.rules, size) if content.rules else []
    taken = set().union(*map(words_of, ruled)) if ruled else set()
    free = [at for at, token in enumerate(tokens) if not token.turned and at not in taken]
    found = ruled + aligned_tables(segments_of(tokens, free), tokens)
    return [replace(table, box=text_box(table, tokens)) for table in found]
