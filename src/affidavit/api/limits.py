"""Refuse status polls that are far faster than the hint. Counts in this process alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from affidavit.errors import TooManyRequests

TRACKED: Final = 20_000  # jobs; about 4 MB. Above it those that owe nothing are forgotten


class PollLimit:
    """Let each (environment, job) be asked for `per_second` times a second, and as many at once.

    The generic cell rate algorithm: one number per job, the time until which it is paid for.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cost = 1 / per_second
        self._burst = max(1.0, self._cost)  # seconds that a caller may be ahead
        self._clock = clock
        self._paid_until: dict[tuple[str, str], float] = {}

    def count(self, environment_id: str, job_id: str) -> None:
        """Count one poll. Raises TooManyRequests with the time after which one is free again."""
        now = self._clock()
        key = (environment_id, job_id)
        paid = max(self._paid_until.get(key, now), now) + self._cost
        if paid - now > self._burst + 1e-9:
            raise TooManyRequests(
                "This job is asked for far more often than its retry_after_ms says. "
                "Follow the hint, or wait with ?wait=.",
                retry_after=paid - now - self._burst,
            )
        if len(self._paid_until) >= TRACKED:
            self._forget(now)
        self._paid_until[key] = paid

    def _forget(self, now: float) -> None:
        self._paid_until = {key: paid for key, paid in self._paid_until.items() if paid > now}
        if len(self._paid_until) >= TRACKED:
            self._paid_until.clear()  # a flood of jobs: forgetting what is owed is the lesser harm
