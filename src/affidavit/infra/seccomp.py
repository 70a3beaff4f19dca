"""Deny the system calls that no reader of documents needs, by a seccomp filter written here.

The filter lists what is denied, not what is allowed: the engine's libraries (MuPDF, numpy,
onnxruntime, Tesseract) change what they call between versions, and an allow-list that is wrong
kills good documents. Everything that reaches another process, the network, the kernel's own
tables or a file that outlives the child is on the list and answers EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import Final

from affidavit.infra import kernel

PR_SET_PDEATHSIG: Final = 1
PR_GET_SECCOMP: Final = 21
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2

# linux/filter.h: load a word, jump if equal, jump if greater or equal, jump if any bit, return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in seccomp_data
NEW_NAMESPACES: Final = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
TIOCSTI: Final = 0x5412  # types into a terminal
X32_BIT: Final = 0x40000000

# machine -> (AUDIT_ARCH of linux/audit.h, column of DENIED)
MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Numbers from asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64); None: not there.
DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    # the network, and local sockets
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # rings run calls that the filter does not see
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # leaving the process group that is killed as one
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # files that are more than files: the worker opens what the child left behind
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "link": (86, None),
    "linkat": (265, 37),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # memory that no limit of the process counts
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # the kernel's own tables
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "fanotify_init": (300, 262),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}
CLONE: Final = (56, 220)
CLONE3: Final = (435, 435)
IOCTL: Final = (16, 29)
PRCTL: Final = (157, 167)


def is_supported() -> bool:
    """Tell whether this machine has a filter here and a kernel that takes one."""
    if platform.machine() not in MACHINES:
        return False
    try:
        return kernel.prctl(PR_GET_SECCOMP) >= 0
    except OSError:
        return False


def deny_system_calls() -> None:
    """Put the filter on this thread and all that it starts, for good.

    Needs PR_SET_NO_NEW_PRIVS first. Raises OSError when the kernel refuses it.
    """
    code = program(platform.machine())
    steps = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count, padding, a pointer
    loaded = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(steps)))
    kernel.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(loaded))


def program(machine: str) -> bytes:
    """Return the filter as struct sock_filter[], 8 bytes each. Raises KeyError for other machines."""
    architecture, column = MACHINES[machine]
    refuse = ERRNO | errno.EPERM
    code = [
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, architecture, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
        # x32 numbers are the same calls by another name; aarch64 has none so high
        _step(AT_LEAST, X32_BIT, 0, 1),
        _step(RETURN, refuse),
    ]
    for numbers in DENIED.values():
        if (number := numbers[column]) is not None:
            code += [_step(EQUAL, number, 0, 1), _step(RETURN, refuse)]
    # clone3 takes its flags by pointer, which a filter cannot read; on ENOSYS the C library
    # falls back to clone.
    code += [_step(EQUAL, CLONE3[column], 0, 1), _step(RETURN, ERRNO | errno.ENOSYS)]
    code += _deny_argument(CLONE[column], FIRST_ARGUMENT, ANY_BIT, NEW_NAMESPACES)
    code += _deny_argument(IOCTL[column], SECOND_ARGUMENT, EQUAL, TIOCSTI)
    code += _deny_argument(PRCTL[column], FIRST_ARGUMENT, EQUAL, PR_SET_PDEATHSIG)
    return b"".join([*code, _step(RETURN, ALLOW)])


def _deny_argument(number: int, argument: int, test: int, operand: int) -> list[bytes]:
    return [
        _step(EQUAL, number, 0, 4),
        _step(LOAD, argument),
        _step(test, operand, 0, 1),
        _step(RETURN, ERRNO | errno.EPERM),
        _step(LOAD, NUMBER),
    ]


def _step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
