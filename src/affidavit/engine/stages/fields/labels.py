"""Find the labels on the pages: which words name a value, and which value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from rapidfuzz import fuzz, process

from affidavit.engine.result import BoundingBox, PageSource
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan, labels_of_concepts
from affidavit.engine.stages.fields.view import Segment, Token, View, union

LONGEST = 6  # words in a label
PROSE = 12  # words in a segment, from which on it is a sentence
FUZZY = 85  # of 100: one wrong letter in seven
MIN_FUZZY_KEY = 6  # a shorter label with one wrong letter is another word
MIN_COMPOUND = 9  # letters of a compound of two words
COMPOUND = 0.85  # of the strength: Ursprungsrechnung Nr. is the number of another one
COMPOUND_WORDS = 2  # in a label that starts with one
MIN_COMPOUND_PART = 3
MIN_QUALITY = 0.25

Phrases = Mapping[str, Mapping[str, float]]

BREAKS = ":|•·;,(-\u2013/)"  # after one of these a new label may start
_VALUE_STARTS = "€$£(#-"

_RATE = re.compile(r"\d+(?:[.,]\d+)?\s?%")
_WORD = re.compile(r"[^\W_]+|[#%]")


@dataclass(frozen=True)
class Hit:
    """A label at `segment.text[start:end]`. `keys` says what it means and how strongly, 0 to 1.

    `value_start` is where a value would follow in the same segment; `has_colon` tells whether one
    is announced.
    """

    segment: Segment
    start: int
    end: int
    value_start: int
    has_colon: bool
    keys: Mapping[str, float] = field(hash=False)

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.segment.between(self.start, self.end)

    @property
    def box(self) -> BoundingBox:
        return union(token.box for token in self.tokens)

    def strength(self, keys: Iterable[str]) -> float:
        """Return how strongly this label means one of `keys`."""
        return max((self.keys.get(key, 0.0) for key in keys), default=0.0)


def phrases_of(plans: Sequence[Plan], parties: Mapping[str, str] | None = None) -> Phrases:
    """Return all labels to look for: the lexicon's, the leaves' own, and those of `parties` by label."""
    phrases: dict[str, dict[str, float]] = {label: dict(keys) for label, keys in labels_of_concepts().items()}
    for plan in plans:
        for label, strength in plan.own:
            if label:
                keys = phrases.setdefault(label, {})
                keys[plan.key] = max(keys.get(plan.key, 0.0), strength)
    for label, party in (parties or {}).items():
        phrases.setdefault(label, {})[party] = 1.0
    return phrases


def find_labels(view: View, phrases: Phrases) -> list[Hit]:
    """Return the labels on all pages, in order. Of two that overlap, the longer one stands."""
    hits: list[Hit] = []
    for segment in view.segments:
        hits.extend(labels_in(segment, phrases))
    labelled = {id(hit.segment) for hit in hits}
    noisy = [
        segment
        for segment in view.segments
        if id(segment) not in labelled and view.pages[segment.page].source is not PageSource.NATIVE
    ]
    hits.extend(_fuzzy(noisy, phrases))
    return sorted(hits, key=lambda hit: (hit.segment.row, hit.segment.box[0], hit.start))


def labels_in(segment: Segment, phrases: Phrases) -> list[Hit]:
    """Return the labels in one segment; of two that overlap, the longer one."""
    words = list(_WORD.finditer(segment.text))
    rates = [match.span() for match in _RATE.finditer(segment.text)]
    spelled = ["" if _is_in(word, rates) else label_key(word[0]) for word in words]
    taken: set[int] = set()
    hits = []
    for first, last in _windows(len(words)):
        if not spelled[first] or not spelled[last]:
            continue  # a rate is in a label, not of it: "plus 19 % VAT" is "plus VAT", "19 % VAT" is "VAT"
        keys = phrases.get("".join(spelled[first : last + 1])) or _compound(
            spelled[first : last + 1], phrases
        )
        if not keys or not taken.isdisjoint(range(first, last + 1)):
            continue
        hit = _hit(segment, words[first].start(), words[last].end(), keys, 1.0)
        if hit:
            taken.update(range(first, last + 1))
            hits.append(hit)
    return hits


def _is_in(word: re.Match[str], places: Sequence[tuple[int, int]]) -> bool:
    return any(start <= word.start() and word.end() <= end for start, end in places)


def _compound(words: Sequence[str], phrases: Phrases) -> Mapping[str, float] | None:
    """Look a label up whose first word is the end of a compound: Handelsrechnung Nr. is Rechnung Nr."""
    if not 1 < len(words) <= COMPOUND_WORDS or len(words[0]) < MIN_COMPOUND:
        return None
    key = "".join(words)
    starts = range(MIN_COMPOUND_PART, len(words[0]) - MIN_COMPOUND_PART)
    found = next((phrases[key[start:]] for start in starts if key[start:] in phrases), None)
    return {meaning: strength * COMPOUND for meaning, strength in found.items()} if found else None


def _windows(count: int) -> Iterator[tuple[int, int]]:
    """Yield windows of words as (first, last), long before short."""
    for length in range(min(LONGEST, count), 0, -1):
        for first in range(count - length + 1):
            yield first, first + length - 1


def _fuzzy(segments: Sequence[Segment], phrases: Phrases) -> Iterator[Hit]:
    """Yield labels at the start of segments that OCR may have misread by a letter or two."""
    choices = [label for label in phrases if len(label) >= MIN_FUZZY_KEY]
    for segment in segments:
        words = list(islice(_WORD.finditer(segment.text), LONGEST))
        best: tuple[float, str, int] | None = None
        for last in range(len(words)):
            key = label_key(segment.text[: words[last].end()])
            if len(key) < MIN_FUZZY_KEY:
                continue
            found = process.extractOne(key, choices, scorer=fuzz.ratio, score_cutoff=FUZZY)
            if found and (best is None or found[1] > best[0]):
                best = (found[1], found[0], words[last].end())
        if best:
            hit = _hit(segment, words[0].start(), best[2], phrases[best[1]], best[0] / 100)
            if hit:
                yield hit


def _hit(segment: Segment, start: int, end: int, keys: Mapping[str, float], likeness: float) -> Hit | None:
    colon = re.match(r"[\s.)\]]*(?:\([^)]*\)\s*)?[:\uff1a]\s*", segment.text[end:])
    quality = likeness * _quality(segment, start, end, has_colon=colon is not None)
    if quality < MIN_QUALITY or (quality < 0.9 and end - start <= 2):
        return None
    return Hit(
        segment=segment,
        start=start,
        end=end,
        value_start=end + (colon.end() if colon else 0),
        has_colon=colon is not None,
        keys={key: strength * quality for key, strength in keys.items()},
    )


def _quality(segment: Segment, start: int, end: int, *, has_colon: bool) -> float:
    """Judge how much a place looks like a label's: at the start, before a colon, a number or nothing."""
    before, after = segment.text[:start].rstrip(), segment.text[end:].lstrip(" .)")
    following = after.split(maxsplit=1)[0] if after else ""
    announces = has_colon or not after or after[0] in _VALUE_STARTS or any(map(str.isdigit, following))
    is_sentence = len(segment.tokens) >= PROSE
    quality = 1.0
    if before and before[-1] in BREAKS:
        quality = 0.9
    elif before:
        quality = 0.8 if announces and not is_sentence else 0.6
    if announces:
        return quality
    return quality * (0.5 if is_sentence else 0.7)
