"""Fit scores to how often they were right, and measure how far confidence can be trusted."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean
from typing import Any

from accuracy.equality import spelled
from accuracy.scoring import Outcome
from accuracy.truth import Truth

Told = Sequence[tuple[int, bool]]  # confidence, and whether the value was right
TENTHS = 10
MOST_POINTS = 8
LEAST_VALUES = 25  # behind a point
PRIOR = 2  # values, as right as all are, that every point is drawn to
NAMES = ("issuer", "partner_name")


@dataclass(frozen=True, slots=True)
class Seen:
    """A value that was got: where, its score 0 to 100, and whether it is right."""

    author: str
    document: str
    path: str
    score: int
    right: bool


def author(truth: Truth) -> str:
    """Return who wrote a document, as far as its truth tells; else the document itself."""
    expected = truth.expected if isinstance(truth.expected, dict) else {}
    seller = expected.get("seller")
    names = [seller.get("name")] if isinstance(seller, dict) else [expected.get(name) for name in NAMES]
    return spelled(next((name for name in names if name), truth.id))


def is_known(truth: Truth, outcome: Outcome) -> bool:
    """Tell whether the truth says anything about a value: an array that it leaves empty may be printed."""
    here = truth.expected
    for step in outcome.path:
        if isinstance(step, int):
            return bool(here)
        here = here.get(step) if isinstance(here, dict) else None
    return True


def parted(values: Sequence[Seen], parts: int, chance: Random) -> list[frozenset[str]]:
    """Part the authors at random so that each part has about as many values."""
    counts = Counter(each.author for each in values)
    order = sorted(counts)
    chance.shuffle(order)
    groups: list[list[str]] = [[] for _ in range(parts)]
    for name in sorted(order, key=lambda name: -counts[name]):
        min(groups, key=lambda group: sum(counts[each] for each in group)).append(name)
    return [frozenset(group) for group in groups]


def fitted(values: Sequence[Seen]) -> tuple[tuple[float, float], ...]:
    """Return points (score, percent right) that never fall: isotonic regression by pooling neighbours.

    Pools hold at least LEAST_VALUES values and are drawn a little to the share of all; the points stand at
    the mean scores of the pools.
    """
    if not values:
        return ()
    overall = mean(each.right for each in values)
    pools: list[list[Seen]] = []
    for each in sorted(values, key=lambda each: each.score):
        if pools and (pools[-1][-1].score == each.score or len(pools[-1]) < LEAST_VALUES):
            pools[-1].append(each)
        else:
            pools.append([each])
    if len(pools) > 1 and len(pools[-1]) < LEAST_VALUES:
        pools[-2:] = [pools[-2] + pools[-1]]
    pools = _rising(pools)
    while len(pools) > MOST_POINTS:
        at = min(range(len(pools) - 1), key=lambda at: _share(pools[at + 1]) - _share(pools[at]))
        pools[at : at + 2] = [pools[at] + pools[at + 1]]
    return tuple(
        (
            round(mean(each.score for each in pool), 1),
            round(100 * (sum(each.right for each in pool) + PRIOR * overall) / (len(pool) + PRIOR), 1),
        )
        for pool in pools
    )


def _rising(pools: list[list[Seen]]) -> list[list[Seen]]:
    """Join neighbours until the share that is right never falls."""
    rising: list[list[Seen]] = []
    for pool in pools:
        rising.append(list(pool))
        while len(rising) > 1 and _share(rising[-2]) >= _share(rising[-1]):
            last = rising.pop()
            rising[-1] += last
    return rising


def _share(pool: Sequence[Seen]) -> float:
    return sum(each.right for each in pool) / len(pool)


def curve(told: Told) -> Iterator[list[object]]:
    """Yield a row for each tenth of confidence: how many values, their mean confidence, percent right."""
    for low, group in sorted(_tenths(told).items()):
        rights = 100 * mean(right for _, right in group)
        yield [f"{low} to {low + 9}", len(group), f"{mean(sure for sure, _ in group):.0f}", f"{rights:.0f}"]


def error(told: Told) -> float:
    """Return the expected calibration error, 0 to 1, over tenths of confidence (Naeini et al. 2015)."""
    gaps = (
        len(group) * abs(mean(sure for sure, _ in group) / 100 - mean(right for _, right in group))
        for group in _tenths(told).values()
    )
    return sum(gaps) / len(told) if told else float("nan")


def _tenths(told: Told) -> Mapping[int, list[tuple[int, bool]]]:
    groups: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for sure, right in told:
        groups[min(sure, 99) // TENTHS * TENTHS].append((sure, right))
    return groups


def by_document(told: Sequence[tuple[int, Seen]]) -> list[tuple[float, float]]:
    """Return each document's mean confidence and the share of its values that is right, 0 to 1."""
    groups: dict[str, list[tuple[int, Seen]]] = defaultdict(list)
    for sure, each in told:
        groups[each.document].append((sure, each))
    return [
        (mean(sure for sure, _ in group) / 100, mean(each.right for _, each in group))
        for group in groups.values()
    ]


def error_of_documents(documents: Sequence[tuple[float, float]]) -> float:
    """Return how far a document's confidence is from the share of it that is right, on average."""
    return mean(abs(sure - share) for sure, share in documents) if documents else float("nan")


def written(fitted_points: Any, values: Sequence[Seen], given: argparse.Namespace) -> str:
    """Return the points as the package keeps them, with where they come from."""
    sets = ", ".join(given.set) or "all sets"
    documents = len({each.document for each in values})
    kinds = "documents, poor copies among them" if given.copies else "documents"
    lines = [
        "# What a score of the rules was worth, in percent that was right. Written by bench/calibrate.py.",
        f"# Fitted on {documents} {kinds} ({sets}), {len(values)} values.",
    ]
    for name in ("header", "items"):
        points = getattr(fitted_points, name)
        listed = "".join(f"\n  [{score}, {share}]," for score, share in points)
        lines += ["", f"[{name}]", f"points = [{listed}\n]"]
    return "\n".join(lines) + "\n"
