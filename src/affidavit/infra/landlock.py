"""Shut the file system but for a few paths, by Landlock (Linux 5.13 and later).

Constants and structures from linux/landlock.h; the three system calls have the same numbers on
every architecture.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

from affidavit.infra import kernel

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH: Final = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
ON_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ: Final = READ_FILE | READ_DIR
WRITE: Final = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG
NET_TCP: Final = 3  # bind and connect; ABI 4
SCOPE_SINCE: Final = 6
SCOPE_ALL: Final = 3  # abstract unix sockets, and signals to outside; ABI 6


def abi() -> int:
    """Return the kernel's Landlock version, 0 when it has none."""
    try:
        return kernel.syscall(CREATE_RULESET, 0, 0, 1)
    except OSError:
        return 0


def restrict_files(*, read: Iterable[str], execute: Iterable[str], write: Iterable[str]) -> None:
    """Leave this thread and all that it starts only these trees, for good.

    `execute` may also be read, `write` may be read but not executed; paths that do not exist are
    passed over. Where the kernel can, TCP and signals to processes outside are shut too. Needs
    PR_SET_NO_NEW_PRIVS first. Raises OSError.
    """
    version = abi()
    handled = _handled(version)
    attributes = _attributes(version, handled)
    ruleset = kernel.syscall(CREATE_RULESET, ctypes.addressof(attributes), len(attributes), 0)
    try:
        for rights, paths in ((READ, read), (READ | EXECUTE, execute), (WRITE, write)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        kernel.syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _handled(version: int) -> int:
    rights = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if version >= since:
            rights |= right
    return rights


def _attributes(version: int, handled: int) -> ctypes.Array[ctypes.c_char]:
    words = [handled]
    words += [value for since, value in ((4, NET_TCP), (SCOPE_SINCE, SCOPE_ALL)) if version >= since]
    packed = struct.pack(f"={len(words)}Q", *words)
    return ctypes.create_string_buffer(packed, len(packed))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= ON_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, beneath))
        kernel.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(beneath)
