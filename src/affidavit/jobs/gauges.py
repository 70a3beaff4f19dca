"""Set the gauges that say how the queue stands, from the database, when somebody asks for them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from affidavit.infra import metrics
from affidavit.infra.db import Database
from affidavit.webhooks import gauges as webhook_gauges

FRESH_SECONDS: Final = 2.0  # two scrapers, or two that overlap, share one look
PATIENCE_SECONDS: Final = 3.0  # an absent database must not cost the scrape its other figures

_PRIORITY: Final = "CASE WHEN priority < 0 THEN 'low' WHEN priority > 0 THEN 'high' ELSE 'normal' END"

# Queued and running tasks alone, which partial indexes hold: what ended is not counted.
_TASKS: Final = f"""
SELECT CASE WHEN status = 'running' THEN 'running' WHEN run_after > now() THEN 'delayed' ELSE 'due' END
    AS state,
    {_PRIORITY} AS priority, count(*) AS n,
    extract(epoch FROM now() - min(greatest(created_at, run_after)))::float8 AS age
FROM job_tasks WHERE status = 'queued' OR status = 'running' GROUP BY 1, 2
"""  # noqa: S608 - a constant of ours

_JOBS: Final = """
SELECT status, count(*) AS n FROM jobs WHERE status IN ('queued', 'processing') GROUP BY 1
"""

PRIORITIES: Final = ("low", "normal", "high")
STATES: Final = ("due", "delayed", "running")


class Gauges:
    """Asks the database at most every two seconds. Never raises: an absent database is counted."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._asked_at = float("-inf")
        self._turn = asyncio.Lock()

    async def refresh(self) -> None:
        """Bring the gauges up to date; without the database they keep what they had."""
        async with self._turn:
            if time.monotonic() - self._asked_at < FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    _set_tasks(await self._db.fetch(_TASKS))
                    _set_jobs(await self._db.fetch(_JOBS))
                    await webhook_gauges.refresh(self._db)
            except Exception:  # noqa: BLE001 - whatever is wrong with it, the other figures are wanted now
                metrics.GAUGES_FAILED.inc()
            self._asked_at = time.monotonic()


def _set_tasks(rows: list[Any]) -> None:
    found = {(row["state"], row["priority"]): row for row in rows}
    for priority in PRIORITIES:
        for state in STATES:
            row = found.get((state, priority))
            metrics.QUEUE_TASKS.labels(state, priority).set(0 if row is None else row["n"])
        due = found.get(("due", priority))
        metrics.QUEUE_AGE.labels(priority).set(0.0 if due is None else due["age"])


def _set_jobs(rows: list[Any]) -> None:
    found = {row["status"]: row["n"] for row in rows}
    for status in ("queued", "processing"):
        metrics.JOBS.labels(status).set(found.get(status, 0))
