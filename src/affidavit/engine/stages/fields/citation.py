"""Make citations: the words on a page that a value came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from affidavit.engine.result import Citation, Match, Range, Word
from affidavit.engine.stages.fields.view import Token, View, union

_MARKUP = re.compile(r"[\W_]+")


def cite(view: View, tokens: Sequence[Token], match: Match) -> Citation:
    """Return the citation of words that stand on one page, in their order.

    `range` is None when other words stand between them in the Markdown.
    """
    words = [token.word for token in tokens]
    page = tokens[0].page
    return Citation(
        page=page,
        box=union(word.box for word in words),
        words=tuple(word.id for word in words),
        range=_range(view, page, words),
        quote=" ".join(word.text for word in words),
        match=match,
    )


def match_of(value: Any, quote: str) -> Match:
    """Tell whether a value is what its words spell, or was normalized from them."""
    return Match.EXACT if str(value) == quote else Match.NORMALIZED


def _range(view: View, page: int, words: Sequence[Word]) -> Range | None:
    ranges = [word.range for word in words]
    known = [each for each in ranges if each is not None]
    if not known or len(known) < len(ranges):
        return None
    start, end = min(each[0] for each in known), max(each[1] for each in known)
    printed = view.pages[page].markdown[start:end]
    if _MARKUP.sub("", printed) != _MARKUP.sub("", "".join(word.text for word in words)):
        return None
    offset = view.offsets[page]
    return start + offset, end + offset
