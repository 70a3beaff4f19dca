"""Become a command that cannot outlive the process that started it.

A script of the standard library alone, run by `supervise.spawn` in a fresh interpreter: nothing runs
between fork and exec in the parent, so it is safe to use from a process that has threads.

Linux: the kernel is asked for a signal when the parent dies, and this process then *becomes* the
command. The request is made after the change of user, which clears it, and the parent is looked at
afterwards, since it may have died before. Elsewhere this process stays, as a watchdog: it holds
the reading end of a pipe whose only writer is the parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PARENT_GONE = 75  # EX_TEMPFAIL of sysexits.h


def main(arguments: list[str]) -> NoReturn:
    """Run `arguments[1:]` under the terms in `arguments[0]`, a JSON object.

    Its names: `parent` (process id), `signal` (number, sent when the parent is gone), `uid` and `gid`
    (null: unchanged), `watch` (descriptor of the pipe; null: ask the kernel).
    """
    terms = json.loads(arguments[0])
    if terms["watch"] is not None:
        _run_watched(terms, arguments[1:])
    _drop_privileges(terms)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, terms["signal"], 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != terms["parent"]:
        sys.exit(PARENT_GONE)
    os.execv(arguments[1], arguments[1:])


def _drop_privileges(terms: dict[str, int | None]) -> None:
    if terms["uid"] is None or terms["gid"] is None:
        return
    os.setgroups([])
    os.setgid(terms["gid"])
    os.setuid(terms["uid"])


def _run_watched(terms: dict[str, int], command: list[str]) -> NoReturn:
    child = os.fork()
    if child == 0:
        os.close(terms["watch"])
        _drop_privileges(dict(terms))
        os.execv(command[0], command)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    threading.Thread(target=_await_parent_end, args=(terms, child), daemon=True).start()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _await_parent_end(terms: dict[str, int], child: int) -> None:
    os.read(terms["watch"], 1)  # returns when the last writer, the parent, is gone
    os.kill(child, terms["signal"])


if __name__ == "__main__":
    main(sys.argv[1:])
