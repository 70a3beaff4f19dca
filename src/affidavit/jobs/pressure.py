"""Refuse work while there is too much of it, by figures that are read beside the hot path.

About once a second each process asks how many pages wait in each environment, for how long, and how many
were served. What it accepts itself meanwhile it adds at once, so that one process is exact and several
overshoot by a second's worth at most. Redis has no part in it.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from affidavit.errors import ServiceError, TooManyRequests, Unavailable
from affidavit.infra.blobs import BlobHealth
from affidavit.infra.db import Database, is_unavailable
from affidavit.jobs.acceptance import Row

log = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
REST: Final = 19  # of a long queue a look takes longer: then it rests nineteen times as long
LONGEST_REST_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 5.0  # a database that is slower than this takes no more work either
PROBE_SECONDS: Final = 15.0  # a probe of the store writes to it
RATE_SECONDS: Final = 30.0  # over which the rate of service is measured
SOONEST_SECONDS: Final = 1.0
LATEST_SECONDS: Final = 300.0
UNKNOWN_SECONDS: Final = 30.0  # when nothing was served lately, nobody knows

# A task that was not opened yet is worth what its bytes suggest, until the first read knows better. Waiting
# jobs of low priority are meant to wait: their age says nothing of how well the others are served.
_BACKLOG: Final = """
SELECT t.environment_id, count(*) AS tasks,
    sum(CASE WHEN t.kind = 'finish' THEN 0 WHEN t.pages IS NOT NULL THEN cardinality(t.pages)
        WHEN d.size_bytes IS NULL THEN 1 ELSE ceil((d.size_bytes + 1) / $1::float8) END)::bigint AS pages,
    (extract(epoch FROM now() - min(j.created_at)
        FILTER (WHERE j.status = 'queued' AND t.priority >= 0)))::float8 AS oldest
FROM job_tasks t JOIN jobs j ON j.id = t.job_id LEFT JOIN documents d ON d.id = j.document_id
WHERE t.status = 'queued' GROUP BY t.environment_id
"""

_SERVED: Final = "SELECT environment_id, served FROM queue_shares"


@dataclass(frozen=True, slots=True)
class PressurePolicy:
    """What the installation takes on: pages that wait in one environment, and how long they may wait."""

    max_pages: int
    max_wait: timedelta
    bytes_per_page: int
    min_free_bytes: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one environment, as of the last look. `oldest` in seconds."""

    tasks: int = 0
    pages: int = 0
    oldest: float = 0.0


EMPTY: Final = Backlog()


class Pressure:
    """Knows how full the queue is and how fast it drains; says no before it is too late."""

    def __init__(
        self,
        db: Database,
        policy: PressurePolicy,
        probe: Callable[[], Awaitable[BlobHealth]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._policy = policy
        self._probe = probe
        self._clock = clock
        self._backlogs: dict[str, Backlog] = {}
        self._served: deque[tuple[float, dict[str, int]]] = deque()
        self._added: Counter[str] = Counter()  # pages of ours that the last look could not see
        self._recent: deque[tuple[float, str, int]] = deque()
        self._probed_at = -math.inf
        self._trouble: str | None = None
        self._misses = 0

    async def run(self) -> None:
        """Keep the figures fresh until canceled. Never raises: an absent database is a figure too."""
        while True:
            began = self._clock()
            await self.look()
            rest = 0 if self._misses else REST * (self._clock() - began)
            await asyncio.sleep(min(max(LOOK_SECONDS, rest), LONGEST_REST_SECONDS))

    async def look(self) -> None:
        """Read the figures once."""
        began = self._clock()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                rows = await self._db.fetch(_BACKLOG, self._policy.bytes_per_page)
                served = await self._db.fetch(_SERVED)
        except Exception as error:  # noqa: BLE001 - the figures stay as they were, and it is said
            self._misses = self._misses + 1 if is_unavailable(error) else 0
            log.warning("pressure.unknown", error=type(error).__name__)
        else:
            self._misses = 0
            self._reconcile(began, rows, served)
        if began - self._probed_at >= PROBE_SECONDS:
            self._probed_at = began
            self._trouble = await self._judge_store()

    def check_storage(self) -> None:
        """Refuse what could not be stored. Raises Unavailable, with OVERLOADED unless it is the database."""
        if self._misses > 1:
            raise Unavailable(
                "The database is not available. Try again.", retry_after=jittered(2 * LOOK_SECONDS)
            )
        if self._trouble is not None:
            raise _overloaded(self._trouble, UNKNOWN_SECONDS)

    def check(self, environment_id: str) -> None:
        """Refuse what is certain to be refused, before a byte of its body is read.

        Raises as `check_storage`; TooManyRequests QUEUE_FULL, Unavailable OVERLOADED.
        """
        self._check_wait(environment_id)
        if self.room(environment_id) <= 0:
            raise self._full(environment_id, 1)

    def _check_wait(self, environment_id: str) -> None:
        self.check_storage()
        backlog = self._backlogs.get(environment_id, EMPTY)
        late = backlog.oldest - self._policy.max_wait.total_seconds()
        if late > 0:
            raise _overloaded(
                f"The oldest job that waits was accepted {backlog.oldest:.0f} s ago, longer than one should.",
                self._catch_up(environment_id, backlog, late),
            )

    @contextmanager
    def admitted(self, environment_id: str, pages: int) -> Iterator[None]:
        """Count pages as waiting while they are written, and after that; not when the block raises.

        A document larger than the whole quota is taken when nothing else waits. Raises as `check`.
        """
        self._check_wait(environment_id)
        room = self.room(environment_id)
        if pages > room and room < self._policy.max_pages:
            raise self._full(environment_id, pages)
        self._added[environment_id] += pages
        try:
            yield
        except BaseException:
            self._drop(environment_id, pages)
            raise
        self._recent.append((self._clock(), environment_id, pages))

    def room(self, environment_id: str) -> int:
        """Return how many more pages the environment may have waiting."""
        backlog = self._backlogs.get(environment_id, EMPTY)
        return self._policy.max_pages - backlog.pages - self._added[environment_id]

    def wait_seconds(self, environment_id: str, position: int | None) -> float | None:
        """Estimate how long a job with so many tasks ahead of it waits; None when nobody knows.

        A job whose position was not counted is taken to be the last.
        """
        rate, backlog = self._rate(environment_id), self._backlogs.get(environment_id, EMPTY)
        if not rate or not backlog.tasks:
            return None
        ahead = backlog.tasks if position is None else position
        return (ahead + 1) * max(backlog.pages / backlog.tasks, 1) / rate

    def estimate(self, documents: list[Row], jobs: list[Row]) -> int:
        """Return how many pages a submission probably has, by the bytes that came with it."""
        sizes = {document["id"]: document["size_bytes"] for document in documents}
        return sum(
            math.ceil((sizes.get(job.get("document_id"), 0) + 1) / self._policy.bytes_per_page)
            for job in jobs
            if job["kind"] == "job"
        )

    def _reconcile(self, began: float, rows: list[asyncpg.Record], served: list[asyncpg.Record]) -> None:
        self._backlogs = {
            row["environment_id"]: Backlog(row["tasks"], int(row["pages"] or 0), row["oldest"] or 0.0)
            for row in rows
        }
        while self._recent and self._recent[0][0] < began:  # the look has seen these
            _, environment_id, pages = self._recent.popleft()
            self._drop(environment_id, pages)
        self._served.append((began, {row["environment_id"]: row["served"] for row in served}))
        while began - self._served[0][0] > RATE_SECONDS:
            self._served.popleft()

    def _drop(self, environment_id: str, pages: int) -> None:
        self._added[environment_id] -= pages
        if not self._added[environment_id]:
            del self._added[environment_id]

    def _rate(self, environment_id: str) -> float:
        """Return the pages of the environment that are served in a second, as of late."""
        if len(self._served) < 2:
            return 0.0
        (since, first), (until, last) = self._served[0], self._served[-1]
        pages = last.get(environment_id, 0) - first.get(environment_id, 0)
        return max(pages, 0) / max(until - since, 1e-3)

    def _full(self, environment_id: str, wanted: int) -> ServiceError:
        rate, missing = self._rate(environment_id), wanted - self.room(environment_id)
        seconds = missing / rate if rate else UNKNOWN_SECONDS
        return TooManyRequests(
            f"Your environment has about {self._policy.max_pages} pages waiting, as many as it may. "
            "Submit again when some are done.",
            code="QUEUE_FULL",
            retry_after=jittered(seconds),
        )

    def _catch_up(self, environment_id: str, backlog: Backlog, late: float) -> float:
        """Return how long it takes to serve the jobs that wait too long already."""
        rate = self._rate(environment_id)
        return backlog.pages * late / backlog.oldest / rate if rate else UNKNOWN_SECONDS

    async def _judge_store(self) -> str | None:
        """Say what is wrong with the place where documents are stored, None when nothing is."""
        try:
            health = await self._probe()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it takes nothing now
            log.warning("pressure.store", error=type(error).__name__)
            return "The storage of documents does not answer."
        if not health.is_writable:
            return "The storage of documents cannot be written to."
        if health.free_bytes is not None and health.free_bytes < self._policy.min_free_bytes:
            return "The storage of documents is nearly full."
        return None


def jittered(seconds: float) -> float:
    """Return up to half as much again within bounds, so that those who were refused do not return at once."""
    bounded = min(max(seconds, SOONEST_SECONDS), LATEST_SECONDS)
    return bounded * random.uniform(1, 1.5)


def _overloaded(what: str, seconds: float) -> Unavailable:
    return Unavailable(f"{what} Try again later.", code="OVERLOADED", retry_after=jittered(seconds))
