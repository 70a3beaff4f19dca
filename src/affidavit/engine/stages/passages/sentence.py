"""Cut the words of a block into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from affidavit.engine.stages.fields.view import Token
from affidavit.engine.stages.passages.terms import words
from affidavit.engine.stages.values.folding import fold

LONGEST = 120  # words; what has no full stop for longer is cut
SHORT_LINE = 0.75  # of a block's width: a line that ends before was ended on purpose
LABEL_WORDS = 4

_END = re.compile(r"[.!?\u3002\uff01\uff1f]+[\"'\u201c\u201d\u2019)\]\u00bb]*$")
_START = re.compile(r"[\"'\u201c\u201e(\[\u00ab]*[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f\d\u00a7\u2022]")
_INITIAL = re.compile(r"^(?:[A-Za-z]\.)+$|^\(?\d{1,3}\.$|^[IVXivx]{1,4}\.$")
_ABBREVIATIONS = words("abbreviations")


def sentences_of(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the sentences of one block, whose words are `tokens` in reading order; none is empty."""
    left = min(token.box[0] for token in tokens)
    right = max(token.box[2] for token in tokens)
    short = left + SHORT_LINE * (right - left)
    sentence: list[Token] = []
    for n, token in enumerate(tokens):
        sentence.append(token)
        following = tokens[n + 1] if n + 1 < len(tokens) else None
        if following is None or len(sentence) >= LONGEST or _ends(token, following, tokens, n, short):
            yield sentence
            sentence = []


def _ends(token: Token, following: Token, tokens: Sequence[Token], at: int, short: float) -> bool:
    if following.word.line != token.word.line:
        if token.box[2] < short and _START.match(following.text):
            return True
        if _starts_label(tokens, at + 1):
            return True
    if not _END.search(token.text) or not _START.match(following.text):
        return False
    bare = fold(token.text).lstrip("(\"'\u201c\u201e")
    return bare not in _ABBREVIATIONS and not _INITIAL.match(token.text)


def _starts_label(tokens: Sequence[Token], at: int) -> bool:
    """Tell whether a line starts with a label and its colon."""
    line = tokens[at].word.line
    first = tokens[at : at + LABEL_WORDS]
    return any(token.text.endswith(":") and token.word.line == line for token in first)
