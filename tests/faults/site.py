"""A stack with servers of its own and a proxy before each process, which a file of tests shares."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import redis

from affidavit.infra.embedded import EmbeddedServers
from bench.trial.proxy import Proxy
from tests.conftest import migrate
from tests.stack import PATIENCE, Stack, running

SETTINGS: dict[str, object] = {
    "webhook_allowed_networks": "127.0.0.0/8",
    "webhook_allow_http": "true",
    "webhook_timeout_seconds": 5,
    "webhook_schedule_scale": 0.001,
}


@dataclass(frozen=True, slots=True)
class Site:
    """The stack, its servers, and the way of the API and of the worker to Postgres."""

    stack: Stack
    servers: EmbeddedServers
    api_line: Proxy
    worker_line: Proxy

    @property
    def bell(self) -> redis.Redis:
        return redis.Redis.from_url(self.servers.redis_url, socket_timeout=10)

    def start(self) -> None:
        """Start the API and the worker, each behind its proxy."""
        self.stack.start_api(database_url=self.stack.through(self.api_line.port))
        self.restart_worker()

    def restart_worker(self) -> None:
        self.stack.start_worker(database_url=self.stack.through(self.worker_line.port))

    def server(self, name: str) -> list[psutil.Process]:
        """Return a server's process and its children."""
        process = psutil.Process(self.servers.pids[name])
        return [process, *process.children(recursive=True)]

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a whole server meanwhile: connections stay, and nothing answers."""
        processes = self.server(name)
        for process in reversed(processes):
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def post(self, data: bytes, *, key: str | None = None, **fields: str) -> httpx.Response:
        """Submit once, and return whatever the answer is."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.stack.client.post(
            "/v1/parse", files={"file": ("a.pdf", data)}, data=fields, headers=headers
        )

    def post_until_accepted(self, data: bytes, *, key: str, **fields: str) -> str:
        """Submit again with one key, as a client does that is told to come back, and return the job's id."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.post(data, key=key, **fields)
            if answer.is_success:
                return str(answer.json()["id"])
            assert answer.status_code == 503, answer.text
            assert "retry-after" in answer.headers
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)

    def assert_done_once(self, job_id: str) -> dict[str, Any]:
        """Wait until the job is completed, and check that nothing of it was done twice."""
        job = self.stack.await_end(job_id)
        assert job["status"] == "completed", job
        ends = self.stack.rows(
            "SELECT type FROM job_events WHERE job_id = $1 AND type IN "
            "('job.completed', 'job.failed', 'job.canceled')",
            job_id,
        )
        assert ends == [{"type": "job.completed"}]
        assert len(self.stack.rows("SELECT FROM usage_records WHERE job_id = $1", job_id)) == 1
        return job


@contextmanager
def site_in(folder: Path) -> Iterator[Site]:
    """Start it all in a folder; the database's proxies are its only way from the processes to Postgres."""
    with EmbeddedServers(folder / "servers") as servers:
        migrate(servers.database_url)
        port = urlsplit(servers.database_url).port
        assert port is not None
        with (
            Proxy(port) as api_line,
            Proxy(port) as worker_line,
            running(
                servers.database_url, servers.redis_url, folder / "stack", start=False, **SETTINGS
            ) as stack,
        ):
            site = Site(stack, servers, api_line, worker_line)
            site.start()
            yield site
