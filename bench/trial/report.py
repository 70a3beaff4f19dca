"""Say what a run came to: a table by kind of fault, what was counted, and what was broken."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from figures import machine, percentile

from trial.judgement import Judgement

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected; `seconds` is None when it was not over within a minute."""

    name: str
    seconds: float | None
    was_idle: bool

    def __str__(self) -> str:
        took = "not within a minute" if self.seconds is None else f"{self.seconds:.1f} s"
        return f"{self.name}: {took}{', nothing ran' if self.was_idle else ''}"


@dataclass(frozen=True, slots=True)
class Report:
    """All there is to say. `answers` are those that clients had, `manners` those that the receiver gave."""

    injected: Sequence[Injected]
    judgement: Judgement
    answers: Counter[str]
    manners: Counter[str]
    seconds: float
    seed: int

    def show(self) -> None:
        """Print it."""
        kinds: dict[str, list[Injected]] = {}
        for each in self.injected:
            kinds.setdefault(each.name, []).append(each)
        print(
            f"\n{len(self.injected)} faults of {len(kinds)} kinds in {self.seconds:.0f} s, "
            f"seed {self.seed}\n\n"
            "| fault | times | of them while tasks ran | recovery p50 s | p99 s | max s |\n"
            "| --- | --: | --: | --: | --: | --: |"
        )
        for name, injected in sorted(kinds.items()):
            print(_row(name, injected))
        print("\n" + "\n".join(f"{name}: {n}" for name, n in sorted(self.judgement.counts.items())))
        print("answers: " + ", ".join(f"{n} x {what}" for what, n in self.answers.most_common()))
        print("receiver: " + ", ".join(f"{n} x {what}" for what, n in self.manners.most_common()))
        for invariant, texts in self.judgement.violations.items():
            if texts:
                print(f"\n{invariant}: {len(texts)} violations")
                print("\n".join(f"  {text}" for text in texts[:MOST_SHOWN]))
        print("\nNo invariant was broken." if self.judgement.is_clean else "\nBROKEN.", flush=True)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        found = {
            "machine": machine(),
            "command": sys.argv,
            "seconds": self.seconds,
            "seed": self.seed,
            "faults": [asdict(each) for each in self.injected],
            "counts": self.judgement.counts,
            "answers": self.answers,
            "receiver": self.manners,
            "violations": {name: texts for name, texts in self.judgement.violations.items() if texts},
        }
        path.write_text(json.dumps(found, indent=1, default=str))


def _row(name: str, injected: Sequence[Injected]) -> str:
    took = [inf if each.seconds is None else each.seconds for each in injected if not each.was_idle]
    figures = [percentile(took, 0.5), percentile(took, 0.99), max(took)] if took else []
    shown = " | ".join(f"{figure:.1f}" for figure in figures) or "- | - | -"
    return f"| {name} | {len(injected)} | {len(took)} | {shown} |"
