"""Bring words to terms, so that a question finds what a document says in another form of the word."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from affidavit.engine.stages.values.folding import fold

WORD = re.compile(r"[^\W_]+(?:[.,'\u2019/-][^\W_]+)*")
_DIGIT = re.compile(r"\d")
_JOINED = re.compile(r"[.,'\u2019/-]")
LONGEST_WORD = 40  # letters; a longer run is no word that anyone asks for
SHORTEST_STEM = 4
KEPT_WORDS = 65_536  # of a document, whose stems are remembered

# Endings of words in the six languages, long before short: what is left is enough to tell words apart.
_ENDINGS = (
    "ations", "ation", "ments", "ment", "ities", "ungen", "iones", "ating", "ates", "ated", "ions", "able",
    "ing", "ies", "ung", "ion", "ity", "ate", "ers", "ern", "est", "ion", "ed", "es", "er", "en", "em", "ly",
    "al", "or", "s", "e", "n", "y", "a", "o", "i",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a text: its stem, and where it stands."""

    stem: str
    start: int
    end: int


@lru_cache(maxsize=KEPT_WORDS)
def stem_of(word: str) -> str:
    """Return the stem of one word: folded, without its ending; numbers stay as they are."""
    folded = fold(word[:LONGEST_WORD])
    irregular = lexicon()["irregular"].get(folded)
    if irregular is not None:
        return str(irregular)
    if any(char.isdigit() for char in folded):
        return folded
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= SHORTEST_STEM:
            return folded[: -len(ending)]
    return folded


def terms_of(text: str) -> list[Term]:
    """Return the terms of `text` in order, words that say nothing left out."""
    return [term for term in all_terms(text) if not is_stop(text[term.start : term.end])]


def all_terms(text: str) -> list[Term]:
    """Return the terms of `text` in order, all of them; a compound with signs is also its parts."""
    return list(_terms(text))


def _terms(text: str) -> Iterator[Term]:
    for found in WORD.finditer(text):
        word = found[0]
        if word.isalpha() or _DIGIT.search(word) or not _JOINED.search(word):
            yield Term(stem_of(word), found.start(), found.end())
            continue
        for part in re.finditer(r"[^\W_]+", word):
            start = found.start() + part.start()
            yield Term(stem_of(part[0]), start, start + len(part[0]))


def is_stop(word: str) -> bool:
    """Tell whether every text has this word, in one of the six languages."""
    return fold(word) in _stop_words()


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(map(fold, lexicon()["stop"]))


@cache
def kin() -> dict[str, frozenset[str]]:
    """Return for each stem the stems of words that mean about the same, itself among them."""
    found: dict[str, set[str]] = {}
    for group in lexicon()["kin"]:
        stems = {stem_of(word) for word in group}
        for stem in stems:
            found.setdefault(stem, set()).update(stems)
    return {stem: frozenset(others) for stem, others in found.items()}


def kin_of(stem: str) -> frozenset[str]:
    """Return the stems that a question with `stem` may be answered by."""
    return kin().get(stem) or frozenset((stem,))


@cache
def lexicon() -> dict[str, Any]:
    """Return the words that rank and judge passages, by section, from `words.toml`."""
    return tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


@cache
def words(name: str) -> frozenset[str]:
    """Return a list of folded words of the lexicon, such as `negation`."""
    return frozenset(fold(word) for word in lexicon()["lists"][name])
