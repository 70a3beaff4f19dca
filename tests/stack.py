"""A stack of real processes that tests may kill: the API and workers, on a database of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import psutil

from affidavit.accounts.principal import Scope
from affidavit.accounts.service import Accounts
from affidavit.infra.db import Database
from affidavit.infra.login import admit
from tests.conftest import as_service

SECRET_KEY = "a-secret-key-for-tests-of-32-bytes-or-more"
PATIENCE = 60.0


class Stack:
    """Processes of one installation, each started and killed by name."""

    def __init__(self, database_url: str, redis_url: str, folder: Path, **settings: object) -> None:
        self.database_url = database_url
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.preload: dict[str, dict[str, str]] = {}  # more of the environment of a process to come
        values = {
            "database_url": as_service(database_url),
            "redis_url": redis_url,
            "secret_key": SECRET_KEY,
            "data_dir": folder,
            "port": self.port,
            "log_level": "info",
            "worker_slots": 2,
            # The times of production, scaled: four beats to a lease, as there.
            "lease_seconds": 4,
            "heartbeat_seconds": 1,
            "reap_seconds": 0.5,
            "poll_limit_per_second": 1000,
            **settings,
        }
        given = {name: value for name, value in os.environ.items() if not name.startswith("AFFIDAVIT_")}
        self.environment = given | {f"AFFIDAVIT_{name.upper()}": str(value) for name, value in values.items()}
        asyncio.run(admit(database_url, as_service(database_url)))  # no process is the owner
        self.key = asyncio.run(self._make_key())
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=PATIENCE
        )

    def start(self, name: str, *arguments: str, **settings: object) -> subprocess.Popen[bytes]:
        """Start `affidavit ARGUMENTS`; its log goes to a file of that name. `settings` are its own."""
        own = {f"AFFIDAVIT_{setting.upper()}": str(value) for setting, value in settings.items()}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "affidavit.cli", *arguments],
                env=self.environment | own | self.preload.pop(name, {}),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_api(self, **settings: object) -> None:
        """Start the API; `submit` waits until it answers."""
        self.start("api", "serve", **settings)

    def await_api(self) -> None:
        until(self._is_ready, "the API to be ready")

    def start_worker(self, name: str = "worker", **settings: object) -> None:
        self.start(name, "worker", **settings)

    def kill(self, name: str) -> None:
        """Send SIGKILL to the process alone: what it started has to notice by itself."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def pause(self, name: str) -> None:
        """Stop the process as a stalled machine would, until `resume`."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        for process in self.processes.values():
            process.terminate()
            process.send_signal(signal.SIGCONT)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def submit(self, data: bytes, *, filename: str = "a.pdf", **fields: str) -> str:
        """Submit a document to /v1/parse, once the API answers, and return the job's id."""
        self.await_api()
        answer = self.client.post("/v1/parse", files={"file": (filename, data)}, data=fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        return found

    def await_end(self, job_id: str, patience: float = PATIENCE) -> dict[str, Any]:
        until(
            lambda: self.job(job_id)["status"] in ("completed", "failed", "canceled"),
            f"the end of {job_id}",
            patience,
        )
        return self.job(job_id)

    def rows(self, statement: str, *args: object) -> list[dict[str, Any]]:
        """Read the database directly: what the API says is what is being tested."""
        return asyncio.run(self._rows(statement, *args))

    def children(self, name: str) -> list[psutil.Process]:
        return psutil.Process(self.processes[name].pid).children(recursive=True)

    def readers(self, name: str) -> list[psutil.Process]:
        """Return the processes that read documents for a worker now, with what they have started."""
        found = []
        for process in self.children(name):
            with contextlib.suppress(psutil.Error, OSError):
                if Path(process.cwd()).name == "child":
                    found.append(process)
        return found

    def hosts(self, name: str) -> list[psutil.Process]:
        """Return the engine host of a worker, which forks one child a task."""
        found = []
        for process in self.children(name):
            with contextlib.suppress(psutil.Error, OSError):
                if Path(process.cwd()).name == "host":
                    found.append(process)
        return found

    def through(self, port: int) -> str:
        """Return the database's URL by way of another port of loopback, a proxy's."""
        url = urlsplit(as_service(self.database_url))
        return urlunsplit(url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}"))

    def _is_ready(self) -> bool:
        assert self.processes["api"].poll() is None, self.log("api")[-3000:]
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/livez").status_code == 200
        return False

    async def _rows(self, statement: str, *args: object) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.database_url)  # as the owner: no policy hides a row
        try:
            for name in ("json", "jsonb"):
                await connection.set_type_codec(
                    name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
                )
            return [dict(row) for row in await connection.fetch(statement, *args)]
        finally:
            await connection.close()

    async def _make_key(self) -> str:
        db = Database(self.database_url, pool_size=1)
        await db.open()
        try:
            made = await Accounts(db, SECRET_KEY).create_key(
                environment="default", name="test", scopes=list(Scope)
            )
        finally:
            await db.close()
        return made.text


def until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Poll until it holds, or fail and say what was waited for."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    database_url: str, redis_url: str, folder: Path, *, start: bool = True, **settings: object
) -> Iterator[Stack]:
    """Give a stack whose API is starting, unless told not to, and stop whatever runs at the end."""
    folder.mkdir(exist_ok=True)
    for above in (folder, *folder.parents[:4]):
        above.chmod(0o755)  # what a dropped user must pass through to its own folder
    stack = Stack(database_url, redis_url, folder, **settings)
    try:
        if start:
            stack.start_api()
        yield stack
    finally:
        stack.close()
