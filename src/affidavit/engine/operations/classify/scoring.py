"""Say how likely each label is, from the evidence of pages; `unknown` is one of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affidavit.engine.operations.classify.evidence import (
    PageText,
    Sign,
    find_words,
    signs_of_kind,
    stem,
    strongest_kinds,
    total,
)
from affidavit.engine.operations.kinds import BY_KEY, KINDS, WORDS
from affidavit.engine.operations.shapes.classify import UNKNOWN, Label
from affidavit.engine.stages.fields.view import Token
from affidavit.engine.stages.values.folding import fold, squash

NAMED, PART_NAMED, DESCRIBED = (
    1.0,
    0.8,
    0.45,
)  # how much a label is a kind: by name, by a part of it, by description
KEYWORD: Final = 1.1
NAME_ON_TOP, NAME_IN_TEXT = 2.4, 0.8
DESCRIPTION_WORD, ON_TOP = 0.3, 0.7
MOST_DESCRIPTION: Final = 2.4
NOTHING: Final = 1.3  # log odds of none of the labels when nothing speaks for any
OTHER_KIND: Final = 0.8  # of what speaks for a kind that no label stands for
STEPS: Final = 1.15  # how fast evidence becomes certainty
LATER: Final = 0.5  # of the weight of a title that is not on the first page
READ_PAGES: Final = 12  # of a document that are weighed together: its start says what it is
NO_CHANCE: Final = 0.02
MOST_ODDS: Final = 60.0
QUOTES: Final = 4
MIN_WORD: Final = 4

_COMMON_TEXT = """
this that with from such which have will been were their them these those other document
documents page pages file contains containing issued sent used like about into between where
when what type kind usually typically often also more than each including include includes und
oder eine einer eines von mit der die das dokument dokumente une des les pour avec dans qui
documento documentos con para los las del che per una
"""
_COMMON = frozenset(_COMMON_TEXT.split())


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each label's likelihood (0 to 1, `unknown` among them), best first, and the words for the best."""

    chances: tuple[tuple[str, float], ...]
    signs: tuple[Sign, ...]

    @property
    def label(self) -> str:
        return self.chances[0][0]

    @property
    def confidence(self) -> int:
        return round(100 * self.chances[0][1])

    @property
    def chance_of_label(self) -> int:
        """How likely the best label is that is not `unknown`, 0 to 100."""
        return round(100 * max((chance for name, chance in self.chances if name != UNKNOWN), default=0.0))


class Classifier:
    """Weighs pages against labels; without labels, against the kinds that are known."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._labels = tuple(labels) or tuple(Label(name=kind.key) for kind in KINDS)
        self._kinds = {label.name: _kinds_of(label) for label in self._labels}
        self._covered = {
            kind for kinds in self._kinds.values() for kind, share in kinds.items() if share >= DESCRIBED
        }
        self._words = {label.name: _description_words(label) for label in self._labels}
        self._uses = Counter(word for words in self._words.values() for word in words)

    def judge(self, pages: Sequence[PageText], *, allow_unknown: bool = True) -> Verdict:
        """Weigh `pages` as one document."""
        pages = [page for page in pages if not page.is_blank][:READ_PAGES]
        signs = {label.name: self._signs(label, pages) for label in self._labels}
        odds = {name: STEPS * total(found) for name, found in signs.items()}
        if allow_unknown or not pages:
            odds[UNKNOWN] = STEPS * max(NOTHING, OTHER_KIND * self._other_kinds(pages))
        chances = _softmax(odds)
        best = chances[0][0]
        return Verdict(chances, tuple(sorted(signs.get(best, ()), key=lambda sign: -sign.weight)))

    def _signs(self, label: Label, pages: Sequence[PageText]) -> list[Sign]:
        """Return what speaks for a label: its kind's signs, and its own words."""
        by_kind = [
            [Sign(share * sign.weight, sign.words) for sign in _document_signs(kind, pages)]
            for kind, share in self._kinds[label.name].items()
        ]
        return [*max(by_kind, key=total, default=[]), *self._own_signs(label, pages)]

    def _own_signs(self, label: Label, pages: Sequence[PageText]) -> list[Sign]:
        signs = [
            Sign(KEYWORD, words)
            for words in map(_spelled, label.labels)
            if any(f" {words} " in page.joined for page in pages)
        ][:4]
        if not self._kinds[label.name]:
            signs.extend(_name_signs(label, pages))
        room = MOST_DESCRIPTION
        for word in self._words[label.name]:
            weight = min(room, _word_weight(word, pages) / self._uses[word])
            if weight > 0:
                signs.append(Sign(weight, word))
                room -= weight
        return signs

    def _other_kinds(self, pages: Sequence[PageText]) -> float:
        found = [
            weight
            for page in pages[:2]
            for kind, weight in strongest_kinds(page).items()
            if kind not in self._covered
        ]
        return max(found, default=0.0)


def quotes_of(verdict: Verdict, pages: Sequence[PageText]) -> list[tuple[Token, ...]]:
    """Return the words that speak most for the best label, a few places."""
    found: list[tuple[Token, ...]] = []
    for sign in verdict.signs:
        places = (find_words(page.rows, sign.words) for page in pages[:READ_PAGES] if sign.words)
        tokens = next((tokens for tokens in places if tokens), ())
        if tokens and not any(set(tokens) & set(other) for other in found):
            found.append(tokens)
        if len(found) == QUOTES:
            break
    return found


def _document_signs(key: str, pages: Sequence[PageText]) -> list[Sign]:
    """Return the signs of all pages, each once, a later page's title for less."""
    best: dict[str, Sign] = {}
    layout: list[Sign] = []
    for at, page in enumerate(pages):
        signs = signs_of_kind(BY_KEY[key], page)
        without_words = [sign for sign in signs if not sign.words]
        layout = max(layout, without_words, key=total)
        for sign in signs:
            share = LATER if at and sign.weight > 1.0 else 1.0
            known = best.get(sign.words)
            if sign.words and (known is None or share * sign.weight > known.weight):
                best[sign.words] = Sign(share * sign.weight, sign.words)
    title = max(best.values(), key=lambda sign: sign.weight, default=None)
    rest = sorted((sign for sign in best.values() if sign is not title), key=lambda sign: -sign.weight)
    return [*([title] if title else []), *rest[:5], *layout]


def _kinds_of(label: Label) -> dict[str, float]:
    """Return the kinds that a label stands for and how much, by their keys."""
    name = squash(label.name)
    words = " ".join(map(stem, WORDS.findall(fold(label.name.replace("_", " ")))))
    described = " ".join(WORDS.findall(fold(label.description)))
    found: dict[str, float] = {}
    for kind in KINDS:
        names = (kind.key.replace("_", " "), *kind.names, *kind.titles)
        spelled = [" ".join(map(stem, WORDS.findall(each))) for each in names]
        if name in map(squash, names) or words in spelled:
            found[kind.key] = NAMED
        elif any(f" {each} " in f" {words} " for each in spelled):
            found[kind.key] = PART_NAMED
        elif any(f" {each} " in f" {described} " for each in kind.names if len(each) > 3):
            found[kind.key] = DESCRIBED
    return found


def _description_words(label: Label) -> tuple[str, ...]:
    words = WORDS.findall(fold(f"{label.name.replace('_', ' ')} {label.description}"))
    telling = [
        stem(word) for word in words if len(word) >= MIN_WORD and word not in _COMMON and not word.isdigit()
    ]
    return tuple(dict.fromkeys(telling))


def _name_signs(label: Label, pages: Sequence[PageText]) -> list[Sign]:
    """Look for the label's own name, where it is no kind that is known."""
    words = [stem(word) for word in WORDS.findall(fold(label.name.replace("_", " ")))]
    if words and any(set(words) <= page.top_stems for page in pages[:2]):
        return [Sign(NAME_ON_TOP, _spelled(label.name))]
    if words and any(f" {_spelled(label.name)} " in page.joined for page in pages):
        return [Sign(NAME_IN_TEXT, _spelled(label.name))]
    return []


def _word_weight(word: str, pages: Sequence[PageText]) -> float:
    if any(word in page.top_stems for page in pages[:2]):
        return ON_TOP
    return DESCRIPTION_WORD if any(word in page.stems for page in pages) else 0.0


def _spelled(text: str) -> str:
    return " ".join(WORDS.findall(fold(text.replace("_", " "))))


def _softmax(odds: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return the chance of each, best first; labels that nothing speaks for take next to none."""
    powers = {name: math.exp(min(MOST_ODDS, value)) - 1 + NO_CHANCE for name, value in odds.items()}
    whole = sum(powers.values())
    return tuple(sorted(((name, power / whole) for name, power in powers.items()), key=lambda each: -each[1]))
