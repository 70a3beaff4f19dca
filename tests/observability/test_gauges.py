"""What a scrape of the API says of the queue is what the database has."""

from __future__ import annotations

from sqlalchemy import text

from affidavit.infra import metrics
from affidavit.infra.db import SYSTEM, Database
from affidavit.jobs.gauges import Gauges

JOBS = """
INSERT INTO jobs (id, environment_id, operation, status) VALUES ('job_1', 'env_1', 'parse', 'queued')
"""
TASKS = """
INSERT INTO job_tasks (id, job_id, environment_id, n, kind, status, priority, created_at, run_after) VALUES
    ('task_1', 'job_1', 'env_1', 1, 'read', 'queued', 0, now() - interval '90 s', now() - interval '60 s'),
    ('task_2', 'job_1', 'env_1', 2, 'read', 'queued', 10, now(), now() + interval '1 h'),
    ('task_3', 'job_1', 'env_1', 3, 'read', 'running', 0, now() - interval '900 s', now() - interval '900 s'),
    ('task_4', 'job_1', 'env_1', 4, 'read', 'done', 0, now() - interval '900 s', now() - interval '900 s')
"""
DELIVERIES = """
INSERT INTO webhook_deliveries (id, environment_id, lane, message_id, event_type, payload, due_at) VALUES
    ('dlv_1', 'env_1', 'https://x.example', 'msg_1', 'job.completed', '{}', now() - interval '40 s'),
    ('dlv_2', 'env_1', 'https://x.example', 'msg_2', 'job.completed', '{}', now() + interval '1 h')
"""


def value(name: str, **labels: str) -> float:
    found = metrics.REGISTRY.get_sample_value(name, labels)
    assert found is not None, name
    return found


async def test_queue_and_deliveries_are_shown_by_state_priority_and_age(db: Database) -> None:
    async with db.begin(SYSTEM) as session:
        for statement in (JOBS, TASKS, DELIVERIES):
            await session.execute(text(statement))

    await Gauges(db).refresh()

    assert value("affidavit_queue_tasks", state="due", priority="normal") == 1
    assert value("affidavit_queue_tasks", state="delayed", priority="high") == 1
    assert value("affidavit_queue_tasks", state="running", priority="normal") == 1
    assert value("affidavit_queue_tasks", state="due", priority="low") == 0
    assert 60 <= value("affidavit_queue_oldest_seconds", priority="normal") < 90  # since it was due
    assert value("affidavit_queue_oldest_seconds", priority="high") == 0  # none is due
    assert value("affidavit_jobs_unfinished", status="queued") == 1
    assert value("affidavit_webhook_deliveries_pending") == 2
    assert 40 <= value("affidavit_webhook_delivery_oldest_due_seconds") < 3600


async def test_what_has_gone_from_the_queue_goes_from_the_gauges(db: Database) -> None:
    async with db.begin(SYSTEM) as session:
        for statement in (JOBS, TASKS):
            await session.execute(text(statement))
    await Gauges(db).refresh()
    async with db.begin(SYSTEM) as session:
        await session.execute(text("DELETE FROM job_tasks"))

    await Gauges(db).refresh()

    assert value("affidavit_queue_tasks", state="due", priority="normal") == 0
    assert value("affidavit_queue_oldest_seconds", priority="normal") == 0


async def test_absent_database_is_counted_and_raises_nothing() -> None:
    db = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    before = value("affidavit_database_gauges_failed_total")

    await Gauges(db).refresh()

    assert value("affidavit_database_gauges_failed_total") == before + 1
    await db.close()
