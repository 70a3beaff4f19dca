"""Compare data with its truth, leaf by leaf, and count.

Items of arrays are paired so that most of their leaves agree, whatever their order. A leaf that is not
printed is left out on both sides. Null where null is expected counts as right in the accuracy, and not at
all in precision and recall. A document that failed has every leaf wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rapidfuzz import fuzz

from accuracy import matching
from accuracy.equality import same, spelled
from accuracy.truth import Path_

MOST_PAIRS = 250_000  # of items that are compared; beyond it they are paired in their order


class Missing:
    """Stands where nothing was given: an item that the other side does not have, a document that failed."""


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One leaf: its place in the truth and in the data that was got, where it has one."""

    path: Path_
    got_path: Path_ | None
    expected: Any
    got: Any
    right: bool

    @property
    def in_array(self) -> bool:
        return any(isinstance(step, int) for step in self.path)

    @property
    def is_value(self) -> bool:
        """Whether a value was got that is right: what precision and recall count."""
        return self.right and self.expected is not None


def compare(
    expected: Any, got: Any, hidden: frozenset[Path_] = frozenset(), path: Path_ = (), got_path: Path_ = ()
) -> Iterator[Outcome]:
    """Yield an outcome per leaf of either side, but for what is hidden."""
    if path in hidden:
        return
    if isinstance(expected, dict) or isinstance(got, dict):
        for key in _keys(expected, got):
            below = (*path, key), (*got_path, key)
            yield from compare(_member(expected, key), _member(got, key), hidden, *below)
    elif isinstance(expected, list) or isinstance(got, list):
        yield from _compare_items(_items(expected), _items(got), hidden, path, got_path)
    else:
        is_right = expected is not MISSING and got is not MISSING and same(expected, got)
        yield Outcome(path, None if got is MISSING else got_path, _plain(expected), _plain(got), is_right)


def _compare_items(
    expected: Sequence[Any], got: Sequence[Any], hidden: frozenset[Path_], path: Path_, got_path: Path_
) -> Iterator[Outcome]:
    paired = align(expected, got)
    for at, to in paired:
        yield from compare(expected[at], got[to], hidden, (*path, at), (*got_path, to))
    for at in sorted(set(range(len(expected))) - {at for at, _ in paired}):
        yield from compare(expected[at], MISSING, hidden, (*path, at), ())
    for to in sorted(set(range(len(got))) - {to for _, to in paired}):
        yield from compare(MISSING, got[to], frozenset(), (*path, len(expected) + to), (*got_path, to))


def align(expected: Sequence[Any], got: Sequence[Any]) -> list[tuple[int, int]]:
    """Pair the items so that as many leaves as can be agree; between equals likeness and order decide."""
    if not expected or not got:
        return []
    if len(expected) * len(got) > MOST_PAIRS:
        return [(at, at) for at in range(min(len(expected), len(got)))]
    gains = np.array([[likeness(one, other) for other in got] for one in expected])
    order = np.abs(np.subtract.outer(np.arange(len(expected)), np.arange(len(got))))
    return matching.pairs(gains - order * (1e-6 / max(len(expected), len(got))))


def likeness(expected: Any, got: Any) -> float:
    """Return how many leaves with a value agree, and up to 0.01 for each text that nearly does."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return sum(likeness(expected[key], got[key]) for key in expected if key in got)
    if isinstance(expected, list) and isinstance(got, list):
        return sum(likeness(expected[at], got[to]) for at, to in align(expected, got))
    if expected is None or got is None:
        return 0.0
    if same(expected, got):
        return 1.0
    both = isinstance(expected, str) and isinstance(got, str)
    return fuzz.ratio(spelled(expected), spelled(got)) / 10_000 if both else 0.0


def _keys(*sides: Any) -> dict[str, None]:
    return {key: None for side in sides if isinstance(side, dict) for key in side}


def _member(side: Any, key: str) -> Any:
    if isinstance(side, dict):
        return side.get(key)
    return MISSING if side is MISSING else None


def _items(side: Any) -> Sequence[Any]:
    return side if isinstance(side, list) else []


def _plain(side: Any) -> Any:
    return None if side is MISSING else side


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over leaves: all, right ones, those with a value expected, got, and right with a value."""

    leaves: int = 0
    right: int = 0
    expected: int = 0
    got: int = 0
    values: int = 0

    @property
    def accuracy(self) -> float:
        return _share(self.right, self.leaves)

    @property
    def precision(self) -> float:
        return _share(self.values, self.got)

    @property
    def recall(self) -> float:
        return _share(self.values, self.expected)

    @property
    def f1(self) -> float:
        return _share(2 * self.values, self.expected + self.got)


def tally(outcomes: Iterable[Outcome]) -> Tally:
    """Count the outcomes."""
    known = list(outcomes)
    return Tally(
        leaves=len(known),
        right=sum(each.right for each in known),
        expected=sum(each.expected is not None for each in known),
        got=sum(each.got is not None for each in known),
        values=sum(each.is_value for each in known),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
