"""Judge whether a text layer says what a person would read, or garbage of a broken font."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

UNREADABLE_SHARE = 0.2  # one character in five: a few odd symbols are normal, a broken font is far above
VOWELS = 0.2  # of the letters: languages have 0.35 to 0.45, letters at random 0.23
ENOUGH_LETTERS = 200  # fewer say nothing about the language

_LATIN = re.compile(r"[A-Za-z]{4,}")
_VOWELS = frozenset("aeiouyAEIOUY")
_ODD_CATEGORIES = frozenset({"Co", "Cn", "Cc", "Cs"})


def is_garbage(texts: Iterable[str]) -> bool:
    """Tell whether these words are unreadable characters or letters that form no words."""
    words = list(texts)
    return unreadable_share(words) > UNREADABLE_SHARE or vowel_share(words) < VOWELS


def unreadable_share(words: list[str]) -> float:
    """Return the share of characters that stand for no known character."""
    text = "".join(words)
    if text.isascii():
        return 0.0
    odd = {char: _is_odd(char) for char in set(text)}
    return sum(odd[char] for char in text) / max(len(text), 1)


def vowel_share(words: list[str]) -> float:
    """Return the share of vowels in the Latin words of four letters or more; 1 when they are few.

    A font whose codes were shifted (no ToUnicode map) keeps its shapes on paper and gives consonant
    salad as text: `7KH FXVWRPHU`. Languages without written vowels use other scripts.
    """
    letters = "".join(word for word in map(_plain, words) if _LATIN.fullmatch(word))
    if len(letters) < ENOUGH_LETTERS:
        return 1.0
    return sum(letter in _VOWELS for letter in letters) / len(letters)


def _plain(word: str) -> str:
    if word.isascii():
        return word.strip(".,;:()!?\"'")
    return unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode()


def _is_odd(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in _ODD_CATEGORIES
