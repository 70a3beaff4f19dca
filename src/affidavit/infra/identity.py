"""Become an unprivileged user, and keep of root's rights one at most."""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from affidavit.infra import kernel

PR_SET_KEEPCAPS: Final = 8
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPSET: Final = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3: Final = 0x20080522
CAP_DAC_READ_SEARCH: Final = 2


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


def become(identity: Identity, *, keep_reading: bool) -> None:
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


def drop_capabilities() -> None:
    """Give up every right of root's that this process has."""
    with suppress(OSError):
        _set_capabilities(0)


def _set_capabilities(mask: int) -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    sets = ctypes.create_string_buffer(struct.pack("=6I", mask, mask, mask, 0, 0, 0))
    kernel.syscall(CAPSET[os.uname().machine], ctypes.addressof(header), ctypes.addressof(sets))


def can_reach(identity: Identity, paths: Sequence[str]) -> bool:
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
