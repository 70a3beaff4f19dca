"""Wall a process in: limits, another user, no new rights, few files, few system calls.

`raise_walls` is what a forked child calls before it touches a document. A wall that this kernel
or this user cannot raise is left out, and `wall_status` says so; no wall is half there.
"""

from __future__ import annotations

import functools
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from affidavit.infra import identity, kernel, landlock, seccomp
from affidavit.infra.identity import Identity
from affidavit.infra.profile import Profile

PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 1 << 27, 1 << 28, 1 << 29, 1 << 30
MOST_TASKS: Final = 1 << 22  # PID_MAX_LIMIT of linux/threads.h
FEW_TASKS: Final = 32  # more than one user that runs nothing else has

# What Python, MuPDF, Tesseract and their C libraries read while they work.
SYSTEM_READ: Final = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/usr/share",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
)
SYSTEM_WRITE: Final = ("/dev/null",)


@dataclass(frozen=True, slots=True)
class Walls:
    """The limits of one child.

    `processes` counts the threads and processes of a child that may start programs; one that may not
    starts none. `disk_bytes` and `files` count what the child leaves in its directory beside what it
    was given. `cpu` is per process, `total` the wall clock of all.
    """

    address_space_bytes: int = 4 << 30
    file_size_bytes: int = 512 << 20  # the words of 2,000 dense pages with their boxes
    open_files: int = 256
    processes: int = 32
    disk_bytes: int = 2 << 30
    files: int = 10_000
    no_progress: timedelta = timedelta(seconds=120)
    total: timedelta = timedelta(minutes=15)
    cpu: timedelta = timedelta(minutes=15)

    def to_json(self) -> dict[str, int]:
        """Return what the kernel enforces; the two wall clocks stay with the worker."""
        kept = {key: value for key, value in asdict(self).items() if isinstance(value, int)}
        return {**kept, "cpu_seconds": max(1, round(self.cpu.total_seconds()))}


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one child may live: its directory, the user it becomes, what else it may read and start."""

    workspace: Path
    limits: Mapping[str, int]
    identity: Identity | None
    readable: tuple[str, ...]
    profile: Profile


def die_with_parent(parent: int | None = None) -> None:
    """Be killed when the thread that started this process ends; exit at once if it has.

    The kernel clears this on a change of user, so it is called again after one. `parent` is the
    process id that must still be there, 0 for one outside of the PID namespace.
    """
    kernel.prctl(seccomp.PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent has died, to kill and reap them."""
    kernel.prctl(PR_SET_CHILD_SUBREAPER, 1)


def enter_namespaces() -> bool:
    """Have the next child start namespaces of its own for processes, network and IPC.

    When that child dies the kernel kills all in them, so nothing can outlive it. Without root a
    user namespace is tried as well; containers often forbid it. Return whether it was done.
    """
    wanted = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC
    uid, gid = os.getuid(), os.getgid()
    try:
        kernel.unshare(wanted if uid == 0 else wanted | CLONE_NEWUSER)
    except OSError:
        return False
    if uid != 0:
        with suppress(OSError):  # the ids read as 65534 then, and file access is unchanged
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return True


def prepare() -> None:
    """Work out what all children need alike. Call it when `sys.path` is as it will be."""
    python_paths()
    if seccomp.is_supported():
        seccomp.program(os.uname().machine, os.getpid())


def raise_walls(cell: Cell, parent: int) -> None:
    """Wall this process in for good. The order matters: each step needs rights the next takes.

    `parent` is the host as this process sees it. Raises OSError when a wall that can stand here
    could not be raised; the caller must not go on then.
    """
    with suppress(OSError):  # the first to go when memory runs out, before any server
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit(cell.limits)
    if cell.identity is not None:
        identity.become(cell.identity, keep_reading=not identity.can_reach(cell.identity, _needed(cell)))
    else:
        identity.drop_capabilities()
    if cell.profile.programs:
        _limit_processes(cell.limits["processes"])
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    die_with_parent(parent)
    if landlock.abi() > 0:
        landlock.restrict_files(
            read=(*SYSTEM_READ, *python_paths(), *cell.readable),
            execute=cell.profile.programs,
            write=(str(cell.workspace), *SYSTEM_WRITE),
        )
    if seccomp.is_supported():
        seccomp.deny_system_calls(may_start=bool(cell.profile.programs))


def _limit(limits: Mapping[str, int]) -> None:
    cpu = limits["cpu_seconds"]
    wanted = {
        resource.RLIMIT_AS: limits["address_space_bytes"],
        resource.RLIMIT_FSIZE: limits["file_size_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    for name, value in wanted.items():
        _set_limit(name, value, value)
    # SIGXCPU first, which names the cause; SIGKILL for a child that ignores it
    _set_limit(resource.RLIMIT_CPU, cpu, cpu + 5)


def _limit_processes(more: int) -> None:
    """Let this user have so many threads and processes more than it has now.

    The kernel counts them by user, over all containers and siblings, and tells nobody; so the count
    is found by trying. Void for root, who has become another by now.
    """
    _, ceiling = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MOST_TASKS if ceiling == resource.RLIM_INFINITY else max(1, ceiling)
    low, high = 1, min(FEW_TASKS, most)
    while not _can_start(high, ceiling) and high < most:
        low, high = high + 1, min(high * 4, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _can_start(middle, ceiling) else (middle + 1, high)
    most = low - 1 + more  # under `low` one more can be started than there are
    _set_limit(resource.RLIMIT_NPROC, most, most)


def _can_start(limit: int, ceiling: int) -> bool:
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, ceiling))
    try:
        os.posix_spawn("/", ["/"], {})  # without copying memory; a folder is not started in the end
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _set_limit(name: int, soft: int, hard: int) -> None:
    _, ceiling = resource.getrlimit(name)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(name, (soft, hard))


def _needed(cell: Cell) -> tuple[str, ...]:
    existing = (path for path in (*python_paths(), *cell.readable) if Path(path).exists())
    return (str(cell.workspace), *existing)


@functools.cache
def python_paths() -> tuple[str, ...]:
    """Where modules are imported from: the path as it is now, and both prefixes' libraries."""
    prefixes = (Path(prefix, name) for prefix in (sys.prefix, sys.base_prefix) for name in ("lib", "lib64"))
    found = (*sys.path, *map(str, prefixes), sysconfig.get_path("stdlib"))
    return tuple(dict.fromkeys(os.path.realpath(path) for path in found if path))


def limits_from_json(found: Mapping[str, Any]) -> dict[str, int]:
    """Check the numbers that `Walls.to_json` wrote. Raises KeyError, TypeError, ValueError."""
    names = ("address_space_bytes", "file_size_bytes", "open_files", "processes", "cpu_seconds")
    return {name: int(found[name]) for name in names}
