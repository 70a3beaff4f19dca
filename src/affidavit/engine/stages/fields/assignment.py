"""Give each leaf its value so that all together fit best and no place on a page serves two leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from affidavit.engine.stages.fields.candidates import Candidate

Key = str
Place = tuple[str, int]

NOTHING = 0.0  # what leaving a leaf empty scores; candidates score above it


def assign(candidates: Mapping[Key, Sequence[Candidate]]) -> dict[Key, Candidate]:
    """Return one candidate per leaf, or none, with the greatest sum of scores and each place used once."""
    chosen: dict[Key, Candidate] = {}
    for group in _components(candidates):
        chosen.update(_assign_group({key: candidates[key] for key in group}))
    return chosen


def _components(candidates: Mapping[Key, Sequence[Candidate]]) -> list[list[Key]]:
    """Group the leaves that compete, directly or through others; the groups are small."""
    groups: list[tuple[set[Place], list[Key]]] = []
    for key, options in candidates.items():
        places, keys = {option.span.place for option in options}, [key]
        apart = []
        for other_places, other_keys in groups:
            if places & other_places:
                places, keys = places | other_places, other_keys + keys
            else:
                apart.append((other_places, other_keys))
        groups = [*apart, (places, keys)]
    return [keys for _, keys in groups]


def _assign_group(candidates: Mapping[Key, Sequence[Candidate]]) -> dict[Key, Candidate]:
    keys = list(candidates)
    places = sorted({option.span.place for options in candidates.values() for option in options})
    column = {place: number for number, place in enumerate(places)}
    options: dict[tuple[int, int], Candidate] = {}
    for row, key in enumerate(keys):
        for option in candidates[key]:
            at = (row, column[option.span.place])
            if at not in options or option.score > options[at].score:
                options[at] = option
    width = len(places) + len(keys)  # one empty place per leaf
    gains = [
        [options[row, at].score if (row, at) in options else NOTHING for at in range(width)]
        for row in range(len(keys))
    ]
    pairs = enumerate(best_matching(gains))
    return {keys[row]: options[row, at] for row, at in pairs if (row, at) in options}


def best_matching(gains: Sequence[Sequence[float]]) -> list[int]:
    """Return for each row the column that it gets, each column once, with the greatest sum of gains.

    There must be at least as many columns as rows. Hungarian method with potentials, O(rows² x columns)
    (Kuhn 1955, Munkres 1957).
    """
    rows, columns = len(gains), len(gains[0]) if gains else 0
    row_potential = [0.0] * (rows + 1)
    column_potential = [0.0] * (columns + 1)
    owner = [0] * (columns + 1)  # row of each column, 1-based; 0 is none
    for row in range(1, rows + 1):
        _augment(row, gains, row_potential, column_potential, owner)
    result = [0] * rows
    for column in range(1, columns + 1):
        if owner[column]:
            result[owner[column] - 1] = column - 1
    return result


def _augment(
    row: int,
    gains: Sequence[Sequence[float]],
    row_potential: list[float],
    column_potential: list[float],
    owner: list[int],
) -> None:
    """Find the cheapest alternating path from `row` to a free column and flip it."""
    columns = len(column_potential) - 1
    slack = [float("inf")] * (columns + 1)
    came_from = [0] * (columns + 1)
    used = [False] * (columns + 1)
    owner[0] = row
    column = 0
    while owner[column]:
        used[column] = True
        here, delta, following = owner[column], float("inf"), 0
        for other in range(1, columns + 1):
            if used[other]:
                continue
            cost = -gains[here - 1][other - 1] - row_potential[here] - column_potential[other]
            if cost < slack[other]:
                slack[other], came_from[other] = cost, column
            if slack[other] < delta:
                delta, following = slack[other], other
        for other in range(columns + 1):
            if used[other]:
                row_potential[owner[other]] += delta
                column_potential[other] -= delta
            else:
                slack[other] -= delta
        column = following
    while column:
        owner[column] = owner[came_from[column]]
        column = came_from[column]
