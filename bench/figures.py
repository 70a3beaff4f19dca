"""Sum up rounds: medians with their least and greatest, and percentiles."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, with the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.least:{spec}} to {self.greatest:{spec}})"


def spread(values: Sequence[float]) -> Spread:
    """Sum up at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], floor: Sequence[float]) -> Spread:
    """Sum up what each round reached of the floor's round beside it."""
    return spread([mine / other for mine, other in zip(ours, floor, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies, between two of them where need be."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def verdict(value: float, target: float, *, at_most: bool = False) -> str:
    """Say whether the target was met, and what it was."""
    met = value <= target if at_most else value >= target
    return f"target {'≤' if at_most else '≥'} {target:g}: {'met' if met else 'MISSED'}"


def machine() -> str:
    """Describe where this was measured, and how busy it was before."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    load = psutil.getloadavg()[0]
    return f"{psutil.cpu_count()} CPUs ({name}), Python {platform.python_version()}, load before: {load:.1f}"
