"""A stack of its own for a measurement: real Postgres and Valkey, real API and worker processes.

All of it lives in a scratch folder and is gone at the end. Postgres keeps fsync on and all its defaults.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from affidavit.infra.embedded import EmbeddedServers
from affidavit.stack import Plan, Stack

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that answers. `roles` are its long-lived processes, as they were at the start."""

    stack: Stack
    servers: EmbeddedServers
    roles: dict[str, psutil.Process]

    @property
    def url(self) -> str:
        return self.stack.plan.base_url

    @property
    def port(self) -> int:
        return self.stack.plan.port

    @property
    def key(self) -> str:
        return self.stack.api_key

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    @property
    def logs(self) -> Path:
        return self.stack.plan.data_dir / "logs"

    def client(self) -> httpx.Client:
        """Return a client that is authenticated and uses no proxy."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def died(self) -> list[str]:
        """Name the processes that are not those of the start; nothing is restarted here."""
        return [name for name, process in self.roles.items() if not _lives(process)]


@contextmanager
def running(*, workers: int, **settings: object) -> Iterator[Running]:
    """Run a stack with so many workers; `settings` are those of `AFFIDAVIT_*`, in lower case."""
    with scratch() as folder, EmbeddedServers(folder / "servers") as servers:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("AFFIDAVIT_")}
        environment |= {
            "AFFIDAVIT_DATABASE_URL": servers.service_url,
            "AFFIDAVIT_DATABASE_OWNER_URL": servers.database_url,
            "AFFIDAVIT_REDIS_URL": servers.redis_url,
            "AFFIDAVIT_LOG_FORMAT": "json",
        }
        environment |= {f"AFFIDAVIT_{name.upper()}": str(value) for name, value in settings.items()}
        plan = Plan(folder / "var", "127.0.0.1", free_port(), workers, environment)
        with Stack(plan, tell=lambda _: None) as stack:
            yield Running(stack, servers, _roles(stack, servers))


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder and remove it; on a disk, and open to the user that the servers run as."""
    folder = Path(tempfile.mkdtemp(prefix="affidavit-bench-", dir=os.environ.get("BENCH_DIR")))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process and of all its descendants, those that ended included."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue  # its parent has its time as soon as it is waited for
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _roles(stack: Stack, servers: EmbeddedServers) -> dict[str, psutil.Process]:
    roles = {name: psutil.Process(pid) for name, pid in (servers.pids | stack.pids).items()}
    for name, process in list(roles.items()):
        if name.startswith("worker"):
            roles |= {f"{name} host": _host(process)}
    return roles


def _host(worker: psutil.Process) -> psutil.Process:
    """Return the engine host of a worker: the child, behind its small guard, that forks one child a task."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        for guard in worker.children():
            for host in guard.children():
                return host
        time.sleep(0.1)
    raise SystemExit("the worker has started no engine host")


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
