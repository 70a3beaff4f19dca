"""Run a real Postgres and a real Valkey of our own, for machines that have none.

Both are direct children in the foreground, on loopback with generated passwords, durable (fsync is
never off), and gone when this process is, even by `kill -9`. Postgres refuses to run as root, so as root
both run as an unprivileged user. All state is in one folder:

    servers.json     ports and passwords, readable by its owner only
    in-use.lock      held by the process that runs the servers
    postgres/ valkey/                the data
    postgres.lock valkey.lock        inherited by the servers: held until their last process is gone
    postgres.log valkey.log

Whoever holds a server's lock knows that no process of it is left, so a `postmaster.pid` found then is
stale, whatever process has that number today.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from affidavit.infra.binaries import locate
from affidavit.infra.cluster import ENVIRONMENT, NAME, create_cluster, make_private, own_path, service_user
from affidavit.infra.supervise import Command, Process, spawn

_START_SECONDS = 60.0  # a crash recovery may replay much log
_LEFTOVER_SECONDS = 20.0  # processes of a killed run end within about a second
_STATUS_LINE = 7  # of postmaster.pid, from 0: LOCK_FILE_LINE_PM_STATUS of miscadmin.h
_LOOPBACK = "127.0.0.1"
SERVICE = f"{NAME}_service"  # whom API and workers log in as


class DataDirInUse(Exception):
    """Another process runs the servers of this folder."""


class StartFailed(Exception):
    """A server did not come up; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens on loopback, and its password."""

    port: int
    password: str


class EmbeddedServers:
    """Postgres and Valkey in one folder. One process at a time may start them.

    Use it as a context, from the main thread: the kernel ends the servers when the *thread* that started
    them ends. Raises EmbeddedUnavailable, DataDirInUse, ClusterFailed and StartFailed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._running: dict[str, Process] = {}
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        """Postgres as the owner of everything in it."""
        return self._database_url(NAME, self._endpoints["postgres"].password)

    @property
    def service_url(self) -> str:
        """Postgres as the login of API and workers, which `affidavit migrate` makes."""
        # Whoever has this password cannot find the owner's from it.
        owner = self._endpoints["postgres"].password
        password = hmac.new(owner.encode(), SERVICE.encode(), "sha256").hexdigest()
        return self._database_url(SERVICE, password)

    @property
    def redis_url(self) -> str:
        found = self._endpoints["valkey"]
        return f"redis://:{found.password}@{_LOOPBACK}:{found.port}/0"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by server name: `postgres`, `valkey`."""
        return {name: process.pid for name, process in self._running.items()}

    def start(self) -> None:
        """Bring both up and wait until they answer."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._lock = _claim(self.folder)
        try:
            self._user = service_user(self.folder / "postgres")
            self._binaries = locate(readable_by_all=self._user is not None)
            self._endpoints = _endpoints(self.folder / "servers.json")
            self.revive()
        except BaseException:
            self.stop()
            raise

    def revive(self) -> list[str]:
        """Start what is not running, wait until it answers, and return its names."""
        starts: dict[str, Callable[[], Process]] = {
            "postgres": self._start_postgres,
            "valkey": self._start_valkey,
        }
        started = [
            name for name in starts if name not in self._running or not self._running[name].is_running()
        ]
        for name in started:
            self._running[name] = starts[name]()
        checks = {"postgres": self._postgres_answers, "valkey": self._valkey_answers}
        for name in started:
            _await(self._running[name], checks[name])
        return started

    def stop(self) -> None:
        """Stop both in order, Postgres by its fast shutdown, and let go of the folder."""
        if valkey := self._running.pop("valkey", None):
            valkey.stop((signal.SIGTERM, 10))
        if postgres := self._running.pop("postgres", None):
            postgres.stop((signal.SIGINT, 30), (signal.SIGQUIT, 10))
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _database_url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@{_LOOPBACK}:{self._endpoints['postgres'].port}/{NAME}"

    def _start_postgres(self) -> Process:
        data = self.folder / "postgres"
        lock = _await_lock(self.folder / "postgres.lock")
        try:
            if not data.exists():
                password = self._endpoints["postgres"].password
                create_cluster(data, self._binaries, self._user, password=password, lock=lock)
            (data / "postmaster.pid").unlink(missing_ok=True)  # we hold the lock, so it is stale
            return self._spawn("postgres", signal.SIGINT, lock, self._postgres_arguments(data))
        finally:
            os.close(lock)

    def _postgres_arguments(self, data: Path) -> list[str]:
        options = {
            "listen_addresses": _LOOPBACK,
            "port": str(self._endpoints["postgres"].port),
            "unix_socket_directories": "",
            "cluster_name": NAME,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binaries.postgres), "-D", own_path(data, self._user), *settings]

    def _start_valkey(self) -> Process:
        make_private(self.folder / "valkey", self._user)
        lock = _await_lock(self.folder / "valkey.lock")
        found = self._endpoints["valkey"]
        options = {
            "bind": _LOOPBACK,
            "port": found.port,
            "requirepass": found.password,
            "appendonly": "yes",
            "save": '""',  # the log alone: a snapshot beside it is a second truth
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        config = "".join(f"{name} {value}\n" for name, value in options.items()).encode()
        try:
            return self._spawn("valkey", signal.SIGTERM, lock, [str(self._binaries.valkey), "-"], config)
        finally:
            os.close(lock)

    def _spawn(
        self, name: str, death: signal.Signals, lock: int, arguments: list[str], config: bytes = b""
    ) -> Process:
        command = Command(
            arguments=arguments,
            log=self.folder / f"{name}.log",
            death_signal=death,
            environment=ENVIRONMENT,
            directory=self.folder / name,
            user=self._user,
            keep_open=(lock,),
            config=config,
        )
        return spawn(name, command)

    def _postgres_answers(self) -> bool:
        try:
            lines = (self.folder / "postgres" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return [line.strip() for line in lines[_STATUS_LINE:]] == ["ready"]

    def _valkey_answers(self) -> bool:
        found = self._endpoints["valkey"]
        try:
            with socket.create_connection((_LOOPBACK, found.port), timeout=1) as connection:
                connection.sendall(f"AUTH {found.password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as replies:
                    return [replies.readline(), replies.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False


def _claim(folder: Path) -> int:
    """Take the folder for this process, or raise DataDirInUse at once."""
    lock = os.open(folder / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode().strip() or "unknown"
        os.close(lock)
        raise DataDirInUse(
            f"{folder} is in use by process {holder}. Stop that one, or choose another --data-dir."
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _await_lock(path: Path) -> int:
    """Take a server's lock when the last process of its previous run is gone."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + _LEFTOVER_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < give_up:
                time.sleep(0.02)
                continue
            os.close(lock)
            raise StartFailed(
                f"Processes of the previous run still hold {path} after {_LEFTOVER_SECONDS:.0f} s. "
                f"`fuser {path}` names them; end them and start again."
            ) from None
        return lock


def _endpoints(path: Path) -> dict[str, Endpoint]:
    """Return where the servers listen: as recorded, with another port where that one is taken."""
    recorded = json.loads(path.read_text()) if path.exists() else {}
    chosen: dict[str, Endpoint] = {}
    for name in ("postgres", "valkey"):
        old = recorded.get(name, {"port": 0, "password": secrets.token_hex(24)})
        taken = {endpoint.port for endpoint in chosen.values()}
        chosen[name] = Endpoint(_free_port(old["port"], taken), old["password"])
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({name: asdict(endpoint) for name, endpoint in chosen.items()}))
    draft.replace(path)
    return chosen


def _free_port(preferred: int, taken: set[int]) -> int:
    for port in (preferred, 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            if (found := int(probe.getsockname()[1])) not in taken:
                return found
    raise StartFailed(f"There is no free port on {_LOOPBACK}.")


def _await(process: Process, answers: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while process.is_running() and time.monotonic() < give_up:
        if answers():
            return
        time.sleep(0.01)
    raise StartFailed(f"{process.name} did not start. The end of {process.log}:\n{process.log_tail()}")
