"""Judge whether a text layer says what a person would read, or garbage of a broken font."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

UNREADABLE_SHARE = 0.2  # one character in five: a few odd symbols are normal, a broken font is far above
IMPROBABLE_SHARE = 0.6
ENOUGH_WORDS = 30  # fewer long words say nothing about the language

_LATIN = re.compile(r"[A-Za-z]{4,}")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_ODD_CATEGORIES = frozenset({"Co", "Cn", "Cc", "Cs"})


def is_garbage(texts: Iterable[str]) -> bool:
    """Tell whether these words are unreadable characters or letters that form no words."""
    words = list(texts)
    return unreadable_share(words) > UNREADABLE_SHARE or improbable_share(words) > IMPROBABLE_SHARE


def unreadable_share(words: list[str]) -> float:
    """Return the share of characters that stand for no known character."""
    text = "".join(words)
    if text.isascii():
        return 0.0
    odd = {char: _is_odd(char) for char in set(text)}
    return sum(odd[char] for char in text) / max(len(text), 1)


def improbable_share(words: list[str]) -> float:
    """Return the share of Latin words of four letters or more without a vowel; 0 when they are few.

    A font whose codes were shifted (no ToUnicode map) keeps its shapes on paper and gives consonant
    salad as text: `7KH FXVWRPHU`. Languages without written vowels use other scripts.
    """
    candidates = [word for word in map(_plain, words) if _LATIN.fullmatch(word)]
    if len(candidates) < ENOUGH_WORDS:
        return 0.0
    return sum(_VOWEL.search(word) is None for word in candidates) / len(candidates)


def _plain(word: str) -> str:
    if word.isascii():
        return word.strip(".,;:()!?\"'")
    return unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode()


def _is_odd(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in _ODD_CATEGORIES
