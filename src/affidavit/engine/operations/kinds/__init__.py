"""The kinds of documents that are known without being told: their names, titles and phrases."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

from affidavit.engine.stages.values.folding import fold

WORDS: Final = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*")
MOST_TITLE_WORDS: Final = 6
MOST_CHARACTERS: Final = 100
MIN_COMPOUND: Final = 6  # letters of a title that may end a compound, as in Monatsrechnung
EXACT, NUMBERED, INSIDE = 1.0, 0.95, 0.75  # how much a line is a title: nothing else, its number, more words

REFERENCE: Final = 0.6  # of a title inside a line with a number: "as ordered by purchase order no. 7"

# What follows the name of a document in a label: "Invoice date" is no title.
_LABEL_WORDS_TEXT = """
date datum data fecha address adresse amount betrag montant importe total to from by for period
terms number nummer numero num no nr id ref reference currency due an von a de per status type
recipient details line lines item items
"""
_LABEL_WORDS = frozenset(_LABEL_WORDS_TEXT.split())
# Where the number or the date of a document begins: "Rechnung des Hauses Nr. 12 vom 1. Mai".
_NUMBER = re.compile(
    r"(?<!\w)(?:nr|no|num|number|nummer|numero|n[\u00b0\u00ba]|#)[.:#]?\s*(?=\S*\d)|\s(?:vom|dated|du|del|of)\s+(?=\d)"
)
_NUMBERING = frozenset(["number", "nummer", "numero", "num", "no", "nr", "n"])


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document. All texts are folded; `structure` names what its layout has."""

    key: str
    names: tuple[str, ...]
    titles: tuple[str, ...]
    phrases: tuple[str, ...]
    structure: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TitleMatch:
    """A line that names a kind of document; `quality` (0 to 1) is how much it is only that."""

    kind: str
    title: str
    quality: float


def _read() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))


def _kind(key: str, entry: Mapping[str, Sequence[str]]) -> DocumentKind:
    folded = {name: tuple(fold(each) for each in entry[name]) for name in ("names", "titles", "phrases")}
    return DocumentKind(key=key, structure=tuple(entry["structure"]), **folded)


KINDS: Final = tuple(_kind(key, entry) for key, entry in _read().items())
BY_KEY: Final = {kind.key: kind for kind in KINDS}


@cache
def _titles() -> dict[tuple[str, ...], str]:
    """Return the kind of each title, by the title's words; the first kind that claims it has it."""
    found: dict[tuple[str, ...], str] = {}
    for kind in KINDS:
        for title in kind.titles:
            found.setdefault(tuple(WORDS.findall(title)), kind.key)
    return found


def match_title(text: str) -> TitleMatch | None:
    """Return what kind of document a line names, or None when it is no title of one."""
    if ":" in text.rstrip(" :") or len(text) > MOST_CHARACTERS:
        return None
    folded = fold(text)
    name = _NUMBER.split(folded, maxsplit=1)[0]
    words = WORDS.findall(name)
    if not words or len(words) > MOST_TITLE_WORDS + 2:
        return None
    found = [
        match
        for start in range(min(len(words), MOST_TITLE_WORDS))
        for end in range(len(words), start, -1)
        if (match := _match(words, start, end))
    ]
    best = max(found, key=lambda match: (match.quality, len(match.title)), default=None)
    if best and len(name) < len(folded):
        begins = " ".join(words).startswith(best.title.split()[0]) or best.quality == EXACT
        return replace(best, quality=best.quality * (NUMBERED if begins else REFERENCE))
    return best


def numbered_kinds(text: str) -> list[tuple[str, str]]:
    """Return the kinds whose documents a line numbers, as in `Receipt no.`, with the words that do so."""
    words = WORDS.findall(fold(text))
    return [
        (kind, " ".join(words[start : at + 1]))
        for at, word in enumerate(words)
        if word in _NUMBERING
        for start in range(max(0, at - 3), at)
        if (kind := _titles().get(tuple(words[start:at])))
    ]


def _match(words: Sequence[str], start: int, end: int) -> TitleMatch | None:
    title = tuple(words[start:end])
    kind = _titles().get(title) or _titles().get(tuple(word.replace("-", "") for word in title))
    if kind is None and len(title) == 1 and start == 0:
        kind, title = _compound(title[0])
    if kind is None:
        return None
    quality = _quality(words[:start], words[end:])
    return TitleMatch(kind, " ".join(title), quality) if quality else None


def _quality(before: Sequence[str], after: Sequence[str]) -> float:
    if not before and not after:
        return EXACT
    if after and after[0] in _LABEL_WORDS:
        is_number = after[0] in _NUMBERING and len(after) > 1 and any(map(str.isdigit, after[1]))
        return NUMBERED * 0.8 if is_number and not before else 0.0
    if not before and any(map(str.isdigit, after[0])):
        return NUMBERED
    return INSIDE if len(before) + len(after) <= MOST_TITLE_WORDS - 1 else 0.0


def _compound(word: str) -> tuple[str | None, tuple[str, ...]]:
    """Read a German or Dutch compound by its end: a Monatsrechnung is a Rechnung."""
    for title, kind in _titles().items():
        is_long = len(title) == 1 and len(title[0]) >= MIN_COMPOUND and len(word) > len(title[0]) + 2
        if is_long and word.endswith(title[0]):
            return kind, title
    return None, ()
