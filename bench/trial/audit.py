"""A witness inside the database: every move of jobs and tasks is written down by triggers of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import asyncpg

WITNESS = """
CREATE SCHEMA IF NOT EXISTS nemesis;
CREATE TABLE nemesis.moves (
    n bigserial PRIMARY KEY, of text NOT NULL, id text NOT NULL, was text, became text NOT NULL,
    attempt_was int, attempt int, at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION nemesis.note_job() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = nemesis, pg_temp AS $$
BEGIN
    INSERT INTO nemesis.moves (of, id, was, became)
    VALUES ('job', NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status);
    IF TG_OP = 'UPDATE' AND OLD.status IN ('completed', 'failed', 'canceled')
        AND (OLD.status, OLD.result_sha256, OLD.error, OLD.completed_at)
            IS DISTINCT FROM (NEW.status, NEW.result_sha256, NEW.error, NEW.completed_at) THEN
        INSERT INTO nemesis.moves (of, id, was, became) VALUES ('ended job', NEW.id, OLD.status, NEW.status);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION nemesis.note_task() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = nemesis, pg_temp AS $$
BEGIN
    INSERT INTO nemesis.moves (of, id, was, became, attempt_was, attempt)
    VALUES ('task', NEW.id, OLD.status, NEW.status, OLD.attempt, NEW.attempt);
    RETURN NULL;
END $$;
CREATE TRIGGER nemesis_inserted AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION nemesis.note_job();
CREATE TRIGGER nemesis_moved AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.status IN ('completed', 'failed', 'canceled'))
    EXECUTE FUNCTION nemesis.note_job();
CREATE TRIGGER nemesis_moved AFTER UPDATE ON job_tasks FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.attempt IS DISTINCT FROM NEW.attempt)
    EXECUTE FUNCTION nemesis.note_task();
"""

# From the design, not from the code that is on trial.
JOB_MOVES = {
    None: {"queued", "processing"},
    "queued": {"processing", "canceled", "failed"},
    "processing": {"completed", "failed", "canceled", "review_required"},
    "review_required": {"completed", "failed", "canceled"},
}
TASK_MOVES = {"queued": {"running", "canceled"}, "running": {"done", "failed", "canceled", "queued"}}


async def install(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Call the witness into a fresh database, as the owner of its tables."""
    await connection.execute(WITNESS)


async def violations(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Return every move that the design does not allow, and every attempt that did not rise by one."""
    rows = await connection.fetch("SELECT * FROM nemesis.moves ORDER BY n")
    moves: dict[tuple[str, str], list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        moves[row["of"], row["id"]].append(row)
    found: list[str] = []
    for (kind, name), history in moves.items():
        judge = {"job": _of_job, "task": _of_task}.get(kind, _of_ended)
        found += [f"{name}: {complaint}" for complaint in judge(history)]
    return found


def _of_job(history: list[asyncpg.Record]) -> Iterator[str]:
    for row in history:
        if row["was"] != row["became"] and row["became"] not in JOB_MOVES.get(row["was"], set()):
            yield f"moved from {row['was']} to {row['became']}"


def _of_ended(history: list[asyncpg.Record]) -> Iterator[str]:
    yield f"changed {len(history)} times after its end"


def _of_task(history: list[asyncpg.Record]) -> Iterator[str]:
    attempt = 0
    for row in history:
        if row["became"] not in TASK_MOVES.get(row["was"], set()):
            yield f"moved from {row['was']} to {row['became']}"
        attempt += row["became"] == "running"
        if row["attempt"] != attempt or row["attempt_was"] > row["attempt"]:
            yield f"attempt {row['attempt']} where {attempt} was due"
            return
