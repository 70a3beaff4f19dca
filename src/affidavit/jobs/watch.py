"""Watch jobs: one poller per process, however many callers wait, and no connection held."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from affidavit.infra.db import Database
from affidavit.jobs import repository
from affidavit.jobs.views import Glance

log = structlog.get_logger()

# Of ten thousand jobs a look takes longer: the poller rests nineteen times as long as it looked.
REST: Final = 19
LONGEST_REST_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 1.0  # how often the items of a batch are counted, which is no single row

Wants = Callable[[Glance], bool]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """Someone who waits for a job to look as it wants; `counts` when a batch's items matter too."""

    future: asyncio.Future[Glance | None]
    wants: Wants
    counts: bool


class Watch:
    """Tells waiters when their job has changed. Polls only while someone waits."""

    def __init__(self, db: Database, interval: timedelta) -> None:
        self._db = db
        self._interval = interval.total_seconds()
        self._waiters: defaultdict[str, set[_Waiter]] = defaultdict(set)
        self._counted: dict[str, tuple[float, dict[str, int]]] = {}  # of a batch: when, and its items
        self._poller: asyncio.Task[None] | None = None
        self._is_draining = False

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to stop, so that nobody should wait any more."""
        return self._is_draining

    async def settled(self, job_id: str, seconds: float) -> bool:
        """Wait until the job ends or needs a review; False when so many seconds passed first."""
        return await self.until(job_id, lambda glance: glance.is_settled, seconds) is not None

    async def until(
        self, job_id: str, wants: Wants, seconds: float, *, counts: bool = False
    ) -> Glance | None:
        """Wait until the job looks as wanted; None when the time passed first or the process stops."""
        if self._is_draining:
            return None
        waiter = _Waiter(asyncio.get_running_loop().create_future(), wants, counts)
        self._waiters[job_id].add(waiter)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(waiter.future, seconds)
        except TimeoutError:
            return None
        finally:
            self._forget(job_id, waiter)

    def drain(self) -> None:
        """Send everyone who waits away, now and from now on: they ask another process."""
        self._is_draining = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.future.done():
                    waiter.future.set_result(None)

    async def close(self) -> None:
        """Stop polling."""
        self.drain()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _poll(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._waiters:
            began = clock()
            try:
                await self._look(began)
            except Exception as error:  # noqa: BLE001 - the database may be away; waiters time out
                log.warning("watch.failed", error=type(error).__name__)
                await asyncio.sleep(LONGEST_REST_SECONDS)
            await asyncio.sleep(max(self._interval, min(REST * (clock() - began), LONGEST_REST_SECONDS)))

    async def _look(self, now: float) -> None:
        """Ask for all watched jobs at once, and wake those who see what they wait for."""
        batches = self._due_batches(now)
        glances = await repository.find_glances(self._db, list(self._waiters), batches)
        for job_id, glance in glances.items():
            if glance.progress.children is not None:
                self._counted[job_id] = now, glance.progress.children
            known = self._counted.get(job_id)
            self._wake(job_id, glance if known is None else glance.with_children(known[1]))

    def _due_batches(self, now: float) -> list[str]:
        """Return the batches whose items are to be counted in this look; forget old counts."""
        fresh = {job_id: found for job_id, found in self._counted.items() if now - found[0] < COUNT_SECONDS}
        self._counted = fresh
        return [
            job_id
            for job_id, found in self._waiters.items()
            if job_id not in fresh and any(one.counts for one in found)
        ]

    def _wake(self, job_id: str, glance: Glance) -> None:
        for waiter in self._waiters.get(job_id, ()):
            if not waiter.future.done() and waiter.wants(glance):
                waiter.future.set_result(glance)

    def _forget(self, job_id: str, waiter: _Waiter) -> None:
        waiting = self._waiters[job_id]
        waiting.discard(waiter)
        if not waiting:
            del self._waiters[job_id]
