"""Find runs of words that spell a text, however it is spaced, hyphenated or broken into lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from affidavit.engine.stages.grounding.words import Position, Words, nearest
from affidavit.engine.stages.values.folding import squash

Run = tuple[Position, ...]

LONGEST_WORD = 60  # letters
LONGEST_TEXT = 4_000  # letters of a text that is looked for
MANY_STARTS = 200  # from which on the rarest word of the text is asked first
MOST_RUNS = 2_000
MOST_STARTS = 50_000
MOST_STEPS = 4_000  # in trying the ways on from one start
MOST_SKIPPED = 3  # signs between two words that spell nothing
SHORTEST_JOINED = 6  # digits, of a number written in groups
_DECIMAL = re.compile(r"(?<=\d)[.,](?=(\d+))")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text to look for: its letters, after how many of them words begin, and where decimals do."""

    text: str
    letters: str
    boundaries: frozenset[int]
    marks: frozenset[int]

    @classmethod
    def of(cls, text: str) -> Wanted:
        boundaries, at = [], 0
        for piece in re.split(r"[\W_]+", text):
            boundaries.append(at)
            at += len(squash(piece))
        return cls(text, squash(text), frozenset(boundaries), marks_of(text))


def marks_of(text: str) -> frozenset[int]:
    """Return after how many letters a decimal sign stands; groups of three digits are thousands."""
    return frozenset(
        len(squash(text[: found.start()])) for found in _DECIMAL.finditer(text) if len(found[1]) != 3
    )


def runs_spelling(words: Words, text: str) -> Iterator[Run]:
    """Yield the runs of words that spell `text`, in no order; at most MOST_RUNS.

    Case, accents, spaces and signs do not count, but a decimal sign does, and digits of two columns or two
    lines are not read as one number.
    """
    wanted = Wanted.of(text)
    if not wanted.letters or len(wanted.letters) > LONGEST_TEXT:
        return
    seen: set[Run] = set()
    for run, offset in _runs(words, wanted):
        if run not in seen and _is_spelled(words, run, offset, wanted):
            seen.add(run)
            yield run
            if len(seen) >= MOST_RUNS:
                return


def _runs(words: Words, wanted: Wanted) -> Iterator[tuple[Run, int]]:
    """Yield runs with the right letters, and how many letters of the first word stand before them."""
    letters = wanted.letters
    for position in words.inside(letters):
        yield (position,), words.letters[position].index(letters)
    for length in range(1, min(len(letters), LONGEST_WORD) + 1):
        for position, offset in _starts(words, wanted, length):
            if length == len(letters):
                yield (position,), offset
            else:
                yield from ((run, offset) for run in _continued(words, wanted, position, length))


def _starts(words: Words, wanted: Wanted, length: int) -> Iterator[tuple[Position, int]]:
    """Yield where the first letters stand; where that is often, only near the rarest word of the text."""
    starts = words.starting(wanted.letters[:length])
    anchors: list[Position] | None = None
    if len(starts) > MANY_STARTS and length < len(wanted.letters):
        anchors = _rarest(words, wanted)
    for position, offset in starts[:MOST_STARTS]:
        if anchors:
            close = nearest(anchors, position)
            if close is None or abs(close - position) > len(wanted.letters):
                continue
        yield position, offset


def _rarest(words: Words, wanted: Wanted) -> list[Position] | None:
    """Return where the rarest word of the text stands, None when none of its words stands by itself."""
    pieces = {squash(piece) for piece in re.split(r"[\W_]+", wanted.text)} - {""}
    found = [starts for piece in pieces if (starts := words.starting(piece))]
    return [position for position, _ in min(found, key=len)] if found else None


def _continued(words: Words, wanted: Wanted, start: Position, length: int) -> Iterator[Run]:
    """Yield the ways to spell the text that begin with `length` letters at `start`."""
    waiting: list[tuple[Run, int, int]] = [((start,), length, 0)]
    for _ in range(MOST_STEPS):
        if not waiting:
            return
        run, at, skipped = waiting.pop()
        rest = len(wanted.letters) - at
        for position in words.following(run[-1]):
            letters = words.letters[position]
            if position in run:
                continue
            if not letters and skipped < MOST_SKIPPED:
                waiting.append(((*run, position), at, skipped + 1))
            elif letters and len(letters) < rest and wanted.letters.startswith(letters, at):
                waiting.append(((*run, position), at + len(letters), 0))
            elif letters.startswith(wanted.letters[at:]) and (
                len(letters) == rest or words.ends_at(position, rest)
            ):
                yield (*run, position)


def _is_spelled(words: Words, run: Run, offset: int, wanted: Wanted) -> bool:
    """Tell whether the run reads as the text does where digits meet and where decimals begin."""
    at = -offset
    for position, following in pairwise(run):
        at += len(words.letters[position])
        is_inside = at not in wanted.boundaries and 0 < at < len(wanted.letters)
        if is_inside and not _is_one_word(words, position, following, wanted):
            return False
    printed = marks_of(" ".join(words.tokens[position].text for position in run))
    shifted = (mark - offset for mark in printed)
    return wanted.marks == {mark for mark in shifted if 0 < mark < len(wanted.letters)}


def _is_one_word(words: Words, position: Position, following: Position, wanted: Wanted) -> bool:
    """Tell whether two printed words may be one of the text: a code in groups, or a hyphenated word."""
    before, after = words.letters[position][-1:], words.letters[following][:1]
    if before.isdigit() and after.isdigit():
        digits = sum(char.isdigit() for char in wanted.letters)
        group = re.match(r"\d+", words.letters[following])
        return (
            words.is_beside(position, following)
            and digits >= SHORTEST_JOINED
            and group is not None
            and len(group[0]) > 1
        )
    return words.is_beside(position, following) or words.tokens[position].text.endswith(
        ("-", "\u00ad", "\u2010")
    )


def is_printed_so(words: Words, run: Sequence[Position], text: str) -> bool:
    """Tell whether the run is the text as it stands, but for its spaces."""
    return " ".join(words.tokens[position].text for position in run) == " ".join(text.split())
