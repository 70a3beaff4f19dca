"""Rank passages for a question: BM25 over stems, and how much of the question a passage covers.

The weighting is Okapi BM25 (Robertson and Zaragoza, 2009) over the words of a passage; what stands
over it (its heading, the headers of its columns) counts for a part.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from affidavit.engine.stages.passages.passage import Passage, PassageKind
from affidavit.engine.stages.passages.terms import kin_of, terms_of

K1, B = 1.2, 0.6  # saturation, and how much a long passage is discounted
OVER = 0.6  # of a word, when it stands in the heading or header over a passage
KIN = 0.85  # of a word, when another one that means about the same stands for it
LONGEST_TITLE = 8  # words
LEAST_PART = 6  # letters of the first part of a compound
REMEMBERED = 500  # stems that were asked for
TOPIC = 0.35  # of its weight, for a word that a title has or that most passages share


def meets(stem: str, others: frozenset[str]) -> bool:
    """Tell whether one of `others` is the stem, its kin, or a compound that begins with it."""
    if not others.isdisjoint(kin_of(stem)):
        return True
    return len(stem) >= LEAST_PART and any(is_compound(stem, other) for other in others)


def is_compound(stem: str, other: str) -> bool:
    """Tell whether `other` is a word made of `stem` and another: Urlaub in Urlaubsanspruch."""
    return len(other) >= len(stem) + LEAST_PART - 2 and other.startswith(stem)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage with its score, and how much of the question's weight it covers, 0 to 1."""

    passage: Passage
    score: float
    coverage: float


class Index:
    """The passages of a document by the stems in them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        self._postings: dict[str, dict[int, float]] = {}
        self._having: dict[str, dict[int, float]] = {}
        self._lengths: list[int] = []
        for n, passage in enumerate(passages):
            stems = Counter(term.stem for term in terms_of(passage.text))
            self._lengths.append(sum(stems.values()))
            over = {term.stem for term in terms_of(f"{passage.context} {passage.headers}")}
            for stem, count in stems.items():
                self._postings.setdefault(stem, {})[n] = float(count)
            for stem in over - stems.keys():
                self._postings.setdefault(stem, {})[n] = OVER
        self._mean = sum(self._lengths) / len(passages) if passages else 1.0
        self._topics = self._topic_stems()

    def weight(self, stem: str) -> float:
        """Return how much a stem tells: more the fewer passages have it, little if it is the topic."""
        number = max(len(self.passages), 20)
        having = len(self.having(stem))
        weight = math.log(1 + (number - having + 0.5) / (having + 0.5))
        return weight * (TOPIC if not self._topics.isdisjoint(kin_of(stem)) else 1.0)

    def having(self, stem: str) -> dict[int, float]:
        """Return the passages with a stem or its kin: how often, by number."""
        if stem not in self._having:
            if len(self._having) >= REMEMBERED:
                self._having.clear()
            self._having[stem] = self._found(stem)
        return self._having[stem]

    def _found(self, stem: str) -> dict[int, float]:
        found: dict[int, float] = {}
        for other in kin_of(stem):
            factor = 1.0 if other == stem else KIN
            for n, count in self._postings.get(other, {}).items():
                found[n] = max(found.get(n, 0.0), count * factor)
        for compound in self._compounds(stem):
            for n in self._postings[compound]:
                found[n] = max(found.get(n, 0.0), KIN)
        return found

    def rank(self, stems: Sequence[str], limit: int) -> list[Ranked]:
        """Return the best passages for the stems of a question, best first."""
        scores: Counter[int] = Counter()
        covered: Counter[int] = Counter()
        whole = 0.0
        for stem in dict.fromkeys(stems):
            weight = self.weight(stem)
            whole += weight
            for n, count in self.having(stem).items():
                length = K1 * (1 - B + B * self._lengths[n] / (self._mean or 1.0))
                scores[n] += weight * count * (K1 + 1) / (count + length)  # type: ignore[assignment]
                covered[n] += weight * min(1.0, count)  # type: ignore[assignment]
        best = sorted(scores, key=lambda n: (-scores[n], n))[:limit]
        return [Ranked(self.passages[n], scores[n], covered[n] / whole if whole else 0.0) for n in best]

    def coverage(self, stems: Sequence[str], others: frozenset[str]) -> float:
        """Return how much of the weight of `stems` a text with the stems `others` covers."""
        whole = sum(self.weight(stem) for stem in dict.fromkeys(stems))
        met = sum(self.weight(stem) for stem in dict.fromkeys(stems) if meets(stem, others))
        return met / whole if whole else 0.0

    def _compounds(self, stem: str) -> list[str]:
        if len(stem) < LEAST_PART:
            return []
        return [other for other in self._postings if is_compound(stem, other)]

    def _topic_stems(self) -> frozenset[str]:
        """Return the stems of the first heading and of words that a third of the passages have."""
        first = next(iter(self.passages), None)
        headings = (each for each in self.passages if each.kind is PassageKind.HEADING)
        title = next(headings, first if first and len(first.tokens) <= LONGEST_TITLE else None)
        named = {term.stem for term in terms_of(title.text)} if title else set()
        often = {
            stem
            for stem, having in self._postings.items()
            if len(self.passages) >= 12 and len(having) * 3 > len(self.passages)
        }
        return frozenset(named | often)
