"""Deny the system calls that no reader of documents needs, by a seccomp filter written here.

The filter lists what is denied, not what is allowed: the engine's libraries (MuPDF, numpy,
onnxruntime, Tesseract) change what they call between versions, and an allow-list that is wrong
kills good documents. Everything that reaches another process, the network, the kernel's own
tables or a file that outlives the child is on the list and answers EPERM. A child that starts no
program loses more: it can start nothing, remove nothing and signal nobody.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
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
REFUSE: Final = ERRNO | errno.EPERM
NUMBER, ARCHITECTURE = 0, 4  # offsets in seccomp_data
FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT = 16, 24, 32  # their lower halves
NEW_NAMESPACES: Final = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
TIOCSTI: Final = 0x5412  # types into a terminal
X32_BIT: Final = 0x40000000
O_TMPFILE: Final = 0x400000  # __O_TMPFILE: a file without a name is found by nobody who counts them

# machine -> (AUDIT_ARCH of linux/audit.h, column of the tables)
MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Numbers from asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64); None: not there.
Numbers = tuple[int | None, int | None]
DENIED: Final[dict[str, Numbers]] = {
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
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "process_mrelease": (448, 448),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # a program that has no path, which Landlock could not judge
    "execveat": (322, 281),
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
    # folders and modes that would keep the worker from clearing up
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    # room on the disk that neither RLIMIT_FSIZE nor the size of a file shows
    "fallocate": (285, 47),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    # memory that no limit of the process counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
    "io_setup": (206, 0),
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
# What starts a program, or takes a file out of sight while it is open.
STARTING: Final[dict[str, Numbers]] = {
    "execve": (59, 221),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rmdir": (84, None),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
}
# They take their flags by pointer, which a filter cannot read. On ENOSYS the C library falls back to
# the older calls.
UNREADABLE: Final[dict[str, Numbers]] = {"clone3": (435, 435), "openat2": (437, 437)}
CLONE: Final = (56, 220)
OPEN: Final = (2, None)
OPENAT: Final = (257, 56)
IOCTL: Final = (16, 29)
PRCTL: Final = (157, 167)
PRLIMIT: Final = (302, 261)
KILL_CALLS: Final = ((62, 129), (234, 131))  # kill, tgkill: the process comes first in both


def is_supported() -> bool:
    """Tell whether this machine has a filter here and a kernel that takes one."""
    if platform.machine() not in MACHINES:
        return False
    try:
        return kernel.prctl(PR_GET_SECCOMP) >= 0
    except OSError:
        return False


def deny_system_calls(*, may_start: bool) -> None:
    """Put the filter on this thread and all that it starts, for good.

    `may_start`: whether programs may be started; which ones is for Landlock to say. Needs
    PR_SET_NO_NEW_PRIVS first. Raises OSError when the kernel refuses it.
    """
    code = program(platform.machine(), None if may_start else os.getpid())
    steps = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count, padding, a pointer
    loaded = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(steps)))
    kernel.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(loaded))


def program(machine: str, alone: int | None) -> bytes:
    """Return the filter as struct sock_filter[], 8 bytes each. Raises KeyError for other machines.

    `alone` is the number of a process that starts nothing and signals itself at most; None for one
    that may start programs.
    """
    _, column = MACHINES[machine]
    if alone is None:
        more = _deny_argument(CLONE[column], FIRST_ARGUMENT, ANY_BIT, NEW_NAMESPACES)
    else:
        more = [step for pair in KILL_CALLS for step in _allow_argument(pair[column], alone)]
        more.append(_starting(machine))
    return b"".join([_always(machine), *more, _step(RETURN, ALLOW)])


@functools.cache  # the host builds it once, for the children that it forks
def _always(machine: str) -> bytes:
    architecture, column = MACHINES[machine]
    code = [
        _step(LOAD, ARCHITECTURE),
        _step(EQUAL, architecture, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
        # x32 numbers are the same calls by another name; aarch64 has none so high
        _step(AT_LEAST, X32_BIT, 0, 1),
        _step(RETURN, REFUSE),
        *_refuse(DENIED, column, errno.EPERM),
        *_refuse(UNREADABLE, column, errno.ENOSYS),
        *_deny_argument(IOCTL[column], SECOND_ARGUMENT, EQUAL, TIOCSTI),
        *_deny_argument(PRCTL[column], FIRST_ARGUMENT, EQUAL, PR_SET_PDEATHSIG),
        *_deny_argument(OPENAT[column], THIRD_ARGUMENT, ANY_BIT, O_TMPFILE),
        *_deny_argument(OPEN[column], SECOND_ARGUMENT, ANY_BIT, O_TMPFILE),
        *_allow_argument(PRLIMIT[column], 0),
    ]
    return b"".join(code)


@functools.cache
def _starting(machine: str) -> bytes:
    return b"".join(_refuse(STARTING, MACHINES[machine][1], errno.EPERM))


def _refuse(calls: dict[str, Numbers], column: int, answer: int) -> list[bytes]:
    numbers = [pair[column] for pair in calls.values()]
    return [
        step
        for number in numbers
        if number is not None
        for step in (_step(EQUAL, number, 0, 1), _step(RETURN, ERRNO | answer))
    ]


def _deny_argument(number: int | None, argument: int, test: int, operand: int) -> list[bytes]:
    if number is None:
        return []
    return [
        _step(EQUAL, number, 0, 4),
        _step(LOAD, argument),
        _step(test, operand, 0, 1),
        _step(RETURN, REFUSE),
        _step(LOAD, NUMBER),
    ]


def _allow_argument(number: int, first: int) -> list[bytes]:
    """Refuse the call unless its first argument is this one."""
    return [
        _step(EQUAL, number, 0, 4),
        _step(LOAD, FIRST_ARGUMENT),
        _step(EQUAL, first, 1, 0),
        _step(RETURN, REFUSE),
        _step(LOAD, NUMBER),
    ]


def _step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
