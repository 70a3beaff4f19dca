"""Find a text that was misread: start from words that were read right, or nearly, and compare around them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from affidavit.engine.result import PageSource
from affidavit.engine.stages.grounding.misreading import cost_of
from affidavit.engine.stages.grounding.spelling import Run
from affidavit.engine.stages.grounding.words import Position, Words
from affidavit.engine.stages.values.folding import squash

SHORTEST = 4  # letters; under it one wrong letter makes another word
LONGEST_TEXT = 1_500  # letters
ANCHORS = 4  # words of the text that are looked for
ALIKE = 0.6  # of a word that may be an anchor misread
SPELLINGS = 10  # of an anchor
PLACES = 60  # of a spelling
SLACK = 2  # words to either end of where the text should stand
ROWS = 3  # lines of a column that a text may go on in
GLUED = 40  # letters of words that may have been read as one


def runs_like(words: Words, text: str) -> Iterator[tuple[Run, float]]:
    """Yield runs of words that may be `text` misread, with what that costs; see `misreading.cost_of`."""
    wanted = [squash(piece) for piece in re.split(r"[\W_]+", text)]
    wanted = [each for each in wanted if each]
    letters = "".join(wanted)
    if not SHORTEST <= len(letters) <= LONGEST_TEXT:
        return
    seen: set[Run] = set()
    for position, before in _anchors(words, wanted):
        for chain in _chains(words, position, len(letters)):
            best = _best(words, chain, position, wanted, before)
            if best and best[0] not in seen:
                seen.add(best[0])
                yield best


def _anchors(words: Words, wanted: Sequence[str]) -> Iterator[tuple[Position, int]]:
    """Yield where words of the text may stand, and how many of its letters come before them."""
    starts = [sum(map(len, wanted[:number])) for number in range(len(wanted))]
    found = []
    for number in sorted(range(len(wanted)), key=lambda number: -len(wanted[number]))[: 3 * ANCHORS]:
        places = [position for position, _ in words.starting(wanted[number])[: PLACES + 1]]
        if places:
            found.append((len(places), places, starts[number]))
    for _, places, before in sorted(found)[:ANCHORS]:
        yield from ((position, before) for position in places[:PLACES])
    longest = sorted(range(len(wanted)), key=lambda number: -len(wanted[number]))[:ANCHORS]
    for number in longest:
        if len(wanted[number]) >= SHORTEST:
            yield from ((each, starts[number]) for each in _misread(words, wanted[number]))
    whole = "".join(wanted)
    if len(wanted) > 1 and len(whole) <= GLUED:
        yield from ((each, 0) for each in _misread(words, whole))


def _misread(words: Words, letters: str) -> Iterator[Position]:
    lengths = range(max(SHORTEST - 1, int(len(letters) * 0.7)), int(len(letters) * 1.4) + 2)
    spellings = [each for length in lengths for each in words.vocabulary.get(length, ())]
    alike = process.extract(
        letters, spellings, scorer=Levenshtein.normalized_similarity, score_cutoff=ALIKE, limit=SPELLINGS
    )
    for spelling, _, _ in alike:
        yield from (position for position, _ in words.starting(spelling)[:PLACES])


def _chains(words: Words, position: Position, reach: int) -> Iterator[list[Position]]:
    """Yield the orders in which the words around one can be read: the page's, its column's, its cell's."""
    page = words.on_page(words.tokens[position].page)
    yield list(range(max(page.start, position - reach), min(page.stop, position + reach)))
    segment = words.segment_of(position)
    column = [segment]
    for _ in range(ROWS):
        above, below = words.above(column[0]), words.below(column[-1])
        column = [*([above] if above else []), *column, *([below] if below else [])]
    if len(column) > 1:
        yield [words.position_of(token) for each in column for token in each.tokens]
    cell = words.cell_of(position)
    if len(cell) > 1:
        yield cell


def _best(
    words: Words, chain: list[Position], position: Position, wanted: Sequence[str], before: int
) -> tuple[Run, float] | None:
    """Return the cheapest run of the chain around where the text should begin and end."""
    letters = "".join(wanted)
    at = chain.index(position)
    first = _walk(words, chain, at, before, -1)
    last = _walk(words, chain, at, len(letters) - before, 1)
    is_scanned = words.view.pages[words.tokens[position].page].source is not PageSource.NATIVE
    best: tuple[Run, float] | None = None
    firsts = range(max(0, first - SLACK), min(first + SLACK, at) + 1)
    lasts = range(max(at, last - SLACK), min(last + SLACK, len(chain) - 1) + 1)
    for start in firsts:
        for end in lasts:
            run = tuple(chain[start : end + 1])
            printed = "".join(words.letters[each] for each in run)
            if abs(len(printed) - len(letters)) > 2 + len(letters) // 6 or not words.letters[run[0]]:
                continue
            cost = cost_of(wanted, printed, is_scanned=is_scanned)
            if cost is not None and words.letters[run[-1]] and (best is None or cost < best[1]):
                best = run, cost
    return best


def _walk(words: Words, chain: list[Position], at: int, letters: int, step: int) -> int:
    """Return where the chain is after about so many letters from `at`, in the direction of `step`."""
    spent = 0 if step < 0 else len(words.letters[chain[at]])
    while spent < letters and 0 <= at + step < len(chain):
        at += step
        spent += len(words.letters[chain[at]])
    return at
