"""Measure recovery at the times of production: lease 20 s, beat 5 s, reap 2 s."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import asyncpg
import httpx
import redis
from figures import percentile, verdict

from trial.database import rows
from trial.documents import OCR, scan_pdf, text_pdf
from trial.faults import BELL
from trial.installation import Installation, Role

PATIENCE_SECONDS = 120.0
SUPERVISOR_SECONDS = 0.5  # `affidavit up` looks so often for what has died
LONG_PAGES = 48

ORPHANS = "SELECT id, attempt FROM job_tasks WHERE status = 'running' AND lease_owner LIKE $1"
#: Those of them that have been taken by another attempt, and when; or ended, which needs nobody.
TAKEN = """
SELECT t.started_at FROM job_tasks t JOIN unnest($1::text[], $2::int[]) AS was(id, attempt) ON was.id = t.id
WHERE t.attempt > was.attempt
"""

LEFT = "SELECT FROM jobs WHERE status IN ('queued', 'processing')"


class Timings:
    """An installation whose recoveries are timed, one after another."""

    def __init__(self, site: Installation, key: str, seed: int) -> None:
        self._site = site
        self._rng = Random(f"timings {seed}")
        self._numbers = count(1)
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{site.apis[0].port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        )

    def report(self, samples: int, rounds: int) -> bool:
        """Measure everything, print it beside its targets, and tell whether all were met."""
        self.start()  # the workers are still warming up
        print("| what | samples | p50 s | p99 s | max s | |\n| --- | --: | --: | --: | --: | --- |")
        met = [
            self._show("accepted to started, idle", {0.5: 0.1}, [self.start() for _ in range(samples)]),
            self._show(
                "cancel of a running job to the end of its child",
                {1.0: 15.0},
                [self.cancel() for _ in range(rounds)],
            ),
            self._show("FLUSHALL to the start of a job", {1.0: 10.0}, [self.flush() for _ in range(rounds)]),
            self._show(
                "Postgres kill -9 to the first commit",
                {1.0: 15.0},
                [self.kill_postgres() for _ in range(rounds)],
            ),
            self._show(
                "worker kill -9 to each of its tasks taken over",
                {0.5: 20.0, 0.99: 40.0},
                [seconds for _ in range(rounds) for seconds in self.kill_worker()],
            ),
        ]
        return all(met)

    def _show(self, name: str, targets: dict[float, float], values: list[float]) -> bool:
        p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
        shown = "; ".join(
            f"p{share * 100:.0f} {verdict(percentile(values, share), target, at_most=True)}"
            for share, target in targets.items()
        )
        print(f"| {name} | {len(values)} | {p50:.3f} | {p99:.2f} | {max(values):.2f} | {shown} |", flush=True)
        return all(percentile(values, share) <= target for share, target in targets.items())

    def start(self) -> float:
        """Time an idle start, by the database's clock, at a moment that is in step with nothing."""
        time.sleep(0.3 + self._rng.random() / 2)
        job_id = self._submit(text_pdf(next(self._numbers), pages=1))
        self._until(lambda: self._status(job_id) == "completed", "a job to end")
        (row,) = self._rows("SELECT started_at - created_at AS waited FROM jobs WHERE id = $1", job_id)
        return float(row["waited"].total_seconds())

    def cancel(self) -> float:
        """Time a cancellation until nothing of the job runs any more."""
        job_id = self._submit(scan_pdf(next(self._numbers), pages=LONG_PAGES), ocr=True)
        self._until(lambda: self._site.busy_workers() != [], "a child")
        time.sleep(self._rng.random() * 2)
        started = time.monotonic()
        self._client.delete(f"/v1/jobs/{job_id}").raise_for_status()
        self._until(lambda: self._site.busy_workers() == [], "the child to be dead")
        took = time.monotonic() - started
        assert self._status(job_id) == "canceled"
        return took

    def flush(self) -> float:
        """Time a job whose ring was flushed before anybody could hear it."""
        with redis.Redis.from_url(self._site.servers.redis_url) as bell:
            for worker in self._site.workers:
                self._site.signal(worker, signal.SIGSTOP)
            job_id = self._submit(text_pdf(next(self._numbers), pages=1))
            self._until(lambda: bell.zcard(BELL) > 0, "the ring")
            bell.flushall()
            started = time.monotonic()
            for worker in self._site.workers:
                self._site.signal(worker, signal.SIGCONT)
        self._until(lambda: self._status(job_id) != "queued", "the job to start")
        took = time.monotonic() - started
        self._until(lambda: self._status(job_id) == "completed", "the job to end")
        return took

    def kill_postgres(self) -> float:
        """Time the database's absence: until a submission is accepted again."""
        self._submit(scan_pdf(next(self._numbers), pages=8), ocr=True)
        self._until(lambda: self._site.busy_workers() != [], "a child")
        started = time.monotonic()
        for process in self._site.server("postgres")[:1]:
            process.kill()
        time.sleep(SUPERVISOR_SECONDS)
        self._site.servers.revive()
        self._until(self._accepted, "a submission to be accepted")
        took = time.monotonic() - started
        self._await_idle()
        return took

    def kill_worker(self) -> list[float]:
        """Time the take-over of each task that a killed worker had."""
        self._until(self._all_are_busy, "all to be busy")
        time.sleep(self._rng.random() * 5)
        victim = max(self._site.workers, key=lambda worker: len(self._orphans(worker)))
        self._site.signal(victim, signal.SIGSTOP)  # so that what it holds is what it dies with
        orphans = self._orphans(victim)
        if not orphans:
            raise SystemExit("no worker had a task when it was to be killed")
        killed_at = self._rows("SELECT clock_timestamp() AS now")[0]["now"]
        self._site.kill(victim)
        ids, attempts = [row["id"] for row in orphans], [row["attempt"] for row in orphans]
        self._until(lambda: len(self._rows(TAKEN, ids, attempts)) == len(ids), "the tasks to be taken over")
        taken = [row["started_at"] for row in self._rows(TAKEN, ids, attempts)]
        self._site.heal()
        self._await_idle()
        return [(at - killed_at).total_seconds() for at in taken]

    def _all_are_busy(self) -> bool:
        """Give work to all; the worker that was killed before may still be starting."""
        if self._rows(LEFT) == []:
            for _ in range(2):
                self._submit(scan_pdf(next(self._numbers), pages=LONG_PAGES), ocr=True)
        return len(self._site.busy_workers()) == len(self._site.workers)

    def _orphans(self, worker: Role) -> list[asyncpg.Record]:
        assert worker.process is not None
        return self._rows(ORPHANS, f"%:{worker.process.pid}:%")  # host, process, a number of its own

    def _submit(self, data: bytes, *, ocr: bool = False) -> str:
        fields = {"options": json.dumps(OCR)} if ocr else {}
        answer = self._client.post("/v1/parse", files={"file": ("a.pdf", data)}, data=fields)
        return str(answer.raise_for_status().json()["id"])

    def _accepted(self) -> bool:
        try:
            self._submit(text_pdf(next(self._numbers), pages=1))
        except httpx.HTTPError:
            return False
        return True

    def _status(self, job_id: str) -> str:
        return str(self._rows("SELECT status FROM jobs WHERE id = $1", job_id)[0]["status"])

    def _await_idle(self) -> None:
        self._until(lambda: self._rows(LEFT) == [], "all jobs to end")

    def _rows(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        return rows(self._site.database_url, statement, *args)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > give_up:
                raise SystemExit(f"waited {PATIENCE_SECONDS:.0f} s for {what}")
            time.sleep(0.02)
