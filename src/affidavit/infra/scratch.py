"""Give each worker process a folder of its own, and remove those of processes that died.

Life is told by a lock on a file, not by a process id: containers that share a folder and a host name do not
see each other's processes.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import socket
from pathlib import Path


def claim_scratch(folder: Path) -> Path:
    """Return an empty folder that is this process's as long as it lives; remove those of dead ones."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{socket.gethostname()}-{os.getpid()}"
    if not _lock(folder, name):  # in a container our number is the same every time
        name = f"{name}-{secrets.token_hex(4)}"
        _lock(folder, name)
    own = folder / name
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    sweep_scratch(folder, spare=name)
    return own


def release_scratch(own: Path) -> None:
    """Remove our own folder at the end, and then its lock, which we hold until this process is gone."""
    shutil.rmtree(own, ignore_errors=True)
    _lock_of(own.parent, own.name).unlink(missing_ok=True)


def sweep_scratch(folder: Path, *, spare: str) -> None:
    """Remove what dead processes of this machine left of the documents they read; `spare` is our own."""
    host = socket.gethostname()
    for left in folder.glob(f"{host}-*"):
        found = re.fullmatch(re.escape(host) + r"-(\d+)(-[0-9a-f]{8})?", left.name)  # no host named like ours
        if found is not None and left.name != spare and _is_dead(folder, left.name, int(found[1])):
            shutil.rmtree(left, ignore_errors=True)
            _lock_of(folder, left.name).unlink(missing_ok=True)


def _lock_of(folder: Path, name: str) -> Path:
    return folder / f".{name}.lock"


def _lock(folder: Path, name: str) -> bool:
    """Lock a name for the life of this process; False when another has it."""
    path = _lock_of(folder, name)
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return True  # and stays open: the kernel closes it when we end, however that is
        except BlockingIOError:
            os.close(descriptor)
            return False
        except FileNotFoundError:
            pass
        os.close(descriptor)  # it was removed between the two: lock the new one


def _is_dead(folder: Path, name: str, pid: int) -> bool:
    try:
        descriptor = os.open(_lock_of(folder, name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return not _is_alive(pid)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
