"""Refuse what is asked too often, and too many streams at once. Counts in this process alone."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from affidavit.errors import TooManyRequests, Unavailable

STREAM_RETRY_SECONDS: Final = 5.0  # a stream lasts as long as its job: sooner would be mere hope
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


class StreamLimit:
    """Bound the event streams that are open at once: of one key, and of this process."""

    def __init__(self, per_key: int, total: int) -> None:
        self._per_key = per_key
        self._total = total
        self._open: Counter[str] = Counter()

    def check(self, key_id: str) -> None:
        """Raise TooManyRequests or Unavailable when there is no room for another stream."""
        if self._open[key_id] >= self._per_key:
            raise TooManyRequests(
                f"This key has {self._per_key} event streams open, as many as it may. Close one, or poll.",
                code="TOO_MANY_STREAMS",
                retry_after=jittered(STREAM_RETRY_SECONDS),
            )
        if self._open.total() >= self._total:
            raise Unavailable(
                "Too many event streams are open. Try again, or poll.",
                code="OVERLOADED",
                retry_after=jittered(STREAM_RETRY_SECONDS),
            )

    @contextmanager
    def opened(self, key_id: str) -> Iterator[None]:
        """Count a stream while the block lasts."""
        self._open[key_id] += 1
        try:
            yield
        finally:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]


def jittered(seconds: float) -> float:
    """Return up to half as much again, so that those who were refused together do not return so."""
    return seconds * random.uniform(1, 1.5)
