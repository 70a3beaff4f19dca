"""Try the walls: fork a walled child as for a document, have it try what it must not, tell what worked."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from affidavit.infra import kernel
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.identity import Identity
from affidavit.infra.profile import PARSE, Profile
from affidavit.infra.sandbox import Ending, HostUnavailable, SandboxHost, Walls
from affidavit.infra.wall_status import required

log = structlog.get_logger()

ENTRY: Final = "affidavit.infra.wall_trial:attempt"
LIMITS: Final = Walls(no_progress=timedelta(seconds=30), total=timedelta(seconds=60))
SHELL: Final = "/bin/sh"
CLONE_NEWUSER: Final = 0x10000000
CAUGHT: Final = frozenset({errno.EPERM, errno.EACCES, errno.ENOENT, errno.ESRCH, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Trial:
    """What a child of one profile could do although it must not; `ending` tells that it came to its end."""

    profile: str
    escapes: tuple[str, ...]
    ending: Ending

    @property
    def is_held(self) -> bool:
        """Tell whether every wall held."""
        return self.ending is Ending.FINISHED and not self.escapes


async def try_walls(
    user: Identity | None, wrapping: Wrapping, programs: Sequence[Path] = ()
) -> tuple[Trial, ...]:
    """Try both profiles, the second if there are programs for it. Raises HostUnavailable."""
    with TemporaryDirectory(prefix="affidavit-walls-") as name:
        folder = Path(name)
        await asyncio.to_thread(folder.chmod, 0o711)
        host = SandboxHost(
            entry=ENTRY,
            warm_up=None,
            environment={},
            user=user,
            scratch=folder / "host",
            readable=programs,
            wrapping=wrapping,
        )
        try:
            await host.start()
            profiles = [PARSE, Profile.of(programs)] if programs else [PARSE]
            return tuple([await _try(host, folder, profile) for profile in profiles])
        finally:
            await host.close()


def are_walls_held(user: str, wrapping: str, programs: Sequence[Path]) -> bool:
    """Tell whether all walls that a strict installation needs stand and hold; log those that do not.

    `user` is the name that children take where this process is root's. Forks a few children.
    """
    missing = [f"{status.name}: {status.detail}" for status in required() if not status.live]
    identity = Identity.named(user) if os.getuid() == 0 else None
    try:
        trials = asyncio.run(try_walls(identity, Wrapping(wrapping), programs))
    except HostUnavailable as error:
        missing.append(str(error))
        trials = ()
    missing += [f"{trial.profile}: a child could {what}" for trial in trials for what in trial.escapes]
    missing += [f"{trial.profile}: {trial.ending}" for trial in trials if trial.ending is not Ending.FINISHED]
    if missing:
        log.error("walls.missing", walls=missing, hint="affidavit doctor tells what to do")
    return not missing


async def _try(host: SandboxHost, folder: Path, profile: Profile) -> Trial:
    escapes: list[str] = []

    async def note(message: Mapping[str, Any]) -> None:
        escapes.append(str(message["what"]))

    workspace = folder / profile.name
    await asyncio.to_thread(workspace.mkdir)
    outcome = await host.run(
        {"may_start": bool(profile.programs), "worker": os.getpid(), "outside": str(folder)},
        document=None,
        workspace=workspace,
        walls=LIMITS,
        on_message=note,
        profile=profile,
    )
    return Trial(profile.name, tuple(escapes), outcome.ending)


def attempt(
    request: Mapping[str, Any],
    _document: int | None,
    _workspace: Path,
    emit: Callable[[Mapping[str, object]], None],
) -> None:
    """Try each forbidden thing and say which one was not refused: the entry of the child."""
    for what, way in WAYS.items():
        if what == "start a process" and request["may_start"]:
            continue
        if _escapes(way, request):
            emit({"type": "escaped", "what": what})
    emit({"type": "done"})


def _escapes(way: Callable[[Mapping[str, Any]], object], request: Mapping[str, Any]) -> bool:
    try:
        way(request)
    except OSError as error:
        return error.errno not in CAUGHT
    return True


def _start_a_process(_request: Mapping[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


WAYS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "open a network socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "open a local socket": lambda _: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
    "read /etc/passwd": lambda _: Path("/etc/passwd").read_bytes(),
    "list the folder of all tasks": lambda request: list(Path(request["outside"]).iterdir()),
    "write outside of its folder": lambda request: Path(request["outside"], "escaped").write_bytes(b""),
    "read the worker's environment": lambda request: Path(f"/proc/{request['worker']}/environ").read_bytes(),
    "start a shell": lambda _: os.posix_spawn(SHELL, [SHELL, "-c", ":"], {}),
    "start a process": _start_a_process,
    "signal its parent": lambda _: os.kill(os.getppid(), 0),
    "make a namespace": lambda _: kernel.unshare(CLONE_NEWUSER),
    "make a file in memory": lambda _: os.close(os.memfd_create("escaped")),
}
