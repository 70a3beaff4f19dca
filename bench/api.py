"""Measure the API against a bare FastAPI application on the same Postgres, in turns in one run.

    python bench/api.py [--seconds 2] [--rounds 5] [--connections 1,16,64] [--only get-ended,get-queued,post]

One process each. Authentication, scoping, limits and the access log are on; idempotency keys are not sent;
no worker runs. `get-ended` asks for jobs that have ended, `get-queued` for jobs of a queue that is longer
than the position that is counted. 2,000 jobs are asked for in turn, so the limit of 10 status requests a
second for one job is on and out of reach.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import asyncpg
import httpx
import psutil
from figures import machine, percentile, ratios, spread, verdict
from floor import INSERT, TABLE
from load import Load, Outcome, request, run
from stack import PATIENCE_SECONDS, Running, cpu_seconds, free_port, running

from affidavit.samples import invoice_pdf

JOBS = 2_000
MOST = 100_000  # requests a round
WARM_UP_SECONDS = 0.5
#: One key asks as fast as it can and nobody works: the limits are counted, and out of reach.
UNBOUNDED: dict[str, object] = {
    "rate_limit_per_second": 1_000_000,
    "max_queued_pages": 1_000_000_000,
    "max_queue_seconds": 86_400,
}
TARGETS = {"get-ended": 0.5, "get-queued": 0.5, "post": 0.35}
TITLES = {
    "get-ended": "GET /v1/jobs/{id}, ended, against SELECT by primary key",
    "get-queued": f"GET /v1/jobs/{{id}}, queued among {JOBS}, against SELECT by primary key",
    "post": "POST /v1/parse with a file_id, against INSERT of one row with commit",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: where it listens, what it is asked, whose CPU it takes."""

    port: int
    requests: list[str]
    process: psutil.Process
    numbers: Iterator[int]

    def load(self, connections: int, seconds: float) -> tuple[Outcome, float]:
        """Load it once; also return the CPU seconds of its process."""
        first = next(self.numbers) * MOST
        before = cpu_seconds(self.process)
        outcome = run(Load(self.port, connections, seconds, MOST, self.requests, first))
        return outcome, cpu_seconds(self.process) - before


@dataclass(slots=True)
class Rounds:
    """All rounds of one case at one number of connections."""

    ours: list[tuple[Outcome, float]]
    floor: list[tuple[Outcome, float]]

    @property
    def errors(self) -> int:
        return sum(outcome.errors for outcome, _ in (*self.ours, *self.floor))


def main() -> int:
    """Run all cases and print what came out; 1 when any request was refused or lost."""
    given = _parse()
    print(f"{machine()}\n")
    with running(workers=0, **UNBOUNDED) as stack, _floor(stack) as (port, process):
        sides = _Sides(stack, port, process)
        made: dict[str, Callable[[], tuple[Side, Side]]] = {
            "get-queued": partial(sides.get, is_ended=False),
            "get-ended": partial(sides.get, is_ended=True),
            "post": sides.post,
        }
        errors = sum(_case(name, *made[name](), given) for name in made if name in given.only)
    print(f"errors: {errors}")
    return 1 if errors else 0


def _case(name: str, ours: Side, floor: Side, given: argparse.Namespace) -> int:
    print(f"{TITLES[name]}; at least {TARGETS[name]:g} of the floor")
    for side in (ours, floor):
        side.load(4, WARM_UP_SECONDS)
    errors = 0
    for connections in given.connections:
        rounds = Rounds([], [])
        for _ in range(given.rounds):
            rounds.ours.append(ours.load(connections, given.seconds))
            rounds.floor.append(floor.load(connections, given.seconds))
        print(_describe(name, connections, rounds), flush=True)
        errors += rounds.errors
    print()
    return errors


def _describe(name: str, connections: int, rounds: Rounds) -> str:
    ours = [outcome.per_second for outcome, _ in rounds.ours]
    floor = [outcome.per_second for outcome, _ in rounds.floor]
    reached = ratios(ours, floor)
    cpu = [_cost(rounds.ours), _cost(rounds.floor)]
    waits = [percentile([o.latencies_ms[name] for o, _ in rounds.ours], 0.5) for name in ("p50", "p99")]
    return (
        f"  {connections:3} connections: {spread(ours):.0f}/s, floor {spread(floor):.0f}/s, "
        f"ratio {reached:.2f}; CPU {cpu[0]:.0f} and {cpu[1]:.0f} µs a request, ratio {cpu[1] / cpu[0]:.2f}; "
        f"p50 {waits[0]:.1f} ms, p99 {waits[1]:.1f} ms; errors {rounds.errors}; "
        f"{verdict(reached.median, TARGETS[name])}"
    )


def _cost(rounds: list[tuple[Outcome, float]]) -> float:
    """Return the CPU time of the process in µs a request: what a busy machine does not change much."""
    return spread([seconds / max(outcome.answered, 1) * 1e6 for outcome, seconds in rounds]).median


class _Sides:
    """Makes both sides of a case, with the rows that they ask for."""

    def __init__(self, stack: Running, floor_port: int, floor: psutil.Process) -> None:
        self._stack = stack
        self._floor_port = floor_port
        self._floor = floor
        self._numbers = count()

    def get(self, *, is_ended: bool) -> tuple[Side, Side]:
        """Ask for one row by its key: 2,000 jobs that wait, or that were canceled."""
        with self._stack.client() as client:
            ids = _submit_many(client)
            for job_id in ids if is_ended else ():
                client.delete(f"/v1/jobs/{job_id}").raise_for_status()
        asyncio.run(_fill(self._stack.database_url, ids))
        ours = [request("GET", f"/v1/jobs/{job_id}", self._stack.key) for job_id in ids]
        floor = [request("GET", f"/jobs/{job_id}") for job_id in ids]
        return self._sides(ours, floor)

    def post(self) -> tuple[Side, Side]:
        """Submit one file again and again; the floor inserts the same body under a new key."""
        with self._stack.client() as client:
            body = f'{{"source": {{"file_id": "{_upload(client)}"}}}}'
        asyncio.run(_fill(self._stack.database_url, []))
        ours = [request("POST", "/v1/parse", self._stack.key, body)]
        return self._sides(ours, [request("POST", "/jobs/{n}", body=body)])

    def _sides(self, ours: list[str], floor: list[str]) -> tuple[Side, Side]:
        api = self._stack.roles["api"]
        return (
            Side(self._stack.port, ours, api, self._numbers),
            Side(self._floor_port, floor, self._floor, self._numbers),
        )


def _submit_many(client: httpx.Client) -> list[str]:
    file_id = _upload(client)
    items = [{"operation": "parse", "source": {"file_id": file_id}}] * 500
    for _ in range(JOBS // len(items)):
        client.post("/v1/jobs", json={"items": items}).raise_for_status()
    return _job_ids(client)[:JOBS]


def _job_ids(client: httpx.Client) -> list[str]:
    """Return the newest queued jobs of the environment, page by page."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(found) < JOBS:
        query = {"limit": "100", "status": "queued"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/jobs", params=query).raise_for_status().json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    return found


def _upload(client: httpx.Client) -> str:
    answer = client.post("/v1/files", files={"file": ("invoice.pdf", invoice_pdf())}).raise_for_status()
    return str(answer.json()["id"])


async def _fill(database_url: str, ids: list[str]) -> None:
    """Give the floor a table, with a row for each of these keys; then let Postgres count its rows."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(TABLE)
        await connection.executemany(INSERT, [(job_id, "{}") for job_id in ids])
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


@contextmanager
def _floor(stack: Running) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    script = str(Path(__file__).with_name("floor.py"))
    asyncio.run(_fill(stack.database_url, []))
    server = subprocess.Popen(
        [sys.executable, script, "--database-url", stack.database_url, "--port", str(port)]
    )
    try:
        _await_port(port, server)
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the floor does not start") from None
            time.sleep(0.05)
        else:
            return


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the API against a bare FastAPI application.")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side, in turns")
    parser.add_argument("--connections", type=_numbers, default=[1, 16, 64])
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TARGETS))
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    raise SystemExit(main())
