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
    process = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True)
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


WAYS = {
    "tcp": lambda *_: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "udp": lambda *_: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "unix": lambda *_: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "netlink": lambda *_: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "socketpair": lambda *_: socket.socketpair(),
    "memfd": lambda *_: os.memfd_create("x"),
    "symlink": lambda _, workspace: (workspace / "link").symlink_to("/etc/shadow"),
    "hard link": lambda _, workspace: os.link("/proc/self/exe", workspace / "hard"),
    "fifo": lambda _, workspace: os.mkfifo(workspace / "fifo"),
    "ptrace": lambda *_: call(101 if os.uname().machine == "x86_64" else 117, 0, 0, 0, 0),
    "user namespace": lambda *_: call(272 if os.uname().machine == "x86_64" else 97, 0x10000000),
    "io_uring": lambda *_: call(425, 1, 0),
    "keep running": lambda *_: call(157 if os.uname().machine == "x86_64" else 167, 1, 0, 0, 0, 0),
    "new session": start_new_session,
    "read outside": lambda request, _: Path(request["outside"], "secret").read_bytes(),
    "list outside": lambda request, _: list(Path(request["outside"]).iterdir()),
    "write outside": lambda request, _: Path(request["outside"], "new").write_bytes(b"x"),
    "read shadow": lambda *_: Path("/etc/shadow").read_bytes(),
    "read the host's memory": lambda *_: Path("/proc", str(os.getppid()), "mem").open("rb").close(),
    "write a library": lambda *_: Path(os.__file__).open("ab").close(),
    "run a program of its own": lambda _, workspace: run_own_program(workspace),
    "raise the limit": lambda *_: raise_limit(),
    "kill the worker": lambda request, _: os.kill(request["worker"], 0),
    "become root": lambda *_: os.setuid(0),
    "read inside": lambda _, workspace: (workspace / "given").read_bytes(),
    "write inside": lambda _, workspace: (workspace / "tmp" / "x").write_bytes(b"x"),
    "import": lambda *_: __import__("sqlite3"),
    "run a program": lambda *_: subprocess.run(["/bin/true"], check=True),
}


def run_own_program(workspace):
    program = workspace / "program"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o700)
    subprocess.run([str(program)], check=True)


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
