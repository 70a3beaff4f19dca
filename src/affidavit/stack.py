"""The whole stack on one machine: servers, migrations, API and workers, started and stopped in order."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self

import httpx

from affidavit.infra.binaries import EmbeddedUnavailable
from affidavit.infra.cluster import ClusterFailed
from affidavit.infra.embedded import DataDirInUse, EmbeddedServers, StartFailed
from affidavit.infra.supervise import Command, Process, rotate, spawn

_READY_SECONDS = 90.0  # a cold start on two slow cores takes about 10 s
_MIGRATE_SECONDS = 600.0
_STEADY_SECONDS = 30.0  # a process that ran so long starts again at once when it dies
_LONGEST_PAUSE_SECONDS = 30.0
_DRAIN_SECONDS = 25.0  # the worker gives back what it cannot finish within 10 s
_OUTSIDE = ("AFFIDAVIT_DATABASE_URL", "AFFIDAVIT_REDIS_URL")
_OWNER = "AFFIDAVIT_DATABASE_OWNER_URL"  # for the migration alone: no long-lived process gets it


class StackFailed(Exception):
    """The stack did not come up; the message says what to do."""


#: All that can go wrong at the start; each message says what to do.
FAILURES = (StackFailed, EmbeddedUnavailable, ClusterFailed, DataDirInUse, StartFailed)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and where. `environment` is that of the processes, as given by the caller."""

    data_dir: Path
    host: str
    port: int
    workers: int
    environment: Mapping[str, str]

    @property
    def base_url(self) -> str:
        reachable = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104
        return f"http://{reachable}:{self.port}"


@dataclass(slots=True)
class _Kept:
    """A process that is started again when it dies, later each time that it dies young."""

    start: Callable[[], Process]
    process: Process
    started: float
    pause: float = 0.0

    def tend(self, now: float) -> bool:
        """Start it again if it is due; tell whether it was."""
        if self.process.is_running():
            return False
        steady = now - self.started > _STEADY_SECONDS
        if not steady and now < self.started + self.pause:
            return False
        self.pause = 0.0 if steady else min(max(1.0, self.pause * 2), _LONGEST_PAUSE_SECONDS)
        self.process, self.started = self.start(), now
        return True


class Stack:
    """The running stack. Use it as a context, from the main thread.

    It ends with this process, even by `kill -9`. Raises FAILURES.
    """

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        self.plan = plan
        self.api_key = ""
        self._tell = tell
        self._data = plan.data_dir.absolute()
        self._servers: EmbeddedServers | None = None
        self._kept: dict[str, _Kept] = {}
        self._environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name: `postgres`, `valkey`, `api`, `worker-1` and so on."""
        servers = self._servers.pids if self._servers else {}
        return servers | {name: kept.process.pid for name, kept in self._kept.items()}

    def tend(self) -> None:
        """Start again what has died. Call it about twice a second."""
        if self._servers:
            try:
                revived = self._servers.revive()
            except StartFailed as failed:
                revived = []
                self._tell(f"{failed}\nTrying again.")
            for name in revived:
                self._tell(f"{name} had died and runs again.")
        for name, kept in self._kept.items():
            rotate(kept.process.log)
            if kept.tend(time.monotonic()):
                self._tell(f"{name} had died and runs again; see {kept.process.log}.")

    def stop(self) -> None:
        """Stop API, workers and servers, in this order."""
        for name in sorted(self._kept):  # "api" before "worker-1"
            self._kept.pop(name).process.stop((signal.SIGTERM, _DRAIN_SECONDS))
        if self._servers:
            self._servers.stop()
            self._servers = None

    def _start(self) -> None:
        self._data.mkdir(mode=0o711, parents=True, exist_ok=True)
        (self._data / "logs").mkdir(mode=0o700, exist_ok=True)
        _refuse_taken_port(self.plan)
        self._environment = self._make_environment()
        self._tell("Bringing the database up to date …")
        self._run("migrate", seconds=_MIGRATE_SECONDS)
        self._environment.pop(_OWNER, None)
        self._tell("Starting API and workers …")
        self._keep("api", "serve", 0)
        for number in range(1, self.plan.workers + 1):
            self._keep(f"worker-{number}", "worker", number)
        self._await_ready()
        self.api_key = self._find_api_key()

    def _make_environment(self) -> dict[str, str]:
        given = {name: value for name in _OUTSIDE if (value := self.plan.environment.get(name))}
        if len(given) == 1:
            missing = next(name for name in _OUTSIDE if name not in given)
            raise StackFailed(f"{next(iter(given))} is set and {missing} is not. Set both, or neither.")
        if not given:
            self._tell("Starting Postgres and Valkey …")
            self._servers = EmbeddedServers(self._data / "servers")
            self._servers.start()
            given = dict(zip(_OUTSIDE, (self._servers.service_url, self._servers.redis_url), strict=True))
            given[_OWNER] = self._servers.database_url
        return {
            "AFFIDAVIT_LOG_FORMAT": "console",
            **self.plan.environment,
            **given,
            "AFFIDAVIT_SECRET_KEY": self.plan.environment.get("AFFIDAVIT_SECRET_KEY")
            or _kept_secret(self._data / "secret-key"),
            "AFFIDAVIT_DATA_DIR": str(self._data),
            "AFFIDAVIT_HOST": self.plan.host,
            "AFFIDAVIT_PORT": str(self.plan.port),
        }

    def _keep(self, name: str, command: str, number: int) -> None:
        environment = _with_own_metrics(self._environment, number)

        def start() -> Process:
            return spawn(
                name,
                Command(
                    arguments=_affidavit(command),
                    log=self._data / "logs" / f"{name}.log",
                    death_signal=signal.SIGKILL,  # all that they hold is durable, and the end is certain
                    environment=environment,
                    directory=Path.cwd(),
                ),
            )

        self._kept[name] = _Kept(start, start(), time.monotonic())

    def _run(self, *arguments: str, seconds: float) -> str:
        done = subprocess.run(
            _affidavit(*arguments),
            check=False,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=seconds,
        )
        if done.returncode != 0:
            raise StackFailed(f"`affidavit {arguments[0]}` failed:\n{done.stderr.strip()[-4000:]}")
        return done.stdout.strip()

    def _await_ready(self) -> None:
        give_up = time.monotonic() + _READY_SECONDS
        while (status := _status(f"{self.plan.base_url}/readyz")) != HTTPStatus.OK:
            for process in (kept.process for kept in self._kept.values()):
                if not process.is_running():
                    raise StackFailed(_why(process, "ended while starting"))
            if time.monotonic() > give_up:
                raise StackFailed(_why(self._kept["api"].process, f"is not ready (/readyz: {status})"))
            time.sleep(0.05)

    def _find_api_key(self) -> str:
        """Return the kept key while the server accepts it, else make one and keep it."""
        path = self._data / "api-key"
        key = path.read_text().strip() if path.exists() else ""
        probe = f"{self.plan.base_url}/v1/jobs?limit=1"
        if key and _status(probe, key) not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return key
        made = self._run("keys", "create", "--name", "affidavit up", seconds=60)
        _write_private(path, made)
        return made


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _with_own_metrics(environment: dict[str, str], number: int) -> dict[str, str]:
    """Give each process of this machine a port of its own for /metrics, if any."""
    first = environment.get("AFFIDAVIT_METRICS_PORT", "")
    if not first.isdigit() or first == "0":
        return environment
    return {**environment, "AFFIDAVIT_METRICS_PORT": str(int(first) + number)}


def _affidavit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "affidavit.cli", *arguments]


def _kept_secret(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    return path.read_text().strip()


def _write_private(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text + "\n")
    draft.replace(path)


def _refuse_taken_port(plan: Plan) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plan.host, plan.port))
        except OSError as error:
            raise StackFailed(
                f"Port {plan.port} on {plan.host} cannot be used ({error.strerror}). "
                "Choose another with --port."
            ) from error


def _status(url: str, key: str | None = None) -> int | None:
    """Return the status of a GET, or None when nobody answers."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        return httpx.get(
            url, headers=headers, timeout=5, trust_env=False
        ).status_code  # no proxy for ourselves
    except httpx.HTTPError:
        return None


def _why(process: Process, what: str) -> str:
    return f"{process.name} {what}. The end of {process.log}:\n{process.log_tail()}"
