"""Measure how long a fault keeps anything from going on."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Self

import asyncpg

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0
RUNNING = "SELECT id, attempt FROM job_tasks WHERE status = 'running'"
#: Tasks that still run under the attempt that they had when the fault came.
STUCK = """
SELECT count(*) FROM job_tasks t JOIN unnest($1::text[], $2::int[]) AS was(id, attempt)
    ON was.id = t.id AND was.attempt = t.attempt WHERE t.status = 'running'
"""
#: Something was begun or ended since, or nothing was left to do. A statement that writes: reads
#: are not enough to call a database back.
MOVED = """
SELECT EXISTS (SELECT FROM job_tasks WHERE greatest(started_at, finished_at) > $1)
    OR NOT EXISTS (SELECT FROM job_tasks WHERE status IN ('queued', 'running') AND run_after <= now())
"""


class Recovery:
    """From before a fault until every task that ran then has moved on, and work goes on.

    Use it as a context around the injection; `begin` is called at the last moment before the fault. A thread
    looks while the fault is still there.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._seconds: float | None = None
        self.was_idle = False  # nothing ran that the fault could hit
        self._is_set_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._thread.join(PATIENCE_SECONDS + 10)

    def begin(self) -> None:
        """Note what runs and start the clock, the first time that it is called."""
        if not self._is_set_up.is_set():
            self._thread.start()
            self._is_set_up.wait(10)
            self._is_set_up.set()

    def wait(self) -> float | None:
        """Return the seconds that it took, or None if it was longer than a minute."""
        self.begin()
        self._thread.join(PATIENCE_SECONDS + 10)
        return self._seconds

    async def _watch(self) -> None:
        connection = await asyncpg.connect(self._url)
        rows = await connection.fetch(RUNNING)
        since = await connection.fetchval("SELECT now()")
        ids, attempts = [row["id"] for row in rows], [row["attempt"] for row in rows]
        self.was_idle = not ids
        self._is_set_up.set()
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE_SECONDS:
            try:
                if connection is None:
                    connection = await asyncpg.connect(self._url, timeout=2)
                stuck = await connection.fetchval(STUCK, ids, attempts, timeout=2)
                moved = await connection.fetchval(MOVED, since, timeout=2)
            except Exception:  # noqa: BLE001 - whatever a dying database makes of a connection
                _drop(connection)
                connection = None
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if not stuck and moved:
                self._seconds = time.monotonic() - started
                break
            await asyncio.sleep(LOOK_SECONDS)
        _drop(connection)


def _drop(connection: Any) -> None:
    if connection is not None:
        connection.terminate()
