"""Wall a process in: limits, another user, no new rights, few files, few system calls.

`raise_walls` is what a forked child calls before it touches a document. A wall that this kernel
or this user cannot raise is left out, and `live` says so; no wall is half there.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import signal
import stat
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from affidavit.infra import kernel, landlock, seccomp

PR_SET_KEEPCAPS: Final = 8
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPSET: Final = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3: Final = 0x20080522
CAP_DAC_READ_SEARCH: Final = 2
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 1 << 27, 1 << 28, 1 << 29, 1 << 30

# What Python, MuPDF, Tesseract and their C libraries read while they work.
SYSTEM_READ: Final = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/usr/share",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
)
SYSTEM_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
SYSTEM_PROGRAMS: Final = ("/bin", "/usr/bin", "/usr/local/bin")
SYSTEM_WRITE: Final = ("/dev/null",)


@dataclass(frozen=True, slots=True)
class Identity:
    """The unprivileged user that children become. Numbers, so that the user need not exist."""

    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the user of this name or number. Raises ValueError for root or an unknown name."""
        try:
            found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
            uid, gid = found.pw_uid, found.pw_gid
        except KeyError:
            if not name.isdecimal():
                raise ValueError(f"there is no user {name!r}; name one that owns nothing") from None
            uid = gid = int(name)
        if uid == 0:
            raise ValueError("documents must not be opened as root; name another user")
        return cls(uid=uid, gid=gid)


@dataclass(frozen=True, slots=True)
class Walls:
    """The limits of one child.

    `processes` counts threads and processes of the child's user, so it is set only where the
    child has a user of its own (`Identity`). `cpu` is per process, `total` the wall clock of all.
    """

    address_space_bytes: int = 4 << 30
    file_size_bytes: int = 256 << 20
    open_files: int = 256
    processes: int = 256
    no_progress: timedelta = timedelta(seconds=120)
    total: timedelta = timedelta(minutes=15)
    cpu: timedelta = timedelta(minutes=15)

    def to_json(self) -> dict[str, int]:
        """Return what the kernel enforces; the two wall clocks stay with the worker."""
        kept = {key: value for key, value in asdict(self).items() if isinstance(value, int)}
        return {**kept, "cpu_seconds": max(1, round(self.cpu.total_seconds()))}


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one child may live: its directory, the user it becomes, what else it may read."""

    workspace: Path
    limits: Mapping[str, int]
    identity: Identity | None
    readable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WallStatus:
    """Whether a wall stands here, and what `affidavit doctor` should say of it."""

    name: str
    live: bool
    detail: str


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


def can_enter_namespaces() -> bool:
    """Tell whether `enter_namespaces` works here, by trying it in another process."""
    code = "from affidavit.infra import walls; raise SystemExit(not walls.enter_namespaces())"
    return (
        subprocess.run([sys.executable, "-I", "-c", code], check=False, capture_output=True).returncode == 0
    )


def raise_walls(cell: Cell, parent: int) -> None:
    """Wall this process in for good. The order matters: each step needs rights the next takes.

    `parent` is the host as this process sees it. Raises OSError when a wall that can stand here
    could not be raised; the caller must not go on then.
    """
    with suppress(OSError):  # the first to go when memory runs out, before any server
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit(cell.limits, own_user=cell.identity is not None)
    if cell.identity is not None:
        _become(cell.identity, keep_reading=not _can_reach(cell.identity, _needed(cell)))
    else:
        _drop_capabilities()
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    die_with_parent(parent)
    if landlock.abi() > 0:
        landlock.restrict_files(
            read=(*SYSTEM_READ, *_python_paths(), *cell.readable),
            execute=(*SYSTEM_LIBRARIES, *SYSTEM_PROGRAMS, *_program_paths()),
            write=(str(cell.workspace), *SYSTEM_WRITE),
        )
    if seccomp.is_supported():
        seccomp.deny_system_calls()


def live() -> list[WallStatus]:
    """Return which walls would stand for children of this process, without raising any."""
    root = os.getuid() == 0
    version = landlock.abi()
    return [
        WallStatus("limits", live=True, detail="address space, file size, open files, CPU"),
        WallStatus("user", live=root, detail="children become nobody" if root else "not root"),
        WallStatus(
            "namespaces", live=can_enter_namespaces(), detail="processes, network and IPC of their own"
        ),
        WallStatus("landlock", live=version > 0, detail=f"ABI {version}"),
        WallStatus(
            "landlock-signals", live=version >= landlock.SCOPE_SINCE, detail="no signal leaves the child"
        ),
        WallStatus("seccomp", live=seccomp.is_supported(), detail="no sockets, no ptrace, no mounts"),
    ]


def _limit(limits: Mapping[str, int], *, own_user: bool) -> None:
    cpu = limits["cpu_seconds"]
    wanted = {
        resource.RLIMIT_AS: limits["address_space_bytes"],
        resource.RLIMIT_FSIZE: limits["file_size_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if own_user:
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for name, value in wanted.items():
        _set_limit(name, value, value)
    # SIGXCPU first, which names the cause; SIGKILL for a child that ignores it
    _set_limit(resource.RLIMIT_CPU, cpu, cpu + 5)


def _set_limit(name: int, soft: int, hard: int) -> None:
    _, ceiling = resource.getrlimit(name)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(name, (soft, hard))


def _become(identity: Identity, *, keep_reading: bool) -> None:
    """Change the user. `keep_reading` keeps the one right to read past file modes.

    It is needed where Python itself lies in a directory of root's; Landlock then says what may be
    read, and nothing can be written with it.
    """
    if keep_reading:
        kernel.prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    if not keep_reading:
        return
    try:
        _set_capabilities(1 << CAP_DAC_READ_SEARCH)
        kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)
    except OSError:  # not in the bounding set of this container
        _set_capabilities(0)


def _drop_capabilities() -> None:
    with suppress(OSError):
        _set_capabilities(0)


def _set_capabilities(mask: int) -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    sets = ctypes.create_string_buffer(struct.pack("=6I", mask, mask, mask, 0, 0, 0))
    kernel.syscall(CAPSET[os.uname().machine], ctypes.addressof(header), ctypes.addressof(sets))


def _can_reach(identity: Identity, paths: tuple[str, ...]) -> bool:
    """Tell whether this user may walk down to every path, by the modes of what is above it."""
    return all(_may_walk(Path(path), identity) for path in paths)


def _may_walk(path: Path, identity: Identity) -> bool:
    for step in (path, *path.parents):
        try:
            found = step.stat()
        except OSError:
            return False
        mine, ours = found.st_uid == identity.uid, found.st_gid == identity.gid
        search = stat.S_IXUSR if mine else stat.S_IXGRP if ours else stat.S_IXOTH
        if stat.S_ISDIR(found.st_mode) and not found.st_mode & search:
            return False
    return True


def _needed(cell: Cell) -> tuple[str, ...]:
    existing = (path for path in (*_python_paths(), *cell.readable) if Path(path).exists())
    return (str(cell.workspace), *existing)


def _python_paths() -> tuple[str, ...]:
    """Where modules are imported from: the path as it is now, and both prefixes' libraries."""
    prefixes = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"))
    return tuple(dict.fromkeys(os.path.realpath(path) for path in (*sys.path, *prefixes) if path))


def _program_paths() -> tuple[str, ...]:
    return tuple(dict.fromkeys((os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix))))


def limits_from_json(found: Mapping[str, Any]) -> dict[str, int]:
    """Check the numbers that `Walls.to_json` wrote. Raises KeyError, TypeError, ValueError."""
    names = ("address_space_bytes", "file_size_bytes", "open_files", "processes", "cpu_seconds")
    return {name: int(found[name]) for name in names}
