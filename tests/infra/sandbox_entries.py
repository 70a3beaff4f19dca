"""What children of the tests' sandbox hosts do: good, bad and hostile entry points."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

WARMED = []


def warm_up():
    WARMED.append(os.getpid())


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def fail_to_warm_up():
    raise RuntimeError("no model")


def act(request, document, workspace, emit):
    """Do what `request["do"]` names, then say that it is done."""
    ACTIONS[request["do"]](request, document, workspace, emit)
    emit({"type": "done"})


def outer_pid():
    """Our number as the machine's /proc has it: inside a PID namespace ours is another."""
    return int(Path("/proc/self").readlink().name)


def read_document(request, document, workspace, emit):
    with os.fdopen(document, "rb") as file:
        content = file.read().decode()
    (workspace / "out.txt").write_text(content)
    emit({"type": "read", "content": content, "echo": request["echo"], "warmed": bool(WARMED)})


def look_around(request, document, workspace, emit):
    usable = []
    for number in range(3, 1024):
        try:
            os.fstat(number)
        except OSError:
            continue
        usable.append(number)
    emit(
        {
            "type": "found",
            "environment": dict(os.environ),
            "descriptors": len(usable),
            "uid": os.getuid(),
            "groups": os.getgroups(),
            "cwd": str(Path.cwd()),
            "umask": os.umask(0o077),
            "leader": os.getpid() == os.getsid(0),
            "pid": outer_pid(),
            "parent": os.getppid(),
        }
    )


def segfault(request, document, workspace, emit):
    os.kill(os.getpid(), signal.SIGSEGV)


def really_segfault(request, document, workspace, emit):
    ctypes.string_at(0)


def fail(request, document, workspace, emit):
    raise ValueError("the document says: CANARY")


def hog_memory(request, document, workspace, emit):
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))


def hog_memory_inside(request, document, workspace, emit):
    try:
        hog_memory(request, document, workspace, emit)
    except MemoryError as error:
        raise RuntimeError("a library's own words") from error


def hang(request, document, workspace, emit):
    emit({"type": "hanging", "pid": outer_pid()})
    time.sleep(600)


def chatter(request, document, workspace, emit):
    while True:
        emit({"type": "progress"})
        time.sleep(0.02)


def spin(request, document, workspace, emit):
    emit({"type": "spinning"})
    while True:
        pass


def refuse(request, document, workspace, emit):
    emit(
        {
            "type": "error",
            "code": "TOO_MANY_PAGES",
            "category": "limit",
            "message": "Ask for fewer.",
            "page": None,
            "retryable": False,
        }
    )
    os._exit(0)


def refuse_by_halves(request, document, workspace, emit):
    emit({"type": "error", "code": "lower case", "message": "x"})


def end_in_silence(request, document, workspace, emit):
    os._exit(0)


def linger(request, document, workspace, emit):
    emit({"type": "done"})
    time.sleep(600)


def emit_too_much(request, document, workspace, emit):
    emit({"type": "progress", "message": "x" * (1 << 16)})


def emit_up_to_the_limit(request, document, workspace, emit):
    bare = len('{"type":"progress","message":""}\n')
    emit({"type": "progress", "message": "x" * ((1 << 16) - bare)})


def write_raw(request, document, workspace, emit):
    rest = request["raw"].encode() * request["times"]
    while rest:
        rest = rest[os.write(emit._pipe, rest) :]
    time.sleep(600)


def start_a_grandchild(request, document, workspace, emit):
    # It would stay for ever: no end of file and no hang-up reaches it.
    code = """
import signal, time
from pathlib import Path
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)
print(Path('/proc/self').readlink(), flush=True)
time.sleep(600)
"""
    process = subprocess.Popen(
        [os.path.realpath(sys.executable), "-I", "-c", code], stdout=subprocess.PIPE, text=True
    )
    emit({"type": "family", "child": outer_pid(), "grandchild": int(process.stdout.readline())})
    if request.get("stay", True):
        time.sleep(600)


def write_a_large_file(request, document, workspace, emit):
    with (workspace / "large").open("wb") as file:
        for _ in range(request["mebibytes"]):
            file.write(bytes(1 << 20))


def attempt(request, document, workspace, emit):
    """Try each way out that the request names and tell what the kernel answered, 0 for success."""
    for name in request["ways"]:
        emit({"type": "tried", "way": name, "errno": _errno(WAYS[name], request, workspace)})


def _errno(way, request, workspace):
    try:
        way(request, workspace)
    except OSError as error:
        return error.errno
    return 0


def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "syscall")


def start_new_session(request, workspace):
    pid = os.fork()
    if pid == 0:
        os._exit(_errno(lambda *_: os.setsid(), request, workspace))
    if code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError(code, "setsid")


X86 = os.uname().machine == "x86_64"
FAMILIES = {
    "AF_UNIX": 1, "AF_INET": 2, "AF_AX25": 3, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17,
    "AF_RDS": 21, "AF_CAN": 29, "AF_TIPC": 30, "AF_BLUETOOTH": 31, "AF_ALG": 38, "AF_VSOCK": 40,
    "AF_KCM": 41, "AF_QIPCRTR": 42, "AF_SMC": 43, "AF_XDP": 44,
}  # fmt: skip
NUMBERS = {  # x86_64, aarch64; the arguments are wrong on purpose: what is denied is denied before
    "ptrace": (101, 117), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_setup": (206, 0), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272), "open_by_handle_at": (304, 265), "init_module": (175, 105),
    "kexec_load": (246, 104), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "execveat": (322, 281), "fallocate": (285, 47), "setxattr": (188, 5), "chmod": (268, 53),
    "syslog": (103, 116), "personality": (135, 92), "fanotify_init": (300, 262), "shmget": (29, 194),
    "setpriority": (141, 140), "clock_settime": (227, 112), "rt_sigqueueinfo": (129, 138),
}  # fmt: skip
WAYS = {
    **{name: lambda *_, number=number: open_socket(number) for name, number in FAMILIES.items()},
    **{name: lambda *_, pair=pair: call(pair[0 if X86 else 1], 0, 0, 0, 0) for name, pair in NUMBERS.items()},
    "socketpair": lambda *_: socket.socketpair(),
    "symlink": lambda _, workspace: (workspace / "link").symlink_to("/etc/shadow"),
    "hard link": lambda _, workspace: os.link("/proc/self/exe", workspace / "hard"),
    "fifo": lambda _, workspace: os.mkfifo(workspace / "fifo"),
    "folder": lambda _, workspace: (workspace / "folder").mkdir(),
    "lock the folder": lambda _, workspace: workspace.chmod(0),
    "nameless file": lambda _, workspace: os.open(workspace, os.O_TMPFILE | os.O_RDWR),
    "clone3": lambda *_: call(435, 0, 0),
    "openat2": lambda *_: call(437, -100, 0, 0, 0),
    "user namespace": lambda *_: call(272 if X86 else 97, 0x10000000),
    "keep running": lambda *_: call(157 if X86 else 167, 1, 0, 0, 0, 0),
    "new session": start_new_session,
    "limit another process": lambda *_: call(302 if X86 else 261, os.getppid(), 7, 0, 0),
    "read outside": lambda request, _: Path(request["outside"], "secret").read_bytes(),
    "list outside": lambda request, _: list(Path(request["outside"]).iterdir()),
    "write outside": lambda request, _: Path(request["outside"], "new").write_bytes(b"x"),
    "read another task's folder": lambda request, _: Path(request["other"], "given").read_bytes(),
    "list another task's folder": lambda request, _: list(Path(request["other"]).iterdir()),
    "read passwd": lambda *_: Path("/etc/passwd").read_bytes(),
    "read shadow": lambda *_: Path("/etc/shadow").read_bytes(),
    "read the host's memory": lambda *_: Path("/proc", str(os.getppid()), "mem").open("rb").close(),
    "read the worker's environment": lambda request, _: Path(
        "/proc", str(request["worker"]), "environ"
    ).read_bytes(),
    "list the processes": lambda *_: list(Path("/proc").iterdir()),
    "list the programs": lambda *_: list(Path("/usr/bin").iterdir()),
    "write a library": lambda *_: Path(os.__file__).open("ab").close(),
    "run a program of its own": lambda _, workspace: run_own_program(workspace),
    "run a shell": lambda *_: os.posix_spawn("/bin/sh", ["sh", "-c", ":"], {}),
    "become a shell": lambda *_: os.execv("/bin/sh", ["sh", "-c", ":"]),
    "run Python": lambda *_: os.posix_spawn(PYTHON, ["python", "-c", ""], {}),
    "run a program by the loader": lambda *_: run_by_the_loader(),
    "fork": lambda *_: os.fork() or os._exit(0),
    "start a thread": lambda *_: start_thread(),
    "signal all": lambda *_: os.kill(-1, 0),
    "signal the host": lambda *_: os.kill(os.getppid(), 0),
    "remove a file": lambda _, workspace: (workspace / "given").unlink(),
    "rename a file": lambda _, workspace: (workspace / "given").rename(workspace / "taken"),
    "raise the limit": lambda *_: raise_limit(),
    "kill the worker": lambda request, _: os.kill(request["worker"], 0),
    "become root": lambda *_: os.setuid(0),
    "read inside": lambda _, workspace: (workspace / "given").read_bytes(),
    "write inside": lambda _, workspace: (workspace / "tmp" / "x").write_bytes(b"x"),
    "import": lambda *_: __import__("sqlite3"),
    "signal itself": lambda *_: os.kill(os.getpid(), 0),
    "run a program": lambda request, _: subprocess.run([request["program"], "-I", "-c", ""], check=True),
}
PYTHON = os.path.realpath(sys.executable)


def open_socket(family):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        with suppress(PermissionError):
            socket.socket(family, kind)
            return
    raise PermissionError(errno.EPERM, "socket")


def run_by_the_loader():
    loader = next(path for path in LOADERS if Path(path).exists())
    ended = subprocess.run([loader, "/bin/true"], check=False, stderr=subprocess.DEVNULL)
    if ended.returncode != 0:
        raise OSError(ended.returncode, "the loader")


LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


def start_thread():
    try:
        threading.Thread(target=int).start()
    except RuntimeError as error:
        raise OSError(errno.EPERM, "thread") from error


def run_python(request, document, workspace, emit):
    command = [request["program"], "-I", "-c", request["code"], *request["arguments"]]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    emit({"type": "printed", "printed": ended.stdout, "complaint": ended.stderr[-500:]})


def fork_bomb(request, document, workspace, emit):
    """Start processes until the kernel says no; tell how many there were."""
    reading, writing = os.pipe()
    number = 0
    while number < 5000:
        try:
            pid = os.fork()
        except BlockingIOError:
            break
        if pid == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        number += 1
    emit({"type": "forked", "count": number})


def take_memory(request, document, workspace, emit):
    bytearray(request["size"])


def fork(request, document, workspace, emit):
    """Have `count` processes at once."""
    reading, _writing = os.pipe()
    for _ in range(request["count"]):
        if os.fork() == 0:
            os.close(_writing)
            os.read(reading, 1)
            os._exit(0)


def fork_past_the_limit(request, document, workspace, emit):
    while os.fork() != 0:
        pass
    time.sleep(600)


def write_files(request, document, workspace, emit):
    """Write `count` files of `size` bytes each; stay when asked to."""
    for number in range(request["count"]):
        (workspace / f"file-{number}").write_bytes(bytes(request["size"]))
    emit({"type": "written"})
    time.sleep(600 if request["stay"] else 0)


def flood(request, document, workspace, emit):
    """Say more than anybody wants to hear, each message a good one."""
    while True:
        emit({"type": "progress", "message": "x" * 60_000})


def run_own_program(workspace):
    # written and made executable beforehand, since modes cannot be changed from here
    subprocess.run([str(workspace / "copied")], check=True)


def raise_limit():
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:
        raise OSError(errno.EPERM, "setrlimit") from error


ACTIONS = {
    name: value
    for name, value in dict(globals()).items()
    if callable(value) and getattr(value, "__module__", None) == __name__
}
