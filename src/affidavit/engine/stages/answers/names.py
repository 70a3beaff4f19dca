"""Find names of persons and organisations in a sentence, by how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from affidavit.engine.stages.fields.lexicon import LEGAL_FORMS, SALUTATIONS
from affidavit.engine.stages.fields.view import Token
from affidavit.engine.stages.passages.terms import is_stop
from affidavit.engine.stages.values.folding import fold

_CAPITAL = re.compile(r"[(\"'\u201c\u201e]*[A-Z\u00c0-\u00de][\w&.'\u2019/-]*[,.;:)\"'\u201d]*$")
_JOINTS = frozenset(
    {"of", "de", "von", "van", "der", "den", "du", "la", "le", "di", "da", "&", "and", "und", "et", "y", "e"}
)
_TITLES = frozenset({"dr", "prof"})
_TRAILING = ",.;:)\"'\u201d\u2019"
_ENDS = (",", ";", ":", ")")


def names_in(tokens: Sequence[Token]) -> Iterator[tuple[tuple[Token, ...], float]]:
    """Yield the runs of words that may be a name, with how surely each is one, 0 to 1."""
    run: list[Token] = []
    for n, token in enumerate(tokens):
        if _goes_on(token, run, tokens, n):
            run.append(token)
            if not token.text.endswith(_ENDS) or _is_legal_form(tokens[n + 1 : n + 2]):
                continue
        elif _CAPITAL.match(token.text):
            yield from _named(run)
            run = [token]
            if not token.text.endswith(_ENDS):
                continue
        yield from _named(run)
        run = []
    yield from _named(run)


def bare(tokens: Sequence[Token]) -> str:
    """Return a name without the punctuation around it."""
    text = " ".join(token.text for token in tokens)
    stripped = text.strip("\"'\u201c\u201e(").rstrip(_TRAILING)
    ends_short = text.rstrip(",;:)").endswith(".") and fold(tokens[-1].text.rstrip(",;:)")) in LEGAL_FORMS
    return stripped + "." if ends_short else stripped


def _goes_on(token: Token, run: Sequence[Token], tokens: Sequence[Token], at: int) -> bool:
    if _CAPITAL.match(token.text):
        return not token.text.startswith(("(", '"', "\u201c", "\u201e")) or not run
    is_joint = fold(token.text) in _JOINTS and bool(run)
    return is_joint and at + 1 < len(tokens) and bool(_CAPITAL.match(tokens[at + 1].text))


def _named(run: Sequence[Token]) -> Iterator[tuple[tuple[Token, ...], float]]:
    words = list(run)
    while words and _is_no_name(words[0].text.strip("(\"'\u201c")):
        words.pop(0)
    if not words:
        return
    spelled = [fold(word.text.strip(_TRAILING)) for word in words]
    is_firm = spelled[-1] in LEGAL_FORMS or f"{spelled[-1]}." in LEGAL_FORMS
    if is_firm or spelled[0] in SALUTATIONS or spelled[0] in _TITLES:
        yield tuple(words), 1.0
    elif len(words) >= 2:
        yield tuple(words), 0.85
    elif len(spelled[0]) > 1:
        yield tuple(words), 0.45


def _is_no_name(word: str) -> bool:
    """Tell whether a name cannot begin so, though a sentence can."""
    return (is_stop(word) and fold(word) not in SALUTATIONS) or fold(word) in _JOINTS


def _is_legal_form(following: Sequence[Token]) -> bool:
    return bool(following) and fold(following[0].text.strip(_TRAILING)) in LEGAL_FORMS
