"""Run untrusted work in walled child processes of an engine host; the worker's side.

The worker owns one `SandboxHost`; each `run` is one forked child with its own directory, limits
and process group. The child speaks in lines of JSON; what it says is checked for form only.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from affidavit.infra.bubblewrap import Root, Wrapping, WrappingFailed, prefix
from affidavit.infra.identity import Identity
from affidavit.infra.profile import PARSE, Profile
from affidavit.infra.sandbox_child import EXIT_NO_PROCESS, EXIT_NO_WALLS, EXIT_OUT_OF_MEMORY
from affidavit.infra.sandbox_disk import Disk
from affidavit.infra.sandbox_outcome import FAILURES, Ending, Failure, Outcome
from affidavit.infra.sandbox_process import Death, HostProcess, HostUnavailable
from affidavit.infra.sandbox_talk import Message, OnMessage, Talk, listen, open_pipe
from affidavit.infra.walls import Walls

__all__ = ["FAILURES", "Ending", "Failure", "HostUnavailable", "Identity", "Outcome", "SandboxHost", "Walls"]

GRACE: Final = timedelta(seconds=5)  # ending takes milliseconds unless the disk hangs
ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    # one thread each: children run side by side, and a host with threads cannot be forked
    "OMP_THREAD_LIMIT": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class SandboxHost:
    """Children for one worker, as many at once as `run` is awaited.

    `entry` and `warm_up` name functions as `module:function`; `entry` is called as
    `entry(request, document_fd, workspace, emit)`. `environment` is added to an otherwise empty
    one; `modules` are put before the import path of the host. `user` is who children become when the
    worker is root. `readable` are paths that children may read beside Python and the system's
    libraries (models, say). `scratch` is the host's own directory, and workspaces lie beside it. `grace`
    is how long a child may take to end after its last word, and the host to reap one that was killed.
    `wrapping` says whether the host runs in a root of its own.
    """

    def __init__(
        self,
        *,
        entry: str,
        warm_up: str | None,
        environment: Mapping[str, str],
        user: Identity | None,
        scratch: Path,
        modules: Sequence[str] = (),
        readable: Sequence[Path] = (),
        grace: timedelta = GRACE,
        wrapping: Wrapping = Wrapping.NONE,
    ) -> None:
        self._order: dict[str, Any] = {"entry": entry, "warm_up": warm_up, "modules": list(modules)}
        self._environment = {**ENVIRONMENT, "HOME": str(scratch), "TMPDIR": str(scratch), **environment}
        self._identity = user if os.getuid() == 0 else None
        self._scratch = scratch
        self._grace = grace.total_seconds()
        self._readable = [str(path) for path in readable]
        self._wrapping = wrapping
        self._host: HostProcess | None = None
        self._starting = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """The host's process id, None while there is none."""
        return self._host.pid if self._host and not self._host.is_lost else None

    async def start(self) -> None:
        """Start the host and wait until it is warm. Raises HostUnavailable.

        `run` does this by itself, also after the host has died.
        """
        await self._connect()

    async def close(self) -> None:
        """End the host and all children; runs that are under way return KILLED."""
        self._is_closed = True
        async with self._starting:
            if self._host is not None:
                await self._host.close()

    async def run(
        self,
        request: Mapping[str, object],
        *,
        document: Path | None,
        workspace: Path,
        walls: Walls,
        on_message: OnMessage,
        profile: Profile = PARSE,
    ) -> Outcome:
        """Run one child to its end and tell how that was; its every message but the last is passed on.

        Cancelling kills the child with all that it started and returns when it is reaped. An
        exception of `on_message` does the same. `workspace` is handed to the child's user. Raises
        OSError when the document cannot be opened.
        """
        try:
            host = await self._connect()
        except HostUnavailable:
            return self._judge(Talk(), None)
        _hand_over(workspace, self._identity)
        disk = Disk.of(workspace, walls)
        task = next(self._numbers)
        reader, transport, pipe = await open_pipe()
        order = self._task_order(task, workspace, walls, profile)
        try:
            death = self._launch(host, order, pipe, request, document)
        except BaseException:
            transport.close()
            raise
        try:
            talk = await disk.guarded(listen(reader, walls, on_message, self._grace))
            if talk.stopped is None:
                await asyncio.wait({death}, timeout=self._grace)
                talk = disk.judged(talk)
        finally:
            transport.close()
            if not death.done():
                await _insist(host.end(task, death, self._grace))
        return self._judge(talk, death.result())

    async def _connect(self) -> HostProcess:
        async with self._starting:
            if self._is_closed:
                raise HostUnavailable("the sandbox is closed")
            if self._host is None or self._host.is_lost:
                if self._host is not None:
                    await self._host.kill()
                self._scratch.mkdir(parents=True, exist_ok=True)
                self._host = await HostProcess.spawn(
                    self._order, self._environment, self._scratch, await self._prefix()
                )
            return self._host

    async def _prefix(self) -> list[str]:
        """Return what wraps the host's command. Raises HostUnavailable."""
        readable = (*self._readable, *map(str, self._order["modules"]))
        root = Root(self._scratch.parent, readable)
        try:
            return await asyncio.to_thread(prefix, self._wrapping, root)
        except WrappingFailed as error:
            raise HostUnavailable(str(error)) from None

    def _task_order(self, task: int, workspace: Path, walls: Walls, profile: Profile) -> dict[str, object]:
        return {
            "run": task,
            "workspace": str(workspace),
            "limits": walls.to_json(),
            "identity": [self._identity.uid, self._identity.gid] if self._identity else None,
            "readable": self._readable,
            "profile": [profile.name, list(profile.programs)],
        }

    def _launch(
        self,
        host: HostProcess,
        order: dict[str, Any],
        pipe: int,
        request: Mapping[str, object],
        document: Path | None,
    ) -> asyncio.Future[Death | None]:
        """Send the order with its descriptors, of which only the child keeps copies."""
        descriptors = [pipe]
        try:
            descriptors.insert(0, _in_memory(json.dumps(request).encode()))
            if document is not None:
                descriptors.append(os.open(document, os.O_RDONLY | os.O_CLOEXEC))
            death = host.expect(order["run"])
            with suppress(HostUnavailable):  # then the death is known already
                host.send(order, descriptors)
            return death
        finally:
            for each in descriptors:
                os.close(each)

    def _judge(self, talk: Talk, death: Death | None) -> Outcome:
        if talk.stopped is not None:
            return _outcome(talk.stopped, talk, death)
        if death is None:
            return _outcome(Ending.KILLED if self._is_closed else Ending.HOST_LOST, talk, None)
        return _outcome(_ending(talk, death), talk, death)


def _ending(talk: Talk, death: Death) -> Ending:
    """Tell how a child ended that nobody stopped before its last word."""
    if death.status == EXIT_OUT_OF_MEMORY:
        return Ending.OUT_OF_MEMORY
    if death.status == EXIT_NO_PROCESS:
        return Ending.NO_PROCESS
    if death.status == -signal.SIGXCPU:
        return Ending.TIMED_OUT
    if talk.last is not None and death.status in (0, -signal.SIGKILL):
        return Ending.FINISHED if talk.last["type"] == "done" else Ending.REFUSED
    if death.status == -signal.SIGKILL and death.out_of_memory:
        return Ending.OUT_OF_MEMORY
    return Ending.CRASHED


def _outcome(ending: Ending, talk: Talk, death: Death | None) -> Outcome:
    failure = _refusal(talk.last) if ending is Ending.REFUSED and talk.last else FAILURES.get(ending)
    if death is None:
        return Outcome(ending, failure, trace=talk.reason)
    own = talk.stopped is None  # else it is our SIGKILL that would be told
    return Outcome(
        ending,
        failure,
        signal=-death.status if own and death.status < 0 else None,
        exit_code=death.status if own and death.status >= 0 else None,
        trace=talk.reason or _trace(death),
        maxrss_bytes=death.maxrss_bytes,
        cpu_seconds=death.cpu_seconds,
    )


def _trace(death: Death) -> str:
    return f"walls: {death.trace}" if death.status == EXIT_NO_WALLS else death.trace


def _refusal(message: Message) -> Failure:
    return Failure(
        code=message["code"],
        message=message["message"],
        retryable=message["retryable"],
        category=message["category"],
        page=message.get("page"),
    )


async def _insist(ending: Coroutine[Any, Any, None]) -> None:
    """Await `ending` to its end whatever cancels us meanwhile, and be cancelled only then."""
    task = asyncio.ensure_future(ending)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def _in_memory(content: bytes) -> int:
    """Return a descriptor of an unnamed file: a request may be larger than a packet."""
    descriptor = os.memfd_create("request", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor


def _hand_over(workspace: Path, identity: Identity | None) -> None:
    """Give the child's user the directory and what is in it; the temporary one is made here."""
    (workspace / "tmp").mkdir(parents=True, exist_ok=True)
    if identity is None:
        return
    for folder, folders, files in os.walk(workspace):
        for name in (".", *folders, *files):
            os.chown(Path(folder, name), identity.uid, identity.gid, follow_symlinks=False)
