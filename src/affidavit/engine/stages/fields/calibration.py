"""Turn the rules' scores into confidence: of the fields at 80, about 80 in a hundred are right.

The points are fitted by `bench/calibrate.py` on documents with truth; they stand with where they come from in
`calibration.toml`. Values outside arrays and values in items have points of their own.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from affidavit.engine.result import Alternative, FieldValue

Points = tuple[tuple[float, float], ...]

LEAST, MOST = 1, 99  # rules alone are never certain


@dataclass(frozen=True, slots=True)
class Calibration:
    """For each kind of field the share that was right at some scores, both 0 to 100 and ascending."""

    header: Points
    items: Points

    def of(self, path: str, score: float) -> int:
        """Return the confidence of a field by its path in the data and its score."""
        points = self.items if "[" in path else self.header
        return max(LEAST, min(MOST, round(between(points, score))))

    def applied(self, fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
        """Return the fields with confidence in place of scores; no value keeps 0."""
        return {path: self._field(path, field) for path, field in fields.items()}

    def _field(self, path: str, field: FieldValue) -> FieldValue:
        if field.value is None:
            return field
        confidence = self.of(path, field.confidence)
        others = tuple(self._alternative(path, each, confidence) for each in field.alternatives)
        return field.model_copy(update={"confidence": confidence, "alternatives": others})

    def _alternative(self, path: str, other: Alternative, chosen: int) -> Alternative:
        """Return the other value with what the chosen one leaves it at most."""
        left = min(self.of(path, other.confidence), 100 - chosen)
        return other.model_copy(update={"confidence": left})


def between(points: Points, score: float) -> float:
    """Return the value at `score`, between two points along a straight line, beyond the last as there."""
    if not points:
        return score
    at = bisect_right([each for each, _ in points], score)
    if at == 0:
        return points[0][1]
    if at == len(points):
        return points[-1][1]
    (left, low), (right, high) = points[at - 1], points[at]
    return low + (high - low) * (score - left) / (right - left)


UNCALIBRATED = Calibration((), ())


@cache
def shipped() -> Calibration:
    """Return the points that come with the package."""
    told = tomllib.loads((files(__package__) / "calibration.toml").read_text("utf-8"))
    return Calibration(_points(told["header"]["points"]), _points(told["items"]["points"]))


def _points(listed: Sequence[Sequence[float]]) -> Points:
    return tuple((float(score), float(share)) for score, share in listed)
