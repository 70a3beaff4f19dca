"""The fair order in which tasks are claimed: between environments, and inside one of them.

Between environments it is start-time fair queueing (Goyal, Vin and Cheng, 1996) by pages served. Each
has a virtual time, which rises by pages over weight with every claim; the one that is least far goes
next. The system's own time is the start tag of the latest claim, and nobody starts further behind it than
a burst: an environment that was idle has that many pages read before it takes turns again, and has hoarded
no more. So what comes now and then hardly waits for what always has work.

Inside an environment it is priority, then `vstart`, then age. `vstart` is a place on the environment's
own clock of pages served: where that stood when the task was planned, plus the pages of the job that go
before it. So a job that is submitted behind a long one goes between its batches.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# As the index ix_job_tasks_due has them: all ascending, so that a place is one comparison of rows.
PLACE: Final = "-{0}.priority, {0}.vstart, {0}.created_at, {0}.id"

# Pages that an environment may be behind the others and make up for at once.
BURST: Final = 32

# Environments with queued tasks, by one look into the index for each ("loose index scan"), and when it is
# whose turn. Needs WITH RECURSIVE.
TURNS: Final = f"""
waiting (environment_id) AS (
    (SELECT environment_id FROM job_tasks WHERE status = 'queued' ORDER BY environment_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.environment_id FROM job_tasks t
        WHERE t.status = 'queued' AND t.environment_id > w.environment_id ORDER BY t.environment_id LIMIT 1)
    FROM waiting w WHERE w.environment_id IS NOT NULL
), turns AS MATERIALIZED (
    SELECT w.environment_id, greatest(s.vtime, v.tag - {BURST}) AS tag
    FROM waiting w CROSS JOIN (SELECT greatest(max(tag), 0) AS tag FROM queue_shares) v
    LEFT JOIN queue_shares s ON s.environment_id = w.environment_id
    WHERE w.environment_id IS NOT NULL AND (s.max_running IS NULL OR s.max_running > (
        SELECT count(*) FROM job_tasks r WHERE r.status = 'running' AND r.environment_id = w.environment_id))
    ORDER BY greatest(s.vtime, v.tag - {BURST}), w.environment_id
)"""  # noqa: S608 - a constant of ours

POSITION_CAP: Final = 200

# How many tasks of its own environment are claimed before the first task of job `j`, when nothing else
# comes; at most POSITION_CAP, since counting a long queue for each poll would cost more than the number is
# worth. Other environments are not in it: they take their turns whoever is first in this one, and how much
# they have waiting is none of the caller's business.
QUEUE_POSITION: Final = f"""(
    SELECT count(*) FROM (
        SELECT FROM job_tasks t JOIN job_tasks o
            ON o.status = 'queued' AND o.environment_id = t.environment_id
            AND ({PLACE.format("o")}) < ({PLACE.format("t")})
        WHERE t.job_id = j.id AND t.n = 1 LIMIT {POSITION_CAP}) ahead)
"""  # noqa: S608 - constants of ours

_CHARGE: Final = text("""
UPDATE queue_shares SET served = served + :pages, vtime = vtime + :pages / weight
WHERE environment_id = :environment_id
""")

_SERVED: Final = text("SELECT served FROM queue_shares WHERE environment_id = :environment_id")


async def charge(session: AsyncSession, environment_id: str, pages: int) -> None:
    """Count pages that a claimed task turned out to have beyond the one that its claim counted.

    The share's row is locked last of all, by claims too.
    """
    await session.execute(_CHARGE, {"environment_id": environment_id, "pages": pages})


async def served(session: AsyncSession, environment_id: str) -> int:
    """Return how many pages were served to the environment: its clock."""
    found = (await session.execute(_SERVED, {"environment_id": environment_id})).scalar_one_or_none()
    return found or 0
