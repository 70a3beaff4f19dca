"""The life of a forked child: shed what the host has, raise the walls, run the entry, die."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from affidavit.infra import walls

LINE_BYTES: Final = 1 << 16  # of one message, its line feed included
EXIT_CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h
EXIT_NO_WALLS: Final = 71  # EX_OSERR
EXIT_OUT_OF_MEMORY: Final = 72
EXIT_NO_PROCESS: Final = 73
Entry = Callable[[dict[str, object], int | None, Path, Callable[[Mapping[str, object]], None]], None]


def live(entry: Entry, cell: walls.Cell, descriptors: list[int], trace: int, host: int) -> NoReturn:
    """Run `entry` in `cell` and exit; never returns, whatever happens.

    `descriptors` are the request, the pipe for messages, and the document's if there is one.
    The exit status says how it went: 0, or one of the EXIT constants.
    """
    status = EXIT_NO_WALLS
    try:
        os.setsid()
        walls.die_with_parent(host)
        _reset_signals()
        _keep_only({*descriptors, trace})
        faulthandler.enable(file=trace)
        _settle(cell.workspace)
        walls.raise_walls(cell, host)
        status = EXIT_CRASHED
        _work(entry, cell.workspace, descriptors)
        status = 0
    except BaseException as error:  # noqa: BLE001 - this is the last frame of the process
        if _is_for_want_of_memory(error):
            status = EXIT_OUT_OF_MEMORY
        elif isinstance(error, BlockingIOError):  # what a fork past RLIMIT_NPROC raises
            status = EXIT_NO_PROCESS
        os.write(trace, _where(error).encode("ascii", "replace"))
    finally:
        os._exit(status)


def _work(entry: Entry, workspace: Path, descriptors: list[int]) -> None:
    request, pipe, *document = descriptors
    with os.fdopen(request, "rb") as file:
        file.seek(0)
        order = json.load(file)
    entry(order, document[0] if document else None, workspace, _Emitter(pipe))


class _Emitter:
    """Write one message as one line of JSON. Raises ValueError for one of more than 64 KiB."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, message: Mapping[str, object]) -> None:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if len(line) > LINE_BYTES:
            raise ValueError(f"a message of {len(line)} bytes, and the limit is {LINE_BYTES}")
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._pipe, rest) :]


def _reset_signals() -> None:
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _keep_only(kept: set[int]) -> None:
    """Close every descriptor but these, with the three standard ones at /dev/null.

    The libraries' own complaints quote the document, so nobody listens to them.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for each in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if each not in {0, 1, 2, *kept}:
            with suppress(OSError):  # the listing's own
                os.close(each)


def _settle(workspace: Path) -> None:
    os.umask(0o077)
    os.chdir(workspace)
    temporary = str(workspace / "tmp")
    os.environ.update(HOME=str(workspace), TMPDIR=temporary)
    tempfile.tempdir = temporary  # the host has found one of its own by now


def _is_for_want_of_memory(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def _where(error: BaseException) -> str:
    """Name the type and the lines of an exception, and not its text, which may quote the document."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    lines = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    cause = f" from {type(error.__cause__).__name__}" if error.__cause__ else ""
    return f"{type(error).__name__}{cause} at {lines}"
