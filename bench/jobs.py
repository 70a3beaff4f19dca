"""Measure jobs end to end: idle latency, a burst beside the engine alone, and memory after many jobs.

    python bench/jobs.py [--samples 40] [--burst 500] [--rounds 2] [--workers 2]

Every job has a document of its own, one page with a text layer, so no page is read twice. The engine's own
time is that of the same document through the same entry point in this process, right after the job; in the
burst the floor is two processes that do that with all documents, in turns with the stack.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import reading
from figures import machine, percentile, ratios, spread, verdict
from stack import Running, cpu_seconds, running, scratch

WARM_UP_JOBS = 10
SENDERS = 8  # connections that submit a burst
RSS_AFTER = (200, 1000)
RSS_GROWTH = 0.10
LATENCY_MS = 100.0
BURST_SECONDS = 600.0  # most
SETTLE_SECONDS = 3.0  # what is freed late is freed by then
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    """One job on an idle stack, in ms."""

    answered: float  # POST sent to answer read
    seen: float  # POST sent to `completed` read by a long poll
    done: float  # POST sent to `completed` in the database, whose clock is this machine's
    until_start: float  # accepted to claimed, by the database's clock
    until_end: float  # accepted to completed, by the database's clock
    engine: float


@dataclass(frozen=True, slots=True)
class Burst:
    """One round: what the engine alone did a second, and what the stack did, and who used the CPU."""

    floor_per_second: float
    per_second: float
    cores_busy: list[float]
    cpu_ms_per_job: dict[str, float]


def main() -> int:
    """Measure and print; 1 when a job did not complete."""
    given = _parse()
    print(f"{machine()}\n")
    reading.warm_up()
    with running(workers=given.workers) as stack, stack.client() as client, asyncio.Runner() as loop:
        bench = Bench(stack, client, loop)
        bench.run_up_to(WARM_UP_JOBS)
        print(_describe_latency([bench.sample() for _ in range(given.samples)]), flush=True)
        before = bench.rss_after(RSS_AFTER[0])
        bursts = [bench.burst(given.burst)]
        after = bench.rss_after(RSS_AFTER[1])
        print(_describe_rss(before, after), flush=True)
        bursts += [bench.burst(given.burst) for _ in range(given.rounds - 1)]
        print(_describe_bursts(bursts, given.burst, given.workers))
        died = stack.died()
    print("\n".join(f"{name} died" for name in died))
    return 1 if died else 0


class Bench:
    """A stack under measurement. `done` counts the jobs that completed."""

    def __init__(self, stack: Running, client: httpx.Client, loop: asyncio.Runner) -> None:
        self._stack = stack
        self._loop = loop
        # One connection for all: each new one would cost Postgres a process.
        self._database = loop.run(asyncpg.connect(stack.database_url))
        self._client = client
        self._numbers = count(1)
        self._random = random.Random(4711)
        self.done = 0

    def sample(self) -> Sample:
        """Run one job on the idle stack, at a moment that no timer of the stack can be in step with."""
        data = self._document()
        time.sleep(0.3 + self._random.random() / 2)
        sent, started = time.time(), time.perf_counter()
        job_id = self._submit(data)
        answered = time.perf_counter()
        job = self._client.get(f"/v1/jobs/{job_id}", params={"wait": 30}).raise_for_status().json()
        seen = time.perf_counter()
        assert job["status"] == "completed", job
        self.done += 1
        accepted, claimed, completed = (
            datetime.fromisoformat(job[name]) for name in ("created_at", "started_at", "completed_at")
        )
        return Sample(
            answered=(answered - started) * 1000,
            seen=(seen - started) * 1000,
            done=(completed.timestamp() - sent) * 1000,
            until_start=(claimed - accepted).total_seconds() * 1000,
            until_end=(completed - accepted).total_seconds() * 1000,
            engine=reading.read(data) * 1000,
        )

    def burst(self, jobs: int) -> Burst:
        """Let the engine alone read as many documents, then the stack."""
        floor = jobs / engine_alone([self._document() for _ in range(jobs)])
        documents = [self._document() for _ in range(jobs)]
        roles = self._cpu()
        cores = psutil.cpu_times(percpu=True)
        seconds = self.submit_all(documents)
        cores_busy = [_busy(before, after) for before, after in _paired(cores)]
        spent = {name: (cpu - roles[name]) * 1000 / jobs for name, cpu in self._cpu().items()}
        return Burst(floor, jobs / seconds, cores_busy, spent)

    def submit_all(self, documents: Sequence[bytes]) -> float:
        """Submit documents on some connections wait for all; return the seconds by Postgres's clock."""
        started = self._rows("SELECT now() AS at")[0]["at"]
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(self._submit, documents))
        ended = self._await(len(documents), started)
        self.done += len(documents)
        return float((ended - started).total_seconds())

    def run_up_to(self, jobs: int) -> None:
        """Run jobs until so many are done in all."""
        self.submit_all([self._document() for _ in range(jobs - self.done)])

    def rss_after(self, jobs: int) -> dict[str, float]:
        """Run jobs until so many are done in all, then return the resident MB of each process."""
        self.run_up_to(jobs)
        time.sleep(SETTLE_SECONDS)
        return {
            name: process.memory_info().rss / 1e6
            for name, process in self._stack.roles.items()
            if name == "api" or name.startswith("worker")
        }

    def _document(self) -> bytes:
        return reading.document(next(self._numbers))

    def _submit(self, data: bytes) -> str:
        answer = self._client.post("/v1/parse", files={"file": ("a.pdf", data)}).raise_for_status()
        return str(answer.json()["id"])

    def _await(self, jobs: int, since: datetime) -> datetime:
        deadline = time.monotonic() + BURST_SECONDS
        while True:
            row = self._rows(
                "SELECT count(*) FILTER (WHERE status = 'completed') AS completed, "
                "count(*) FILTER (WHERE status IN ('failed', 'canceled')) AS failed, "
                "max(completed_at) AS ended FROM jobs WHERE created_at >= $1",
                since,
            )[0]
            if row["completed"] == jobs:
                ended: datetime = row["ended"]
                return ended
            if row["failed"] or time.monotonic() > deadline:
                raise SystemExit(f"of {jobs} jobs {row['completed']} completed, {row['failed']} failed")
            time.sleep(LOOK_SECONDS)

    def _rows(self, statement: str, *args: object) -> list[Any]:
        return self._loop.run(self._database.fetch(statement, *args))

    def _cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each part; a worker's without its host, a host's with its children."""
        roles = self._stack.roles
        spent: dict[str, float] = {}
        for name, process in roles.items():
            part = "engine" if name.endswith("host") else name.partition("-")[0]
            own = process.cpu_times()
            seconds = own.user + own.system if part == "worker" else cpu_seconds(process)
            spent[part] = spent.get(part, 0.0) + seconds
        this = psutil.Process().cpu_times()
        return spent | {"this client": this.user + this.system}


def engine_alone(documents: Sequence[bytes]) -> float:
    """Read documents in two processes; return the seconds that the slower one took."""
    with scratch() as folder, ExitStack() as stack:
        readers = [_reader(stack, folder / str(at), documents[at::2]) for at in range(2)]
        for reader in readers:
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
        for reader in readers:
            assert reader.stdin
            reader.stdin.write("\n")
            reader.stdin.flush()
        return max(float(reader.communicate(timeout=BURST_SECONDS)[0]) for reader in readers)


def _reader(stack: ExitStack, folder: Path, documents: Sequence[bytes]) -> subprocess.Popen[str]:
    folder.mkdir()
    for number, data in enumerate(documents):
        (folder / f"{number:05d}.pdf").write_bytes(data)
    reader = subprocess.Popen(
        [sys.executable, reading.__file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(reader.kill)
    return reader


def _paired(before: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(before, psutil.cpu_times(percpu=True), strict=True))


def _busy(before: Any, after: Any) -> float:
    """Return the share of a core's time that was not idle."""
    idle = float(after.idle - before.idle)
    return 1 - idle / max(float(sum(after[:8]) - sum(before[:8])), 1e-9)


def _describe_latency(samples: Sequence[Sample]) -> str:
    rows = {
        "POST to its answer": [sample.answered for sample in samples],
        "accepted to started": [sample.until_start for sample in samples],
        "accepted to completed": [sample.until_end for sample in samples],
        "engine, same document in this process": [sample.engine for sample in samples],
    }
    judged = {
        "POST to `completed` in the row, less the engine": [each.done - each.engine for each in samples],
        "POST to `completed` seen by ?wait, less the engine": [each.seen - each.engine for each in samples],
    }
    lines = [f"Idle latency of a one-page PDF, {len(samples)} jobs, p50 / p90 in ms"]
    lines += [f"  {name}: {_two(row)}" for name, row in rows.items()]
    lines += [
        f"  {name}: {_two(row)}; {verdict(percentile(row, 0.5), LATENCY_MS, at_most=True)}"
        for name, row in judged.items()
    ]
    return "\n".join([*lines, ""])


def _two(row: Sequence[float]) -> str:
    return f"{percentile(row, 0.5):.0f} / {percentile(row, 0.9):.0f}"


def _describe_bursts(bursts: Sequence[Burst], jobs: int, workers: int) -> str:
    floor = [burst.floor_per_second for burst in bursts]
    ours = [burst.per_second for burst in bursts]
    parts = {
        name: spread([burst.cpu_ms_per_job[name] for burst in bursts]).median
        for name in bursts[0].cpu_ms_per_job
    }
    cores = ", ".join(f"{percent:.0%}" for burst in bursts for percent in burst.cores_busy)
    return "\n".join(
        [
            f"Burst of {jobs} one-page jobs, {workers} workers, {len(bursts)} rounds",
            f"  {spread(ours):.1f} jobs/s; engine alone, two processes: {spread(floor):.1f} pages/s",
            f"  ratio {ratios(ours, floor):.2f}",
            f"  cores busy: {cores}",
            "  CPU ms a job: " + ", ".join(f"{name} {cost:.1f}" for name, cost in parts.items()),
            "",
        ]
    )


def _describe_rss(before: dict[str, float], after: dict[str, float]) -> str:
    lines = [f"Resident MB after {RSS_AFTER[0]} and after {RSS_AFTER[1]} jobs"]
    for name, least in before.items():
        growth = after[name] / least - 1
        told = verdict(growth, RSS_GROWTH, at_most=True)
        lines.append(f"  {name}: {least:.1f} and {after[name]:.1f}, {growth:+.1%}; {told}")
    return "\n".join([*lines, ""])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure jobs end to end.")
    parser.add_argument("--samples", type=int, default=40, help="jobs of the idle latency")
    parser.add_argument("--burst", type=int, default=500, help="jobs of one burst")
    parser.add_argument("--rounds", type=int, default=2, help="bursts, in turns with the engine alone")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
