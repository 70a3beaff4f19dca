"""Offer five times what the stack can do, and see what becomes of it.

    python bench/overload.py [--peak-seconds 20] [--seconds 120] [--times 5] [--workers 2]

First the peak: as many clients as keep all slots busy, each sending its next document when the last is
done. Then an open load of so many times the peak. What is accepted must end well, every refusal must say when
to come back, the memory of the processes must stay flat, and jobs done a second must stay above 90 % of the
peak of the same run. Exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import asyncpg
import httpx
from figures import machine, verdict
from stack import Running, running
from trial.documents import text_pdf

CLIENTS = 8
SENDERS = 32
GOODPUT = 0.9
GROWTH = 0.10
DRAIN_SECONDS = 300.0
#: A queue of some seconds, so that refusals begin within the run.
SETTINGS: dict[str, object] = {"max_queued_pages": 60, "rate_limit_per_second": 100_000}
DONE = "SELECT count(*) FROM jobs WHERE status = 'completed'"
ENDS = "SELECT status, count(*) AS n FROM jobs WHERE id = ANY($1) GROUP BY status"


class Offer:
    """Documents and what came of offering them."""

    def __init__(self, stack: Running, first: int = 1) -> None:
        self._stack = stack
        self._numbers = count(first)
        self.answers: Counter[str] = Counter()
        self.accepted: list[str] = []
        self.silent: list[str] = []  # refusals that do not say when to come back
        self._lock = threading.Lock()
        self._local = threading.local()
        self._ready: deque[bytes] = deque()

    def prepare(self, documents: int) -> None:
        """Make documents ahead, so that offering them costs the sender little."""
        self._ready.extend(text_pdf(next(self._numbers), pages=1) for _ in range(documents))

    def client(self) -> httpx.Client:
        """Return this thread's own client."""
        if not hasattr(self._local, "client"):
            self._local.client = self._stack.client()
        found: httpx.Client = self._local.client
        return found

    def send(self) -> str | None:
        """Offer one document; return the job's id when it was accepted."""
        data = self._ready.popleft() if self._ready else text_pdf(next(self._numbers), pages=1)
        try:
            answer = self.client().post("/v1/parse", files={"file": ("a.pdf", data)})
        except httpx.TransportError as error:
            with self._lock:
                self.answers[type(error).__name__] += 1
            return None
        with self._lock:
            self.answers[str(answer.status_code)] += 1
            if answer.is_success:
                self.accepted.append(answer.json()["id"])
            elif "retry-after" not in answer.headers:
                self.silent.append(f"{answer.status_code} {answer.text[:100]}")
        return str(answer.json()["id"]) if answer.is_success else None

    def send_and_wait(self, until: float) -> None:
        """Offer, wait for the end, offer again."""
        while time.monotonic() < until:
            job_id = self.send()
            if job_id is None:
                time.sleep(0.2)
                continue
            while self.client().get(f"/v1/jobs/{job_id}", params={"wait": 30}).json()["status"] in (
                "queued",
                "processing",
            ):
                pass


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    given = _parse()
    print(f"{machine()}\n", flush=True)
    with running(workers=given.workers, **SETTINGS) as stack, asyncio.Runner() as loop:
        database = loop.run(asyncpg.connect(stack.database_url))
        peak = measure_peak(stack, loop, database, given.peak_seconds)
        print(f"peak: {peak:.1f} jobs/s with {CLIENTS} clients", flush=True)
        offer = Offer(stack, first=1_000_000)
        offer.prepare(int(given.times * peak * given.seconds))
        before = memory(stack)
        goodput = overload(offer, loop, database, rate=given.times * peak, seconds=given.seconds)
        after = memory(stack)
        ends = drain(offer, loop, database)
        died = stack.died()
    return report(offer, peak, goodput, (before, after), ends, died)


def measure_peak(stack: Running, loop: asyncio.Runner, database: asyncpg.Connection, seconds: float) -> float:
    """Return the jobs a second that are done when clients wait for each."""
    offer = Offer(stack)
    with ThreadPoolExecutor(CLIENTS) as clients:
        until = time.monotonic() + 3 + seconds
        waiting = [clients.submit(offer.send_and_wait, until) for _ in range(CLIENTS)]
        time.sleep(3)  # until it flows
        started, before = time.monotonic(), loop.run(database.fetchval(DONE))
        time.sleep(seconds)
        done, took = loop.run(database.fetchval(DONE)) - before, time.monotonic() - started
        for each in waiting:
            each.result()
    return float(done / took)


def overload(
    offer: Offer, loop: asyncio.Runner, database: asyncpg.Connection, *, rate: float, seconds: float
) -> float:
    """Offer at a rate, whatever is answered; return the jobs a second that were done meanwhile."""
    with ThreadPoolExecutor(SENDERS) as senders:
        started, before = time.monotonic(), loop.run(database.fetchval(DONE))
        sent = 0
        while (at := time.monotonic() - started) < seconds:
            due = int(at * rate)
            for _ in range(min(due - sent, 100)):
                senders.submit(offer.send)
            sent = max(sent, due)
            time.sleep(0.01)
        done, took = loop.run(database.fetchval(DONE)) - before, time.monotonic() - started
        senders.shutdown(wait=True, cancel_futures=True)
    print(f"offered {rate:.0f} a second for {seconds:.0f} s, sent {sum(offer.answers.values())}", flush=True)
    return float(done / took)


def drain(offer: Offer, loop: asyncio.Runner, database: asyncpg.Connection) -> dict[str, int]:
    """Wait for what was accepted, and return how it ended."""
    give_up = time.monotonic() + DRAIN_SECONDS
    while True:
        ends = {row["status"]: row["n"] for row in loop.run(database.fetch(ENDS, offer.accepted))}
        if not ends.keys() & {"queued", "processing"} or time.monotonic() > give_up:
            return ends
        time.sleep(0.5)


def memory(stack: Running) -> dict[str, float]:
    """Return the resident MB of API, workers and engine hosts."""
    return {
        name: process.memory_info().rss / 1e6
        for name, process in stack.roles.items()
        if name == "api" or name.startswith("worker")
    }


def report(
    offer: Offer,
    peak: float,
    goodput: float,
    rss: tuple[dict[str, float], dict[str, float]],
    ends: dict[str, int],
    died: list[str],
) -> int:
    """Print what came of it; 1 when a target is missed."""
    before, after = rss
    growth = {name: after[name] / before[name] - 1 for name in before}
    ratio = goodput / peak
    print(f"answers: {dict(offer.answers)}")
    print(f"accepted {len(offer.accepted)}, ended {ends}")
    print(f"goodput {goodput:.1f} jobs/s, of the peak {ratio:.2f}; {verdict(ratio, GOODPUT)}")
    print(f"refusals without Retry-After: {len(offer.silent)} {offer.silent[:3]}")
    for name, share in growth.items():
        print(f"resident MB of {name}: {before[name]:.0f}, after {after[name]:.0f} ({share:+.1%})")
    good = (
        ratio >= GOODPUT
        and not offer.silent
        and set(ends) <= {"completed"}
        and max(growth.values()) <= GROWTH
        and not died
        and sum(n for status, n in offer.answers.items() if status in ("429", "503")) > 0
    )
    print("met" if good else f"MISSED {died}")
    return 0 if good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peak-seconds", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--times", type=float, default=5)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
