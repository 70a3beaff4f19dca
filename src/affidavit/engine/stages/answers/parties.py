"""Name the parties of an agreement, who are named together: between X and Y."""

from __future__ import annotations

import re
from collections.abc import Iterator

from affidavit.engine.stages.answers.names import bare, names_in
from affidavit.engine.stages.answers.question import Asked, Question
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.fields.view import Token
from affidavit.engine.stages.passages.passage import PassageKind
from affidavit.engine.stages.passages.terms import stem_of

SURE = 0.88
LEAST_NAME = 0.8  # how surely a run of words is a name
LOOKED_AT = 200  # passages from the start: an agreement names its parties first
_BETWEEN = re.compile(r"(?<!\w)(?:between|by and among|zwischen|entre|tra|fra|tussen)(?!\w)", re.IGNORECASE)
_PARTIES = frozenset(
    map(stem_of, ("parties", "party", "vertragsparteien", "parteien", "partes", "parti", "partijen"))
)
_ASKING = frozenset({Asked.PARTY, Asked.LIST, Asked.TEXT})


def parties(reader: Reader, question: Question) -> Iterator[tuple[list[str], tuple[tuple[Token, ...], ...]]]:
    """Yield the names of the parties with their words, when the question is for them."""
    if question.asked not in _ASKING or not _PARTIES.intersection((*question.stems, *question.soft)):
        return
    for passage in reader.passages[:LOOKED_AT]:
        found = _BETWEEN.search(passage.text)
        if passage.kind is not PassageKind.SENTENCE or found is None:
            continue
        named = [
            tokens
            for tokens, fit in names_in(passage.tokens)
            if fit >= LEAST_NAME and passage.segment.start_of(tokens[0]) >= found.end()
        ]
        if len(named) >= 2:
            yield [bare(tokens) for tokens in named[:2]], tuple(named[:2])
            return
