"""Print what the bench found: a table by set, by field, and each leaf that is wrong."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from accuracy.grounding import Judgement
from accuracy.scoring import Outcome, Tally, tally
from accuracy.trial import Trial, key_of

WIDE = 60  # of a value that is shown
Row = Sequence[object]


def table(header: Row, rows: Iterable[Row]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(map(str, header)) + " |")
    print("| --- |" + " --: |" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(_cell(value) for value in row) + " |")
    print()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3f}"
    return str(value)


HEADER = (
    "set",
    "documents",
    "failed",
    "leaves",
    "accuracy",
    "precision",
    "recall",
    "F1",
    "header P",
    "header R",
    "header F1",
    "items P",
    "items R",
    "items F1",
)


def scores(name: str, trials: Sequence[Trial]) -> list[object]:
    """Return a row of the table: all leaves, then those outside and inside arrays."""
    outcomes = [outcome for trial in trials for outcome in trial.outcomes]
    every, header, items = split(outcomes)
    failed = sum(trial.error is not None for trial in trials)
    return [
        name,
        len(trials),
        failed,
        every.leaves,
        every.accuracy,
        *_prf(every),
        *_prf(header),
        *_prf(items),
    ]


def split(outcomes: Sequence[Outcome]) -> tuple[Tally, Tally, Tally]:
    """Count all leaves, those outside arrays and those inside."""
    return (
        tally(outcomes),
        tally(each for each in outcomes if not each.in_array),
        tally(each for each in outcomes if each.in_array),
    )


def _prf(counted: Tally) -> list[float]:
    return [counted.precision, counted.recall, counted.f1]


def by_set(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.truth.set].append(trial)
    return groups


def fields(trials: Sequence[Trial]) -> None:
    """Print a row per field of the schemas, the places in arrays taken together."""
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for trial in trials:
        for outcome in trial.outcomes:
            path = ".".join("[]" if isinstance(step, int) else step for step in outcome.path)
            groups[trial.truth.set, path.replace(".[]", "[]")].append(outcome)
    header = ("field", "expected", "got", "right", "precision", "recall", "F1")
    table(header, (_field(key, tally(found)) for key, found in groups.items()))


def _field(key: tuple[str, str], counted: Tally) -> list[object]:
    return [" ".join(key), counted.expected, counted.got, counted.values, *_prf(counted)]


def documents(trials: Sequence[Trial]) -> None:
    """Print a row per document."""
    rows = []
    for trial in trials:
        every, header, items = split(trial.outcomes)
        state = trial.error or f"{trial.seconds:.1f} s"
        rows.append([trial.truth.id, state, every.accuracy, every.f1, header.f1, items.f1])
    table(("document", "time", "accuracy", "F1", "header F1", "items F1"), rows)


def errors(trials: Sequence[Trial]) -> None:
    """Print every wrong leaf: document, place, what was expected, what was got, how sure it was."""
    for trial in trials:
        for outcome in trial.outcomes:
            if not outcome.right:
                print("\t".join(_error(trial, outcome)))
    print()


def _error(trial: Trial, outcome: Outcome) -> Iterator[str]:
    found = trial.field(outcome)
    yield trial.truth.id
    yield "missed" if outcome.got is None else "invented" if outcome.expected is None else "wrong"
    yield key_of(outcome.path)
    yield _shown(outcome.expected)
    yield _shown(outcome.got)
    yield str(found.confidence) if found and outcome.got is not None else "-"


def misplaced(judgements: Sequence[Judgement]) -> None:
    """Print every right value that is not grounded: document, place, value, verdict, what was cited."""
    for each in judgements:
        if not each.is_grounded:
            quote = each.citation.quote if each.citation else ""
            place = key_of(each.outcome.path)
            print(
                "\t".join((each.trial.truth.id, each.verdict, place, _shown(each.outcome.got), _shown(quote)))
            )
    print()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= WIDE else text[:WIDE] + "…"


def plain(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the figures as plain values, by set."""
    every: Callable[[Tally], dict[str, float | int]] = lambda counted: {  # noqa: E731
        "leaves": counted.leaves,
        "accuracy": counted.accuracy,
        "precision": counted.precision,
        "recall": counted.recall,
        "f1": counted.f1,
    }
    figures = {}
    for name, group in by_set(trials).items():
        counts = split([outcome for trial in group for outcome in trial.outcomes])
        parts = dict(zip(("all", "header", "items"), map(every, counts), strict=True))
        figures[name] = {
            "documents": len(group),
            "failed": sum(bool(trial.error) for trial in group),
            **parts,
        }
    return figures
