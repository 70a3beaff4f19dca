"""Follow one job: its transitions, each once and in order, and its progress between them.

Everything comes from the database, so that any process can go on where another one broke off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import structlog

from affidavit.infra.db import Database, is_unavailable
from affidavit.jobs import repository
from affidavit.jobs.status import TERMINAL, JobKind
from affidavit.jobs.views import Glance, JobView, Progress, Transition
from affidavit.jobs.watch import Watch

log = structlog.get_logger()

News = Transition | Progress | JobView

# A stream ends by itself after this and its reader comes back: keys are checked again, and the
# connections spread over new processes.
LIFETIME_SECONDS: Final = 900.0
AWAY_SECONDS: Final = 1.0  # between two looks for a database that is away


async def follow(
    db: Database, watch: Watch, environment_id: str, job_id: str, after: int
) -> AsyncIterator[News]:
    """Yield the transitions later than `after`, the job as it then is, and its progress; again and again.

    Ends after the job that follows its terminal transition, when the process is about to stop, or
    after a quarter of an hour.
    """
    until = asyncio.get_running_loop().time() + LIFETIME_SECONDS
    seen = after
    while True:
        transitions, view = await _read(db, environment_id, job_id, seen)
        for transition in transitions:
            yield transition
            seen = transition.seq
        if view is None:
            return
        if view.event_seq > seen:
            continue  # it moved between our two reads
        yield view
        if view.status in TERMINAL:
            return
        shown = Progress.of(view)
        while (glance := await _next(watch, view, seen, shown, until)) is not None:
            if glance.event_seq > seen:
                break
            shown = glance.progress
            yield shown
        if glance is None:
            return


async def _next(watch: Watch, view: JobView, seen: int, shown: Progress, until: float) -> Glance | None:
    """Wait for a transition, or for progress that was not shown yet; None at the end of the stream."""

    def is_new(glance: Glance) -> bool:
        return glance.event_seq > seen or glance.progress.is_news_after(shown)

    left = until - asyncio.get_running_loop().time()
    return await watch.until(view.id, is_new, max(left, 0), counts=view.kind is JobKind.BATCH)


async def _read(
    db: Database, environment_id: str, job_id: str, after: int
) -> tuple[list[Transition], JobView | None]:
    """Read transitions first and the job second, so that the job is never older than they are."""
    while True:
        try:
            transitions = await repository.find_transitions(db, environment_id, job_id, after)
            return transitions, await repository.find_view(db, environment_id, job_id)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("stream.waits", error=type(error).__name__, job_id=job_id)
            await asyncio.sleep(AWAY_SECONDS)
