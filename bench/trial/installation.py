"""A whole installation to break: servers, API processes and workers, each behind a proxy of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import httpx
import psutil
from stack import free_port

from affidavit.infra.embedded import EmbeddedServers
from affidavit.infra.supervise import Command, Process, spawn
from trial.proxy import Proxy

READY_SECONDS = 90.0
DISK_BYTES = 1 << 30  # of the small disk; a run leaves a third of it behind
SECRET_KEY = "a-key-of-the-nemesis-of-32-bytes-or-more"


@dataclass(frozen=True, slots=True)
class Times:
    """The times that matter for recovery, in seconds."""

    lease: float = 20.0
    heartbeat: float = 5.0
    reap: float = 2.0

    @classmethod
    def scaled(cls, lease: float) -> Times:
        """Shorten all in the proportion of the defaults."""
        return cls(lease, lease / 4, lease / 10)


@dataclass(slots=True)
class Role:
    """One process of ours: `command` of `affidavit`, its proxy to Postgres, its port if it listens."""

    name: str
    command: str
    proxy: Proxy
    port: int
    process: Process | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running()


class Installation:
    """Use it as a context, from the main thread: what it starts ends with that thread."""

    def __init__(
        self, folder: Path, times: Times, *, apis: int, workers: int, settings: Mapping[str, object]
    ) -> None:
        self.folder = folder
        self.times = times
        self.data = folder / "var"
        self.servers = EmbeddedServers(folder / "servers")
        self.has_small_disk = False
        self._stack = ExitStack()
        self._names = [f"api-{n}" for n in range(1, apis + 1)], [f"worker-{n}" for n in range(1, workers + 1)]
        self._settings = dict(settings)
        self.roles: dict[str, Role] = {}
        #: Called at the last moment before a fault, by whoever injects it.
        self.hit: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.stop)
            self.data.mkdir(mode=0o711)
            self.has_small_disk = stack.enter_context(_small_disk(self.data))
            (self.folder / "logs").mkdir()
            self.servers.start()
            self.run("migrate")
            self._add_roles(stack)
            self.heal()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stop(self) -> None:
        """Stop what runs, in order; whatever state it is in."""
        for role in self.roles.values():
            if role.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    role.process.popen.send_signal(signal.SIGCONT)
                role.process.stop((signal.SIGTERM, 25.0))
        self.servers.stop()

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    @property
    def apis(self) -> list[Role]:
        return [self.roles[name] for name in self._names[0]]

    @property
    def workers(self) -> list[Role]:
        return [self.roles[name] for name in self._names[1]]

    def busy_workers(self) -> list[Role]:
        """Return the workers that read documents now."""
        return [role for role in self.workers if self.children(role)]

    def start(self, role: Role) -> None:
        """Start a role's process; it is not waited for."""
        log = self.folder / "logs" / f"{role.name}.log"
        command = Command(
            arguments=[sys.executable, "-m", "affidavit.cli", role.command],
            log=log,
            death_signal=signal.SIGKILL,
            environment=self._environment(role) | role.extra,
            directory=self.folder,
        )
        role.process = spawn(role.name, command)

    def heal(self) -> None:
        """Restore the network, revive what is dead, and wait until every API answers."""
        for role in self.roles.values():
            role.proxy.restore()
        self.servers.revive()
        for role in self.roles.values():
            if not role.is_running:
                self.start(role)
        give_up = time.monotonic() + READY_SECONDS
        for role in self.apis:
            while not _is_ready(role.port):
                if not role.is_running:
                    raise SystemExit(
                        f"{role.name} does not stay up:\n{_tail(self.folder / 'logs' / role.name)}"
                    )
                if time.monotonic() > give_up:
                    raise SystemExit(f"{role.name} is not ready:\n{_tail(self.folder / 'logs' / role.name)}")
                time.sleep(0.05)

    def run(self, *arguments: str) -> str:
        """Run a command of `affidavit` as the owner of the schema and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "affidavit.cli", *arguments],
            env=self._environment(None),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"`affidavit {arguments[0]}` failed:\n{done.stderr[-2000:]}")
        return done.stdout.strip()

    def signal(self, role: Role, number: signal.Signals) -> None:
        """Send a signal to the process alone: what it started has to notice by itself."""
        self.hit()
        assert role.process is not None
        with contextlib.suppress(ProcessLookupError):
            role.process.popen.send_signal(number)

    def kill(self, role: Role) -> None:
        """Kill the process with -9 and reap it."""
        self.signal(role, signal.SIGKILL)
        assert role.process is not None
        role.process.popen.wait(10)

    def server(self, name: str) -> list[psutil.Process]:
        """Return a server's process and then all of its children."""
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            process = psutil.Process(self.servers.pids[name])
            return [process, *process.children(recursive=True)]
        return []

    def hosts(self, role: Role) -> list[psutil.Process]:
        """Return the engine hosts of a worker, which fork one child a task; also those still starting."""
        return [process for process, folder in self._below(role) if folder.name == "host"]

    def children(self, role: Role) -> list[psutil.Process]:
        """Return the processes that read documents for a worker now, not what those have started."""
        inside = {process.pid: process for process, folder in self._below(role) if folder.name == "child"}
        return [process for process in inside.values() if _parent(process) not in inside]

    def task_of(self, child: psutil.Process) -> str:
        """Return the id of the task that a child reads for."""
        return Path(child.cwd()).parent.name.rpartition("-")[0]

    def _below(self, role: Role) -> list[tuple[psutil.Process, Path]]:
        """Return all that a worker has started, with the folder that each stands in."""
        found: list[tuple[psutil.Process, Path]] = []
        with contextlib.suppress(psutil.Error):
            if role.process is not None:
                for process in psutil.Process(role.process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error, OSError):
                        found.append((process, Path(process.cwd())))
        return found

    def leftovers(self) -> list[psutil.Process]:
        """Return processes that stand in the data folder without a living worker above them."""
        alive = {role.process.pid for role in self.workers if role.process is not None and role.is_running}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                is_inside = Path(process.cwd()).is_relative_to(self.data)
                if is_inside and not alive & {each.pid for each in process.parents()}:
                    found.append(process)
        return found

    def _add_roles(self, stack: ExitStack) -> None:
        port = urlsplit(self.servers.database_url).port
        assert port is not None
        for command, names in zip(("serve", "worker"), self._names, strict=True):
            for name in names:
                proxy = stack.enter_context(Proxy(port))
                self.roles[name] = Role(name, command, proxy, free_port())

    def _environment(self, role: Role | None) -> dict[str, str]:
        given = {name: text for name, text in os.environ.items() if not name.startswith("AFFIDAVIT_")}
        url = urlsplit(self.servers.service_url)
        if role is not None:
            url = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{role.proxy.port}")
        values = {
            "database_url": urlunsplit(url),
            "database_owner_url": self.servers.database_url,
            "redis_url": self.servers.redis_url,
            "secret_key": SECRET_KEY,
            "data_dir": self.data,
            "port": role.port if role else 0,
            "log_format": "json",
            "worker_slots": 2,
            "lease_seconds": self.times.lease,
            "heartbeat_seconds": self.times.heartbeat,
            "reap_seconds": self.times.reap,
            "poll_limit_per_second": 1000,
            "min_free_disk_bytes": 20_000_000,
            **self._settings,
        }
        return given | {f"AFFIDAVIT_{name.upper()}": str(value) for name, value in values.items()}


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk in memory on the folder where that is allowed; tell whether it was."""
    options = f"size={DISK_BYTES},mode=0711"
    command = ["mount", "-t", "tmpfs", "-o", options, "affidavit-nemesis", str(folder)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False, timeout=10)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _tail(log: Path) -> str:
    return log.with_suffix(".log").read_text(errors="replace")[-3000:]


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.Error:
        return None
