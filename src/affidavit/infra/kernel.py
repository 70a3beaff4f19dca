"""Call the Linux kernel and the C library where Python's standard library has no name for the call."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> int:
    """Set or ask an attribute of this process; the C call takes up to four more arguments. Raises OSError."""
    padded = [*arguments, 0, 0, 0, 0][:4]
    return _checked(_LIBC.prctl(option, *(ctypes.c_ulong(each) for each in padded)))


def syscall(number: int, *arguments: int) -> int:
    """Make a system call by number; pointers are passed as their addresses. Raises OSError."""
    return _checked(_LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments)))


def unshare(flags: int) -> None:
    """Leave shared namespaces. Python has this call in os from 3.12 on. Raises OSError."""
    _checked(_LIBC.unshare(ctypes.c_int(flags)))


def give_back_memory() -> None:
    """Return freed heap to the kernel, where the C library can (glibc)."""
    trim = getattr(_LIBC, "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _checked(answer: int) -> int:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
