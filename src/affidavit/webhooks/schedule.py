"""When a delivery is tried: the schedule as data, with jitter and a receiver's Retry-After."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

# Each delay counts from the attempt before it: ten attempts over 75 h 35 min, as Standard Webhooks
# 1.0.0 advises (section "Deliverability and reliability").
DELAYS: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER: Final = 0.2  # each delay is up to a fifth longer, so that a backlog does not return as one wave
MAX_RETRY_AFTER: Final = timedelta(hours=24)  # a receiver may ask for the longest gap of ours, not for more


@dataclass(frozen=True, slots=True)
class Schedule:
    """The delays before each attempt. `scale` shrinks them all, for tests of what takes days."""

    delays: tuple[timedelta, ...] = DELAYS
    scale: float = 1.0

    @property
    def attempts(self) -> int:
        """Return how often a delivery is tried before it is a dead letter."""
        return len(self.delays)

    def delay_after(self, attempts: int, retry_after: timedelta | None = None) -> timedelta | None:
        """Return the wait after so many failed attempts, or None when that was the last.

        A Retry-After may lengthen the wait, up to 24 h; it never shortens it. It is not scaled: the
        receiver's seconds are real ones.
        """
        if attempts >= self.attempts:
            return None
        delay = self.delays[attempts] * (1 + random.random() * JITTER) * self.scale
        return delay if retry_after is None else max(delay, min(retry_after, MAX_RETRY_AFTER))
