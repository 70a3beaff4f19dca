"""Split a recognised line into words, each with its place along the line.

The recogniser gives characters with the column of its feature map where each was seen. A word
begins after a space, or after a hole too wide for a space to be missing by chance.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Columns are 8 px of a line that is 48 px high. Wide capitals stand up to 4 columns apart; a hole
# of more than 5, and more than 2.5 times what is usual in the line, is a gap between words.
HOLE_COLUMNS = 5.0
HOLE_PITCHES = 2.5


@dataclass(frozen=True, slots=True)
class Character:
    """A character of a line: `column` is where its centre was seen, None for a space."""

    text: str
    confidence: float
    column: float | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of a line; `first` and `last` are the columns of its first and last character."""

    text: str
    confidence: float
    first: float
    last: float


def split(characters: Sequence[Character]) -> list[Piece]:
    """Return the words of a line from left to right, none of them empty."""
    hole = _hole(characters)
    groups: list[list[Character]] = [[]]
    previous: float | None = None
    for character in characters:
        if character.column is None:
            groups.append([])
            continue
        if previous is not None and character.column - previous > hole:
            groups.append([])
        groups[-1].append(character)
        previous = character.column
    return [_piece(group) for group in groups if group]


def characters_of(text: str, confidences: Sequence[float], columns: Iterable[float]) -> list[Character]:
    """Pair a line's characters with their columns, which spaces do not have."""
    places = iter(columns)
    return [
        Character(char, confidence, None if char.isspace() else next(places, None))
        for char, confidence in zip(text, confidences, strict=False)
    ]


def _hole(characters: Sequence[Character]) -> float:
    columns = [each.column for each in characters if each.column is not None]
    pitches = [after - before for before, after in pairwise(columns)]
    return max(HOLE_COLUMNS, HOLE_PITCHES * statistics.median(pitches)) if pitches else HOLE_COLUMNS


def _piece(group: list[Character]) -> Piece:
    columns = [each.column for each in group if each.column is not None]
    return Piece(
        text="".join(each.text for each in group),
        confidence=statistics.fmean(each.confidence for each in group),
        first=columns[0],
        last=columns[-1],
    )
