"""Start processes that end with this one, even by `kill -9`, and stop them in order."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_LEASH = Path(__file__).with_name("leash.py")
_LOG_LIMIT_BYTES = 10_000_000  # one older log of this size is kept beside the current one


@dataclass(frozen=True, slots=True)
class User:
    """Whom a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `death_signal` is sent to it when this process is gone.

    The environment is exactly `environment`. `keep_open` are descriptors that it inherits, beside
    its standard ones; `config` is what it reads on its standard input.
    """

    arguments: Sequence[str]
    log: Path
    death_signal: signal.Signals
    environment: dict[str, str]
    directory: Path
    user: User | None = None
    keep_open: tuple[int, ...] = ()
    config: bytes = b""


@dataclass(slots=True)
class Process:
    """A running command. `watch_pipe` is the end of the watchdog's pipe that we hold, or None."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    watch_pipe: int | None = field(default=None)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def stop(self, *steps: tuple[signal.Signals, float]) -> int:
        """Send each signal in turn until the process is gone; return its exit status.

        A step is a signal and the seconds to wait after it. SIGKILL follows the last one.
        """
        for number, seconds in steps:
            self.popen.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
            if not self.is_running():
                break
        with contextlib.suppress(ProcessLookupError):  # the watchdog and the command are one group
            os.killpg(self.pid, signal.SIGKILL)
        if self.watch_pipe is not None:
            os.close(self.watch_pipe)
            self.watch_pipe = None
        return self.popen.wait(10)

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of the log, to show why a start failed."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def spawn(name: str, command: Command, *, watchdog: bool = sys.platform != "linux") -> Process:
    """Start a process in a session of its own that ends when this one does.

    Call it from the main thread: Linux sends the death signal when the *thread* that started the
    process ends. `watchdog` watches by a pipe instead, which is what systems without that signal need.
    """
    pipe = os.pipe() if watchdog else None
    terms = {
        "parent": os.getpid(),
        "signal": int(command.death_signal),
        "uid": command.user.uid if command.user else None,
        "gid": command.user.gid if command.user else None,
        "watch": pipe[0] if pipe else None,
    }
    with _open_log(command.log) as log:
        popen = subprocess.Popen(
            # -I -S: nothing of the environment or of site-packages is read as root.
            [sys.executable, "-I", "-S", str(_LEASH), json.dumps(terms), *command.arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=command.directory,
            env=command.environment,
            pass_fds=(*command.keep_open, *(pipe[:1] if pipe else ())),
            start_new_session=True,
        )
    if pipe:
        os.close(pipe[0])
    _feed(popen, command.config)
    return Process(name, popen, command.log, watch_pipe=pipe[1] if pipe else None)


def rotate(log: Path, *, limit_bytes: int = _LOG_LIMIT_BYTES) -> bool:
    """Put a log that has grown too large aside while it is written to; tell whether it was.

    Its writer appends, so it goes on at the start of the emptied file. Lines of that very moment may be lost.
    """
    if not log.exists() or log.stat().st_size <= limit_bytes:
        return False
    shutil.copy(log, log.with_suffix(".old.log"))
    os.truncate(log, 0)
    return True


def _open_log(path: Path) -> IO[bytes]:
    rotate(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _feed(popen: subprocess.Popen[bytes], config: bytes) -> None:
    if popen.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError), popen.stdin:  # it died: its log says why
        popen.stdin.write(config)
