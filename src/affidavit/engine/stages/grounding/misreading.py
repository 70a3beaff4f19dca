"""Know which letters OCR takes for one another, and tell a misread text from a different one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from rapidfuzz.distance import Levenshtein

Edit = tuple[int, str, str]

CONFUSED = 0.4  # what a letter costs that OCR often takes for the other
CHANGED = 1.0  # what any other change of a letter costs
SHARE = 0.14  # of the letters that may cost 1 in a whole text
WORD_SHARE = 0.34  # of a word's letters
LONG = 12  # letters from which on a text layer may differ in other than confused letters
LONG_SCANNED = 9  # the same in what was read by OCR

_GROUPS = (
    "0odq",
    "1lijt",
    "5s",
    "8b",
    "2z",
    "6gb",
    "9gq",
    "4a",
    "7t",
    "ceo",
    "ao",
    "ae",
    "uv",
    "vy",
    "hnb",
    "nu",
    "frt",
    "il",
    "kx",
)
_DIGIT_FOR = str.maketrans(
    {
        **dict.fromkeys("OoQD", "0"),
        **dict.fromkeys("lI|i!", "1"),
        "S": "5",
        "s": "5",
        "B": "8",
        "Z": "2",
        "z": "2",
        "G": "6",
    }
)
_TWO_FOR_ONE = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_NUMERAL = re.compile(r"[-+(]?[\dOoQDlI|i!SsBZzG][\dOoQDlI|i!SsBZzG.,/:'\u2019\-]*[)%\u20ac$]*")


def digits_for(text: str) -> str:
    """Return a word that is mostly digits with the letters in it read as the digits they look like."""
    digits = sum(char.isdigit() for char in text)
    letters = sum(char.isalpha() or char in "|!" for char in text)
    if not letters or digits < letters or not _NUMERAL.fullmatch(text):
        return text
    return text.translate(_DIGIT_FOR)


def canonical(letters: str) -> str:
    """Return folded letters with two that look like one as that one."""
    for two, one in _TWO_FOR_ONE:
        letters = letters.replace(two, one)
    return letters


def cost_of(wanted: Sequence[str], printed: str, *, is_scanned: bool) -> float | None:
    """Return what it costs to read `printed` as the words `wanted`, None when it is something else.

    All in folded letters. No digit may differ, unless a letter stands for it that looks like it; no word may
    differ in more than a third.
    """
    words = [word for word in wanted if word]
    readings = [(words, printed), ([canonical(word) for word in words], canonical(printed))]
    costs = [_total(each, _edits("".join(each), text), is_scanned=is_scanned) for each, text in readings]
    if sum(map(len, words)) == len(printed):  # letter by letter, which the shortest way to edit may not be
        changed = [
            edit for edit in enumerate(zip("".join(words), printed, strict=True)) if edit[1][0] != edit[1][1]
        ]
        costs.append(_total(words, [(at, *pair) for at, pair in changed], is_scanned=is_scanned))
    return min((cost for cost in costs if cost is not None), default=None)


def _edits(letters: str, printed: str) -> list[Edit]:
    """Return the places, with the letter before and after; no letter where one came or went."""
    return [
        (
            step.src_pos,
            letters[step.src_pos] if step.tag != "insert" else "",
            printed[step.dest_pos] if step.tag != "delete" else "",
        )
        for step in Levenshtein.editops(letters, printed)
    ]


def _total(words: Sequence[str], edits: Sequence[Edit], *, is_scanned: bool) -> float | None:
    length = sum(map(len, words))
    total, spent = 0.0, [0.0] * len(words)
    for at, before, after in edits:
        cost = _edit_cost(before, after)
        if cost is None or (cost > CONFUSED and length < (LONG_SCANNED if is_scanned else LONG)):
            return None
        total += cost
        spent[_word_at(words, at)] += cost
    if total > max(CONFUSED, SHARE * length):
        return None
    if any(cost > max(CONFUSED, WORD_SHARE * len(word)) for cost, word in zip(spent, words, strict=True)):
        return None
    return total


def _edit_cost(before: str, after: str) -> float | None:
    if (before, after) in _confusions():
        return CONFUSED
    return None if before.isdigit() or after.isdigit() else CHANGED


def _word_at(words: Sequence[str], position: int) -> int:
    at = 0
    for number, word in enumerate(words):
        at += len(word)
        if position < at:
            return number
    return len(words) - 1


@cache
def _confusions() -> frozenset[tuple[str, str]]:
    return frozenset(
        (one, other)
        for group in _GROUPS
        for one in group
        for other in group
        if one != other and not (one.isdigit() and other.isdigit())
    )
