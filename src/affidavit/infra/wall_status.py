"""Tell which walls stand on this machine, by asking the kernel and by trying."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from affidavit.infra import landlock, seccomp


@dataclass(frozen=True, slots=True)
class WallStatus:
    """Whether a wall stands here, and what `affidavit doctor` should say of it."""

    name: str
    live: bool
    detail: str


def can_enter_namespaces() -> bool:
    """Tell whether `walls.enter_namespaces` works here, by trying it in another process."""
    code = "from affidavit.infra import walls; raise SystemExit(not walls.enter_namespaces())"
    return (
        subprocess.run([sys.executable, "-I", "-c", code], check=False, capture_output=True).returncode == 0
    )


REQUIRED: Final = frozenset({"landlock", "seccomp"})  # without one of them documents are not opened strictly


def required() -> list[WallStatus]:
    """Return the walls that a strict installation needs: files, calls, and that no signal gets out."""
    found = live()
    held = [status for status in found if status.name in REQUIRED]
    shut = [status for status in found if status.name in {"namespaces", "landlock-signals"}]
    return [*held, next((status for status in shut if status.live), shut[0])]


def live() -> list[WallStatus]:
    """Return which walls would stand for children of this process, without raising any."""
    root = os.getuid() == 0
    version = landlock.abi()
    return [
        WallStatus("limits", live=True, detail="address space, file size, open files, CPU"),
        WallStatus("user", live=root, detail="children become another user" if root else "the worker's own"),
        WallStatus(
            "namespaces", live=can_enter_namespaces(), detail="processes, network and IPC of their own"
        ),
        WallStatus("landlock", live=version > 0, detail=f"ABI {version}"),
        WallStatus(
            "landlock-signals", live=version >= landlock.SCOPE_SINCE, detail="no signal leaves the child"
        ),
        WallStatus("seccomp", live=seccomp.is_supported(), detail="no sockets, no ptrace, no mounts"),
    ]
