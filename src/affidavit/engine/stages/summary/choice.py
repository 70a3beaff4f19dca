"""Choose the passages of a summary: central, early, on the topic, and each saying something new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affidavit.engine.result import BlockType
from affidavit.engine.stages.passages.passage import Passage, PassageKind
from affidavit.engine.stages.passages.terms import kin_of, terms_of
from affidavit.engine.stages.summary.centrality import Matrix, centrality, vectors
from affidavit.engine.stages.values.folding import squash

MOST_COMPARED = 1200  # sentences that are held against each other; of more, the richest
LEAST_WORDS, MOST_WORDS = 6, 60
LEAST_LETTERS = 0.6  # of a sentence's characters; less is a row of figures
REDUNDANT = 0.55  # cosine to a chosen sentence, over which one says nothing new
FIRST_IN_PART = 0.25  # added for the first sentence under a heading, less for the next ones
FIRST_IN_DOCUMENT = 0.2
ON_TITLE = 0.3
ON_FOCUS = 2.5
WITH_VALUE = 0.08  # for a number in it: terms, dates and amounts are what is looked for

_PROSE = frozenset({BlockType.PARAGRAPH, BlockType.LIST_ITEM, BlockType.CAPTION, BlockType.FORM_FIELD})


@dataclass(frozen=True, slots=True)
class Chosen:
    """A passage of a summary, and how central it is, 0 to 1."""

    passage: Passage
    weight: float


def choose(
    passages: Sequence[Passage], count: int, focus: str | None = None, *, compared: int = MOST_COMPARED
) -> list[Chosen]:
    """Return at most `count` passages in the order of the document, of at most `compared` sentences."""
    sentences = [passage for passage in passages if _is_prose(passage)]
    chosen = _chosen(_richest(sentences, passages, focus, compared), passages, count, focus)
    if len(chosen) < count:
        taken = {squash(each.passage.text) for each in chosen}
        others = [passage for passage in passages if _is_plain(passage) and squash(passage.text) not in taken]
        chosen += _chosen(others[:compared], passages, count - len(chosen), focus)
    return sorted(chosen, key=lambda each: each.passage.number)


def _is_prose(passage: Passage) -> bool:
    if passage.kind is not PassageKind.SENTENCE or passage.block not in _PROSE:
        return False
    text = passage.text
    letters = sum(char.isalpha() or char.isspace() for char in text)
    return LEAST_WORDS <= len(passage.tokens) <= MOST_WORDS and letters >= LEAST_LETTERS * len(text)


def _is_plain(passage: Passage) -> bool:
    """Tell whether a passage that is no sentence says something: a label with its value, a short line."""
    return passage.kind is PassageKind.PAIR and 2 <= len(passage.tokens) <= MOST_WORDS


def _richest(
    sentences: Sequence[Passage], passages: Sequence[Passage], focus: str | None, most: int
) -> Sequence[Passage]:
    """Return at most `most` sentences: those with the stems that the document has most."""
    if len(sentences) <= most:
        return sentences
    counts: dict[str, int] = {}
    for passage in passages:
        for term in terms_of(passage.text):
            counts[term.stem] = counts.get(term.stem, 0) + 1
    wanted = _stems(focus)
    richness = []
    for n, sentence in enumerate(sentences):
        stems = {term.stem for term in terms_of(sentence.text)}
        mean = sum(np.log(counts[stem]) for stem in stems) / (len(stems) + 3)
        richness.append((mean + (5 if stems & wanted else 0), -n))
    best = sorted(range(len(sentences)), key=lambda n: richness[n], reverse=True)[:most]
    return [sentences[n] for n in sorted(best)]


def _chosen(
    candidates: Sequence[Passage], passages: Sequence[Passage], count: int, focus: str | None
) -> list[Chosen]:
    if not candidates or count <= 0:
        return []
    rows = vectors([[term.stem for term in terms_of(each.text)] for each in candidates])
    central = centrality(rows)
    weights = central + _bonuses(candidates, passages, focus)
    order = np.argsort(-weights, kind="stable")
    return [Chosen(candidates[n], float(central[n])) for n in _distinct(order, rows, count)]


def _distinct(order: NDArray[np.intp], rows: Matrix, count: int) -> list[int]:
    """Return the first rows of `order` of which none repeats one before it."""
    kept: list[int] = []
    for n in order:
        if not kept or float((rows[kept] @ rows[n]).max()) < REDUNDANT:
            kept.append(int(n))
        if len(kept) == count:
            break
    return kept


def _bonuses(
    candidates: Sequence[Passage], passages: Sequence[Passage], focus: str | None
) -> NDArray[np.float64]:
    title = next((each for each in passages if each.kind is PassageKind.HEADING), None)
    on_title, wanted = _stems(title.text if title else None), _stems(focus)
    seen: dict[str, int] = {}
    bonuses = np.zeros(len(candidates))
    for n, passage in enumerate(candidates):
        stems = {term.stem for term in terms_of(passage.text)}
        before = seen.get(passage.context, 0)
        seen[passage.context] = before + 1
        bonuses[n] += FIRST_IN_PART / (1 + before) + FIRST_IN_DOCUMENT / (1 + n)
        bonuses[n] += ON_TITLE * len(stems & on_title) / max(1, len(on_title))
        bonuses[n] += WITH_VALUE * any(char.isdigit() for char in passage.text)
        bonuses[n] += ON_FOCUS * len({stem for stem in wanted if kin_of(stem) & stems}) / max(1, len(wanted))
    return bonuses


def _stems(text: str | None) -> frozenset[str]:
    return frozenset(term.stem for term in terms_of(text or ""))
