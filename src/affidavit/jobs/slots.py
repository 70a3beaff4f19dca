"""The slots of a worker, of which some are kept for short documents."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from affidavit.jobs.claim import Claim
from affidavit.jobs.status import TaskKind

# Of ten slots one, and one of any two to nine. A worker with a single slot keeps none: it would never do
# what is long.
KEPT_SHARE: Final = 0.1
# A slot is kept as long as short documents come: one that would stay empty for longer than this is better
# lent, for a batch at a time.
EXPECTED_SECONDS: Final = 60.0


class Slots:
    """Counts what long documents take of `count` slots. A long document is one of several batches."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = count
        self._for_long = count - max(1, round(KEPT_SHARE * count)) if count > 1 else count
        self._clock = clock
        self._held: dict[str, bool] = {}
        self._short_at: float | None = None

    @property
    def held(self) -> set[str]:
        """The ids of the tasks that have a slot."""
        return set(self._held)

    @property
    def is_free(self) -> bool:
        """Tell whether another task may be claimed."""
        return len(self._held) < self.count

    @property
    def is_kept(self) -> bool:
        """Tell whether the next slot is one for short documents, and such may come."""
        if self._short_at is None or self._clock() - self._short_at > EXPECTED_SECONDS:
            return False
        return sum(self._held.values()) >= self._for_long

    def take(self, claim: Claim) -> None:
        """Give a slot to a task."""
        self._held[claim.task_id] = claim.kind is TaskKind.READ and claim.pages is not None

    def leave(self, claim: Claim) -> None:
        """Take the slot back."""
        self._held.pop(claim.task_id, None)

    def saw_short(self) -> None:
        """Note that a document was done in one batch."""
        self._short_at = self._clock()
