"""Wrap the engine host in namespaces and a small read-only root, by bubblewrap where it is installed.

Once for the host and not for each child, so a task costs nothing more. What is not in the root does
not exist for the host and its children, whatever the other walls say.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from affidavit.infra.walls import SYSTEM_READ

log = structlog.get_logger()

PROGRAM: Final = "bwrap"
TRIAL_SECONDS: Final = 30  # it takes 15 ms; a machine under load takes longer
# Root's rights that the host needs: to make its children another user and to kill them then, and for them
# to read a Python that lies in a folder of root's.
CAPABILITIES: Final = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_READ_SEARCH")
MADE_ANEW: Final = ("/dev", "/proc")


class Wrapping(StrEnum):
    """Whether to wrap: where it works, or else not at all, or never."""

    AUTO = "auto"
    BWRAP = "bwrap"
    NONE = "none"


class WrappingFailed(Exception):
    """It was asked for and does not work here."""


@dataclass(frozen=True, slots=True)
class Root:
    """What the host sees of the file system: `writable` is for the folders of all tasks."""

    writable: Path
    readable: tuple[str, ...] = ()


def prefix(wrapping: Wrapping, root: Root, program: str = PROGRAM) -> list[str]:
    """Return what comes before the command of the host; nothing where it is not to be wrapped.

    Tries it out. Raises WrappingFailed when it must be and cannot.
    """
    if wrapping is Wrapping.NONE:
        return []
    found = shutil.which(program)
    reason = f"{program} is not installed" if found is None else None
    if found is not None:
        command = arguments(found, root)
        reason = _objection(command)
        if reason is None:
            return command
    if wrapping is Wrapping.BWRAP:
        raise WrappingFailed(f"the engine host cannot be wrapped: {reason}")
    log.info("sandbox.unwrapped", reason=reason)
    return []


def arguments(program: str, root: Root) -> list[str]:
    """Return the command line, up to the command that is wrapped."""
    return [
        program,
        *_namespaces(),
        *("--die-with-parent", "--new-session", "--as-pid-1"),
        *_rights(),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - its own, not the machine's
        *_system(),
        *_bound([sys.prefix, sys.base_prefix, *_import_path(), *root.readable]),
        *("--bind", str(root.writable), str(root.writable)),
        "--",
    ]


def _namespaces() -> list[str]:
    if os.getuid() != 0:
        return ["--unshare-all"]
    # A user namespace made by root has root alone, and children must become another user.
    return ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]


def _rights() -> list[str]:
    kept = CAPABILITIES if os.getuid() == 0 else ()
    return ["--cap-drop", "ALL", *(part for name in kept for part in ("--cap-add", name))]


def _system() -> list[str]:
    parts: list[str] = []
    for path in SYSTEM_READ:
        if path.startswith(MADE_ANEW):
            continue
        if Path(path).is_symlink():
            parts += ["--symlink", str(Path(path).readlink()), path]
        else:
            parts += ["--ro-bind-try", path, path]
    return parts


@functools.cache
def _import_path() -> list[str]:
    """Return where the host imports from, which is not our own path: that may hold the folder of the data."""
    code = "import json, sys; print(json.dumps(sys.path))"
    asked = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, env={})
    found: list[str] = json.loads(asked.stdout)
    return found


def _bound(paths: Sequence[str]) -> list[str]:
    wanted = dict.fromkeys(path for path in paths if Path(path).is_absolute())
    return [part for path in wanted for part in ("--ro-bind-try", path, path)]


def _objection(command: Sequence[str]) -> str | None:
    """Try to start Python wrapped; return why it does not work, None when it does."""
    try:
        trial = subprocess.run(
            [*command, sys.executable, "-I", "-c", ""],
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
            env={},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    if trial.returncode == 0:
        return None
    return trial.stderr.decode("utf-8", "replace").strip()[:200] or f"it ended with {trial.returncode}"
