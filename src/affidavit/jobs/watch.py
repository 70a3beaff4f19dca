"""Wait for jobs: one poller per process, however many callers wait, and no connection held."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

import structlog

from affidavit.infra.db import Database
from affidavit.jobs import repository

log = structlog.get_logger()


class Watch:
    """Tells waiters when a job has nothing more to wait for. Polls only while someone waits."""

    def __init__(self, db: Database, interval: timedelta) -> None:
        self._db = db
        self._interval = interval.total_seconds()
        self._waiters: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None

    async def settled(self, job_id: str, seconds: float) -> bool:
        """Wait until the job ends or needs a review; False when so many seconds passed first."""
        future = asyncio.get_running_loop().create_future()
        self._waiters[job_id].add(future)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._forget(job_id, future)
        return True

    async def close(self) -> None:
        """Stop polling; whoever still waits runs into the timeout."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _poll(self) -> None:
        while self._waiters:
            try:
                for job_id in await repository.find_settled(self._db, list(self._waiters)):
                    self._wake(job_id)
            except Exception as error:  # noqa: BLE001 - the database may be away; waiters time out
                log.warning("watch.failed", error=type(error).__name__)
            await asyncio.sleep(self._interval)

    def _wake(self, job_id: str) -> None:
        for future in self._waiters.get(job_id, ()):
            if not future.done():
                future.set_result(None)

    def _forget(self, job_id: str, future: asyncio.Future[None]) -> None:
        waiting = self._waiters[job_id]
        waiting.discard(future)
        if not waiting:
            del self._waiters[job_id]
