"""Make some documents poison: whoever reads them is killed, whenever it is seen."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import Self

import asyncpg
import psutil

from trial.documents import Sample
from trial.installation import Installation

LOOK_SECONDS = 0.02
POISONED = """
SELECT t.id FROM job_tasks t JOIN jobs j ON j.id = t.job_id JOIN documents d ON d.id = j.document_id
WHERE d.sha256 = ANY($1) AND t.status = 'running'
AND j.environment_id IS DISTINCT FROM (SELECT id FROM environments WHERE name = 'reference')
"""


class Poisoner:
    """A thread that kills the children that read certain documents. Use it as a context."""

    def __init__(self, site: Installation, samples: Sequence[Sample]) -> None:
        self._site = site
        self._digests = [sha256(sample.data).hexdigest() for sample in samples]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(20)

    async def _run(self) -> None:
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        while not self._is_over.is_set():
            try:
                if connection is None:
                    connection = await asyncpg.connect(self._site.database_url, timeout=2)
                rows = await connection.fetch(POISONED, self._digests, timeout=2)
                self._kill({row["id"] for row in rows})
            except Exception:  # noqa: BLE001 - whatever a dying database makes of a connection
                if connection is not None:
                    connection.terminate()
                connection = None
            await asyncio.sleep(LOOK_SECONDS)

    def _kill(self, task_ids: set[str]) -> None:
        """Kill the children that stand in the folder of one of these tasks."""
        if not task_ids:
            return
        for worker in self._site.workers:
            for child in self._site.children(worker):
                with contextlib.suppress(psutil.Error, OSError):
                    if self._site.task_of(child) in task_ids:
                        child.kill()
