"""Find the tables of a page: ruled ones, then those that only alignment shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from affidavit.engine.stages.aligned import aligned_tables
from affidavit.engine.stages.draft import TableDraft
from affidavit.engine.stages.grid import ruled_tables, text_box, words_of
from affidavit.engine.stages.segments import Segment, segments_of
from affidavit.engine.stages.token import PageContent


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of a page, and the segments of the text that is in none of them."""

    tables: list[TableDraft]
    segments: list[Segment]


def find_tables(content: PageContent, size: float) -> Found:
    """Return the tables of the page in the reading frame; no word is in two of them."""
    tokens = content.tokens
    ruled = ruled_tables(tokens, content.rules, size) if content.rules else []
    taken = set().union(*map(words_of, ruled)) if ruled else set()
    free = [at for at, token in enumerate(tokens) if not token.turned and at not in taken]
    segments = segments_of(tokens, free)
    aligned = aligned_tables(segments, tokens)
    if aligned:
        taken = set().union(*map(words_of, aligned))
        segments = [segment for segment in segments if taken.isdisjoint(segment.words)]
    fitted = [replace(table, box=text_box(table, tokens)) for table in ruled + aligned]
    return Found(fitted, segments)
