"""Measure how long a light environment waits beside a heavy one, and how equally equal ones are served.

    python bench/fairness.py [--neighbour 1000] [--burst 16] [--rounds 4] [--share 60] [--workers 2]

The light environment submits the same burst of one-page documents alone and beside a neighbour that has
a thousand jobs waiting; a wait is from acceptance to the first claim, by the database's clock. Then four
equal environments submit as many jobs each, and Jain's index is that of the jobs that each has had when the
first of them is done. Exit status 1 when the waits more than double or the index is below 0.9.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import count
from typing import Any

import asyncpg
import httpx
from figures import machine, percentile, spread, verdict
from stack import PATIENCE_SECONDS, Running, running
from trial.documents import text_pdf

from affidavit.accounts.service import Accounts
from affidavit.infra.db import Database

SENDERS = 4
EQUALS = 4
MOST_RATIO = 2.0
LEAST_INDEX = 0.9
BURST_SECONDS = 300.0


class Bench:
    """A stack with clients of several environments."""

    def __init__(self, stack: Running, loop: asyncio.Runner) -> None:
        self._stack = stack
        self._loop = loop
        self._numbers = count(1)
        self._database = loop.run(asyncpg.connect(stack.database_url))

    def client(self, environment: str) -> httpx.Client:
        """Return a client with a key of that environment."""
        key = self._loop.run(make_key(self._stack, environment))
        return httpx.Client(
            base_url=self._stack.url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def submit(self, client: httpx.Client, jobs: int) -> list[str]:
        """Submit so many documents and return the ids."""
        with ThreadPoolExecutor(SENDERS) as senders:
            return list(senders.map(lambda _: self._submit(client), range(jobs)))

    def waits(self, job_ids: Sequence[str]) -> list[float]:
        """Wait until all have started, and return the seconds that each had waited."""
        rows = self._await(
            "SELECT created_at, started_at FROM jobs WHERE id = ANY($1)", "started_at", job_ids
        )
        return [(row["started_at"] - row["created_at"]).total_seconds() for row in rows]

    def ends(self, job_ids: Sequence[str]) -> list[datetime]:
        """Wait until all have ended, and return when."""
        rows = self._await("SELECT completed_at FROM jobs WHERE id = ANY($1)", "completed_at", job_ids)
        return [row["completed_at"] for row in rows]

    def waiting(self, job_ids: Sequence[str]) -> int:
        """Count those that have not started."""
        statement = "SELECT count(*) FROM jobs WHERE id = ANY($1) AND started_at IS NULL"
        return int(self._loop.run(self._database.fetchval(statement, list(job_ids))))

    def cancel(self, job_ids: Sequence[str], client: httpx.Client) -> None:
        """Cancel what has not ended."""
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(lambda job_id: client.delete(f"/v1/jobs/{job_id}"), job_ids))

    def _submit(self, client: httpx.Client) -> str:
        data = text_pdf(next(self._numbers), pages=1)
        answer = client.post("/v1/parse", files={"file": ("a.pdf", data)}).raise_for_status()
        return str(answer.json()["id"])

    def _await(self, statement: str, column: str, job_ids: Sequence[str]) -> list[Any]:
        deadline = time.monotonic() + BURST_SECONDS
        while True:
            rows: list[Any] = self._loop.run(self._database.fetch(statement, list(job_ids)))
            if len(rows) == len(job_ids) and all(row[column] is not None for row in rows):
                return rows
            if time.monotonic() > deadline:
                raise SystemExit(f"jobs were not {column} within {BURST_SECONDS:.0f} s")
            time.sleep(0.1)


async def make_key(stack: Running, environment: str) -> str:
    """Make a key for an environment of the stack, which is made too if it is new."""
    db = Database(stack.database_url, pool_size=1)
    await db.open()
    try:
        secret = (stack.stack.plan.data_dir / "secret-key").read_text().strip()
        return (await Accounts(db, secret).create_key(environment, "bench")).text
    finally:
        await db.close()


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 when all are equal, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def compare_waits(bench: Bench, given: argparse.Namespace) -> bool:
    """Measure the light environment's waits alone and beside the heavy one; print and judge."""
    heavy, light = bench.client("heavy"), bench.client("light")
    bench.ends(bench.submit(light, 8))  # warm
    alone = [percentile(bench.waits(each), 0.95) for each in bursts(bench, light, given)]
    neighbour = bench.submit(heavy, given.neighbour)
    beside = [percentile(bench.waits(each), 0.95) for each in bursts(bench, light, given)]
    left = bench.waiting(neighbour)
    bench.cancel(neighbour, heavy)
    ratio = spread(beside).median / spread(alone).median
    print(f"p95 wait of {given.burst} jobs, {given.rounds} rounds, in s: alone {spread(alone):.2f}")
    print(f"  beside {given.neighbour} jobs of another environment {spread(beside):.2f}")
    print(f"  ratio {ratio:.2f}; {verdict(ratio, MOST_RATIO, at_most=True)}")
    print(f"  the neighbour had {left} jobs waiting at the end of it")
    if not left:
        raise SystemExit("the neighbour's jobs were done too early: ask for more of them")
    return ratio <= MOST_RATIO


def bursts(bench: Bench, client: httpx.Client, given: argparse.Namespace) -> list[list[str]]:
    """Submit the bursts one after another, each when the one before has ended."""
    found = []
    for _ in range(given.rounds):
        found.append(bench.submit(client, given.burst))
        bench.ends(found[-1])
    return found


def compare_equals(bench: Bench, given: argparse.Namespace) -> bool:
    """Serve equal environments at once; print and judge how equally."""
    clients = [bench.client(f"equal-{n}") for n in range(EQUALS)]
    with ThreadPoolExecutor(EQUALS) as together:
        jobs = list(together.map(lambda client: bench.submit(client, given.share), clients))
    ends = [bench.ends(each) for each in jobs]
    first = min(max(each) for each in ends)
    done = Counter({n: sum(at <= first for at in each) for n, each in enumerate(ends)})
    index = jain(list(done.values()))
    print(f"{EQUALS} equal environments, jobs done when the first had all of its {given.share}: ", end="")
    print(f"{sorted(done.values())}, Jain's index {index:.3f}; {verdict(index, LEAST_INDEX)}")
    return index >= LEAST_INDEX


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    given = _parse()
    print(f"{machine()}\n", flush=True)
    with running(workers=given.workers) as stack, asyncio.Runner() as loop:
        bench = Bench(stack, loop)
        results = [compare_waits(bench, given), compare_equals(bench, given)]
    return 0 if all(results) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--neighbour", type=int, default=1000, help="jobs that the heavy environment submits")
    parser.add_argument("--burst", type=int, default=16, help="jobs that the light one submits at once")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--share", type=int, default=60, help="jobs of each of the equal environments")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
