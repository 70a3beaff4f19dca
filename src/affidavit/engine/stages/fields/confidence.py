"""Say how sure a value is, 0 to 100, from what spoke for it and against it.

A heuristic, not yet calibrated: score (label, place, type and reading) lowered by how close the
next value came. 90 and over: a clear label, the right type, no rival. Under 50: a guess by place.
"""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.engine.stages.fields.candidates import Candidate

RIVALRY = 0.35  # how much a rival as good as the value takes away
MOST = 99  # rules alone are never certain


def confidence_of(chosen: Candidate, options: Sequence[Candidate]) -> int:
    """Return the confidence in `chosen` among `options` for the same leaf."""
    rivals = [option.score for option in options if option.span.value != chosen.span.value]
    rival = min(1.0, max(rivals, default=0.0) / chosen.score) if chosen.score else 1.0
    return max(1, min(MOST, round(100 * min(1.0, chosen.score) * (1 - RIVALRY * rival**2))))
