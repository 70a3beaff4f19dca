"""Measure what one dead endpoint of fifty does to the others.

    python bench/endpoints.py [--endpoints 50] [--events 20] [--rounds 6] [--pause 0.5] [--workers 2]

Every event is owed to each endpoint of the environment. In every other round one of them is dead: it takes
connections and never answers. A lag is from the event, by the database's clock, to its arrival;
p99 is that of the other endpoints. Exit status 1 when the median of the rounds with a dead one is more than a
tenth above that of the rounds without, or when a webhook of a living one is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asyncpg
from figures import machine, percentile, spread, verdict
from stack import Running, running
from trial.documents import text_pdf

MOST_RATIO = 1.10
ARRIVAL_SECONDS = 60.0
SETTINGS: dict[str, object] = {
    "webhook_allowed_networks": "127.0.0.0/8",
    "webhook_allow_http": "true",
    "webhook_schedule_scale": 0.01,  # the dead one is tried more often than it would be: the harder case
}
#: The database's clock is this machine's, and so is the receiver's.
EVENTS = "SELECT job_id, created_at FROM job_events WHERE type = 'job.queued' AND job_id = ANY($1)"


class Receiver:
    """Notes when each webhook arrives; the first endpoint can be dead."""

    def __init__(self) -> None:
        self.is_dead = False
        self.arrived: dict[tuple[str, str], float] = {}
        self._over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so named there
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, endpoint: int) -> str:
        """Return the address of an endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}/{endpoint}"

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """Note the arrival and say yes, or say nothing."""
        at = time.time()
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        endpoint = request.path.strip("/")
        if endpoint == "0" and self.is_dead:
            self._over.wait(60)
            return
        self.arrived.setdefault((body["data"]["job_id"], endpoint), at)
        request.send_response(204)
        request.send_header("content-length", "0")
        request.end_headers()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: senders hang up when they have waited long enough."""


class Bench:
    """A stack, its endpoints and what arrives at them."""

    def __init__(self, stack: Running, loop: asyncio.Runner, receiver: Receiver, endpoints: int) -> None:
        self._client = stack.client()
        self._loop = loop
        self._database = loop.run(asyncpg.connect(stack.database_url))
        self._receiver = receiver
        self._names = [str(n) for n in range(endpoints)]
        self.missing: Counter[str] = Counter()
        for name in self._names:
            body = {"url": receiver.url(int(name)), "events": ["job.queued"]}
            self._client.post("/v1/webhooks", json=body).raise_for_status()

    def round(self, number: int, events: int, pause: float, *, is_dead: bool) -> float:
        """Cause events, wait for all that is owed to living endpoints, return the p99 lag of those in s."""
        self._receiver.is_dead = is_dead
        job_ids = []
        for event in range(events):
            data = text_pdf(number * 10_000 + event, pages=1)
            answer = self._client.post("/v1/parse", files={"file": ("a.pdf", data)}).raise_for_status()
            job_ids.append(str(answer.json()["id"]))
            time.sleep(pause)
        living = self._names[1:]
        owed = [(job_id, name) for job_id in job_ids for name in living]
        give_up = time.monotonic() + ARRIVAL_SECONDS
        while not all(each in self._receiver.arrived for each in owed) and time.monotonic() < give_up:
            time.sleep(0.1)
        self.missing.update(name for job_id, name in owed if (job_id, name) not in self._receiver.arrived)
        rows = self._loop.run(self._database.fetch(EVENTS, job_ids))
        happened: dict[str, datetime] = {row["job_id"]: row["created_at"] for row in rows}
        lags = [
            self._receiver.arrived[each] - happened[each[0]].timestamp()
            for each in owed
            if each in self._receiver.arrived
        ]
        return percentile(lags, 0.99)


def main() -> int:
    """Measure and print; 1 when the target is missed."""
    given = _parse()
    print(f"{machine()}\n", flush=True)
    receiver = Receiver()
    try:
        with running(workers=given.workers, **SETTINGS) as stack, asyncio.Runner() as loop:
            bench = Bench(stack, loop, receiver, given.endpoints)
            bench.round(0, 3, given.pause, is_dead=False)  # warm
            all_living, one_dead = [], []
            for number in range(1, given.rounds + 1):
                is_dead = number % 2 == 0
                p99 = bench.round(number, given.events, given.pause, is_dead=is_dead)
                (one_dead if is_dead else all_living).append(p99)
    finally:
        receiver.close()
    ratio = spread(one_dead).median / spread(all_living).median
    print(f"p99 lag in s of {given.endpoints - 1} endpoints, {given.events} events a round:")
    print(f"  all living {spread(all_living):.3f}\n  one more, dead {spread(one_dead):.3f}")
    print(f"  ratio {ratio:.2f}; {verdict(ratio, MOST_RATIO, at_most=True)}")
    print(f"  missing: {sum(bench.missing.values())}")
    return 0 if ratio <= MOST_RATIO and not bench.missing else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=50)
    parser.add_argument("--events", type=int, default=20, help="events in a round")
    parser.add_argument("--rounds", type=int, default=6, help="half of them with a dead endpoint")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between events")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
