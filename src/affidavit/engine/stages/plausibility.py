"""Judge whether a text layer says what a person would read, or garbage of a broken font."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

UNREADABLE_SHARE = 0.1  # one character in ten: a few odd symbols are normal, a broken font is far above
VOWELS = 0.3  # of the letters: languages have 0.35 to 0.45, letters at random 0.23
ENOUGH_LETTERS = 200  # fewer say nothing about the language

# The commonest short words of the languages in Latin script. Text without any may be a list of
# names or codes; without any and without vowels it is no language.
_COMMON_WORDS = (
    "a and the of to in is for on der die das und von zu mit den ist le la les et de des du en un une "
    "el los que y del se il di che per o da do em com na van het een og at av i att som w z"
)
COMMON = frozenset(_COMMON_WORDS.split(" "))

_LATIN = re.compile(r"[A-Za-z]{4,}")
_VOWELS = frozenset("aeiouyAEIOUY")
_ODD_CATEGORIES = frozenset({"Co", "Cn", "Cc", "Cs"})


def is_garbage(texts: Iterable[str]) -> bool:
    """Tell whether these words are unreadable characters or letters that form no words."""
    words = list(texts)
    return unreadable_share(words) > UNREADABLE_SHARE or is_salad(words)


def unreadable_share(words: list[str]) -> float:
    """Return the share of characters that stand for no known character."""
    text = "".join(words)
    if text.isascii():
        return 0.0
    odd = {char: _is_odd(char) for char in set(text)}
    return sum(odd[char] for char in text) / max(len(text), 1)


def is_salad(words: list[str]) -> bool:
    """Tell whether the Latin words have few vowels, and none of the commonest words is among them.

    A font whose codes were shifted (no ToUnicode map) keeps its shapes on paper and gives consonant
    salad as text: `7KH FXVWRPHU`. Languages without written vowels use other scripts.
    """
    letters = "".join(word for word in map(_plain, words) if _LATIN.fullmatch(word))
    if len(letters) < ENOUGH_LETTERS:
        return False
    vowels = sum(letter in _VOWELS for letter in letters) / len(letters)
    return vowels < VOWELS and COMMON.isdisjoint(word.lower() for word in words)


def _plain(word: str) -> str:
    if word.isascii():
        return word.strip(".,;:()!?\"'")
    return unicodedata.normalize("NFD", word).encode("ascii", "ignore").decode()


def _is_odd(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in _ODD_CATEGORIES
