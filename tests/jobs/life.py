"""What must hold of all jobs at every moment, and what was promised for those of one test."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from affidavit.infra.db import Database
from affidavit.jobs.status import JOB_TRANSITIONS, TERMINAL, JobKind, JobStatus, TaskStatus

_JOBS = """
SELECT j.id, j.kind, j.parent_id, j.status, j.event_seq, j.result_sha256, j.error, j.completed_at,
    (SELECT count(*) FROM usage_records u WHERE u.job_id = j.id) AS usage
FROM jobs j WHERE j.environment_id = ANY($1)
"""
_EVENTS = "SELECT job_id, seq, status FROM job_events WHERE environment_id = ANY($1) ORDER BY job_id, seq"
_TASKS = "SELECT id, job_id, status, attempt, failures, crashes FROM job_tasks WHERE environment_id = ANY($1)"


@dataclass
class Promises:
    """The jobs of some environments. `committed` has the results that workers were told they committed."""

    environments: list[str]
    committed: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    ends: dict[str, tuple[object, ...]] = field(default_factory=dict)

    async def check(self, db: Database) -> None:
        """Look at everything once."""
        jobs = await db.fetch(_JOBS, self.environments)
        events = defaultdict(list)
        for row in await db.fetch(_EVENTS, self.environments):
            events[row["job_id"]].append((row["seq"], JobStatus(row["status"])))
        for job in jobs:
            self._check_history(job, events[job["id"]])
            self._check_result(job)
        _check_batches(jobs)
        self._check_tasks(await db.fetch(_TASKS, self.environments))

    async def check_quiet(self, db: Database) -> None:
        """Look whether nothing is left to do: every job has ended, and every task."""
        assert {row["status"] for row in await db.fetch(_JOBS, self.environments)} <= TERMINAL
        open_tasks = {TaskStatus.QUEUED, TaskStatus.RUNNING}
        assert not open_tasks & {row["status"] for row in await db.fetch(_TASKS, self.environments)}

    def _check_history(self, job: Any, events: list[tuple[int, JobStatus]]) -> None:
        assert [seq for seq, _ in events] == list(range(1, job["event_seq"] + 1))
        states = [status for _, status in events]
        assert states[0] == (JobStatus.PROCESSING if job["kind"] == JobKind.BATCH else JobStatus.QUEUED)
        assert states[-1] == job["status"]
        for before, after in pairwise(states):
            assert after in JOB_TRANSITIONS[before]
        assert sum(status in TERMINAL for status in states) <= 1
        if job["status"] in TERMINAL:
            end = (
                job["status"],
                job["result_sha256"],
                job["error"] and job["error"]["code"],
                job["completed_at"],
            )
            assert self.ends.setdefault(job["id"], end) == end

    def _check_result(self, job: Any) -> None:
        has_result = job["status"] == JobStatus.COMPLETED and job["kind"] == JobKind.JOB
        assert job["usage"] == int(has_result)
        assert (job["completed_at"] is not None) == (job["status"] in TERMINAL)
        assert (job["error"] is not None) == (job["status"] == JobStatus.FAILED)
        assert job["result_sha256"] == self.committed.get(job["id"])
        assert (job["result_sha256"] is not None) == has_result

    def _check_tasks(self, tasks: list[Any]) -> None:
        for task in tasks:
            assert task["attempt"] >= self.attempts.get(task["id"], 0)
            assert task["failures"] + task["crashes"] <= task["attempt"]
            self.attempts[task["id"]] = task["attempt"]


def _check_batches(jobs: list[Any]) -> None:
    children = defaultdict(list)
    for job in jobs:
        children[job["parent_id"]].append(job["status"] in TERMINAL)
    for job in jobs:
        if job["kind"] == JobKind.BATCH:
            assert (job["status"] in TERMINAL) == all(children[job["id"]])
