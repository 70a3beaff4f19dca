"""Hold what answering needs of a document, made once for many questions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from affidavit.engine.result import Citation, Document, Match
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.spans import Spans
from affidavit.engine.stages.fields.view import Token, View
from affidavit.engine.stages.ground import Locator
from affidavit.engine.stages.passages.passage import Passage, passages_of
from affidavit.engine.stages.passages.ranking import Index
from affidavit.engine.stages.values.folding import squash


class Reader:
    """A document with its passages, their index and the values in them."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.view = View(document)
        self.spans = Spans(self.view)

    @cached_property
    def passages(self) -> list[Passage]:
        return passages_of(self.view)

    @cached_property
    def index(self) -> Index:
        return Index(self.passages)

    @cached_property
    def letters(self) -> str:
        """The folded letters and digits of all passages."""
        return " ".join(squash(passage.text) for passage in self.passages)

    @cached_property
    def locator(self) -> Locator:
        return Locator(self.view)

    def cite(self, tokens: Sequence[Token], match: Match = Match.EXACT) -> Citation:
        """Return the citation of words that stand on one page."""
        return cite(self.view, tokens, match)
