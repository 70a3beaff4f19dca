"""The engine host: import an entry point once, then fork one walled child for each task.

Run by `sandbox.SandboxHost` as `python -I -m affidavit.infra.sandbox_host FD PARENT`, where PARENT is
0 for one that bubblewrap runs as the first process of its namespace. It has one
thread, no event loop, no key and no descriptor but the control socket FD (SOCK_SEQPACKET, one JSON
object a packet), so that a fork copies nothing that could hang or leak.

To the host:    {"entry","warm_up","modules"}                      first, once
                {"run":id,"workspace","limits","identity","readable","profile"}
                    with descriptors: request, pipe, and the document's when it has one
                {"kill":id}
From the host:  {"ready":{"threads","namespaces"}}
                {"started":id,"pid"}
                {"ended":id,"status","out_of_memory","maxrss_bytes","cpu_seconds","trace"}
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from affidavit.infra import kernel, sandbox_child, walls
from affidavit.infra.identity import Identity
from affidavit.infra.profile import Profile

PACKET_BYTES: Final = 1 << 16
DESCRIPTORS: Final = 3
TRACE_BYTES: Final = 2048
Entry = Callable[..., None]


@dataclass(slots=True)
class Child:
    """A task's process group. `status` is of its leader, None until that has ended."""

    task: int
    pid: int
    trace: int
    oom_kills: int
    status: int | None = None
    usage: resource.struct_rusage | None = None


class Host:
    """The loop over the control socket and the ends of children."""

    def __init__(self, control: socket.socket, *, namespaces: bool) -> None:
        self._control = control
        self._namespaces = namespaces
        self._children: dict[int, Child] = {}
        self._entry: Entry = _no_entry
        self._wake, wake = socket.socketpair()
        for end in (self._wake, wake):
            end.setblocking(False)
        self._waker = wake

    def run(self) -> None:
        """Warm up, then serve until the worker closes the socket."""
        self._prepare(self._receive()[0])
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while self._serve({key.fileobj for key, _ in selector.select()}):
                pass

    def _prepare(self, order: dict[str, Any]) -> None:
        sys.path[:0] = order["modules"]
        self._entry = _resolve(order["entry"])
        if order["warm_up"]:
            _resolve(order["warm_up"])()
        walls.prepare()
        gc.collect()
        # A fork copies the tables of all memory in use: after a warm-up with neural OCR this takes
        # 411 MB of it to 129 MB, and a fork from 33 ms to 13 ms.
        kernel.give_back_memory()
        gc.freeze()  # else a collection in a child copies every page that it marks
        threads = len(list(Path("/proc/self/task").iterdir()))
        self._send({"ready": {"threads": threads, "namespaces": self._namespaces}})

    def _serve(self, ready: set[Any]) -> bool:
        if self._wake in ready:
            with suppress(BlockingIOError):
                self._wake.recv(4096)
            self._reap()
        if self._control not in ready:
            return True
        order, descriptors = self._receive()
        try:
            if "kill" in order:
                self._kill(order["kill"])
            elif "run" in order:
                self._fork(order, descriptors)
        finally:
            for each in descriptors:
                os.close(each)
        return bool(order)

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        packet, descriptors, _, _ = socket.recv_fds(
            self._control, PACKET_BYTES, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        return (json.loads(packet) if packet else {}), descriptors

    def _send(self, message: dict[str, object]) -> None:
        self._control.send(json.dumps(message).encode())

    def _fork(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Start the child; the host's copies of its descriptors are closed by the caller."""
        trace, childs_trace = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        host, cell = os.getpid(), _cell(order)  # what can fail, before there are two of us
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            sandbox_child.live(self._entry, cell, descriptors, childs_trace, host)
        os.close(childs_trace)
        child = Child(task=order["run"], pid=pid, trace=trace, oom_kills=_oom_kills())
        self._children[child.pid] = child
        self._send({"started": child.task, "pid": pid})

    def _kill(self, task: int) -> None:
        for child in self._children.values():
            if child.task == task:
                _kill_group(child)

    def _reap(self) -> None:
        """Collect the dead: leaders first, then what is left of their groups, then adopted orphans."""
        again = True
        while again:
            for child in list(self._children.values()):
                if child.status is None:
                    _collect_leader(child)
                if child.status is not None and _is_group_gone(child.pid):
                    del self._children[child.pid]
                    self._report(child)
            again = self._collect_one_more()

    def _collect_one_more(self) -> bool:
        """Reap an orphan if there is one; tell whether anything has ended since the last round."""
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if found is not None and found.si_pid not in self._children:
            os.waitpid(found.si_pid, 0)
        return found is not None

    def _report(self, child: Child) -> None:
        usage = child.usage
        assert usage is not None
        trace = _read_trace(child.trace)
        if trace:
            sys.stderr.write(f"sandbox task {child.task}: {trace}\n")
        self._send(
            {
                "ended": child.task,
                "status": child.status,
                "out_of_memory": _oom_kills() > child.oom_kills,
                "maxrss_bytes": usage.ru_maxrss * 1024,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "trace": trace,
            }
        )


def _collect_leader(child: Child) -> None:
    """Take the leader's status and kill its group, in that order of danger.

    The group is killed while the leader is a zombie, since until then nobody else can be given its
    number.
    """
    if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return
    _kill_group(child)
    _, status, child.usage = os.wait4(child.pid, 0)
    child.status = os.waitstatus_to_exitcode(status)


def _kill_group(child: Child) -> None:
    """Kill the group, and the leader by itself as long as it may not have made its group yet."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.status is None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)


def _is_group_gone(group: int) -> bool:
    """Reap members of a killed group that this process has inherited; tell whether any is left."""
    try:
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return True
    return False


def _cell(order: dict[str, Any]) -> walls.Cell:
    identity = order["identity"]
    return walls.Cell(
        workspace=Path(order["workspace"]),
        limits=walls.limits_from_json(order["limits"]),
        identity=Identity(*identity) if identity else None,
        readable=tuple(order["readable"]),
        profile=Profile(order["profile"][0], tuple(order["profile"][1])),
    )


def _read_trace(descriptor: int) -> str:
    """Return what the child wrote before it died, as harmless text, and close the pipe."""
    try:
        found = os.read(descriptor, TRACE_BYTES)
    except BlockingIOError:  # a member of the group that cannot be killed still holds it
        found = b""
    finally:
        os.close(descriptor)
    text = found.decode("ascii", "replace")
    return "".join(each if each.isprintable() else " " for each in text).strip()


def _oom_kills() -> int:
    """Return how often this kernel has killed for want of memory, 0 where it does not tell."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text("ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _resolve(name: str) -> Entry:
    module, _, function = name.partition(":")
    found: Entry = getattr(importlib.import_module(module), function)
    return found


def _no_entry(*_: object) -> None:
    raise RuntimeError("the first packet must name the entry point")


def main(arguments: list[str]) -> NoReturn:
    """Serve the control socket that `arguments` name; see the module."""
    control = socket.socket(fileno=int(arguments[0]))
    walls.die_with_parent(int(arguments[1]))
    wrapped = os.getpid() == 1 and arguments[1] == "0"  # in namespaces that were made for it
    namespaces = wrapped or walls.enter_namespaces()
    if namespaces and not wrapped:
        _become_init(control)
    walls.adopt_orphans()
    Host(control, namespaces=namespaces).run()
    # Children die with this process: they asked for it, and the namespace makes sure.
    os._exit(0)


def _become_init(control: socket.socket) -> None:
    """Go on in a child that is the first process of the new PID namespace; wait for it here."""
    alive, held = os.pipe()
    pid = os.fork()
    if pid != 0:
        os.close(alive)
        control.close()
        _, status = os.waitpid(pid, 0)
        os._exit(0 if status == 0 else 1)
    os.close(held)
    walls.die_with_parent()
    os.set_blocking(alive, False)
    with suppress(BlockingIOError):
        os.read(alive, 1)  # end of file: the other died before it was watched
        os._exit(1)
    os.close(alive)


if __name__ == "__main__":
    main(sys.argv[1:])
