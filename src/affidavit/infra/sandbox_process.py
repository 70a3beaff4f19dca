"""Spawn one engine host and speak with it over its control socket; see `sandbox_host`."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

PACKET_BYTES: Final = 1 << 16
START_LIMIT_SECONDS: Final = 120  # neural models load in 3 s; a cold disk is slower by far
OUTSIDE: Final = 0  # what getppid says of a parent beyond the PID namespace
STOP_LIMIT_SECONDS: Final = 10  # a host that was told to end


class HostUnavailable(Exception):
    """The host did not start, or has ended. The message says what to look at."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended, as its parent saw it. `status` is negative for a signal."""

    status: int
    out_of_memory: bool
    maxrss_bytes: int
    cpu_seconds: float
    trace: str


class HostProcess:
    """A running host. A host that is lost stays lost; spawn another."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._ready: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._deaths: dict[int, asyncio.Future[Death | None]] = {}
        self.is_lost = False
        asyncio.get_running_loop().add_reader(control, self._read)

    @classmethod
    async def spawn(
        cls,
        order: Mapping[str, object],
        environment: Mapping[str, str],
        cwd: Path,
        prefix: Sequence[str] = (),
    ) -> Self:
        """Start a host, give it `order` and wait until it is warm. Raises HostUnavailable.

        `prefix` is a command that the host is run by, in a PID namespace that it makes.

        Call it from the thread that lives as long as the worker: the kernel ends the host
        together with the thread that started it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            process = await _execute(theirs.fileno(), environment, cwd, prefix)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        host = cls(process, ours)
        try:
            host.send(order)
            async with asyncio.timeout(START_LIMIT_SECONDS):
                host.check(await asyncio.shield(host._ready))
        except TimeoutError:
            await host.kill()
            raise HostUnavailable(f"no answer within {START_LIMIT_SECONDS} s of the start") from None
        except BaseException:
            await host.kill()
            raise
        return host

    @property
    def pid(self) -> int:
        """The process id of the host as this process sees it."""
        return self._process.pid

    def check(self, answer: Mapping[str, Any]) -> None:
        """Raise HostUnavailable when the host has threads: a fork of it could hang for ever."""
        if answer["threads"] != 1:
            raise HostUnavailable(
                f"warming up left {answer['threads']} threads in the host, which must have one"
            )

    def send(self, message: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send one packet. Raises HostUnavailable when the host is gone or takes no more."""
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], list(descriptors))
        except OSError as error:  # also BlockingIOError: hundreds of packets wait unread
            self._lose()
            raise HostUnavailable("the host does not take orders") from error

    def expect(self, task: int) -> asyncio.Future[Death | None]:
        """Return the future end of a task that is about to be sent; None when the host was lost."""
        future: asyncio.Future[Death | None] = asyncio.get_running_loop().create_future()
        if self.is_lost:
            future.set_result(None)
        else:
            self._deaths[task] = future
        return future

    async def end(self, task: int, death: asyncio.Future[Death | None], grace: float) -> None:
        """Kill a task's process group and wait until it is reaped.

        After `grace` seconds without that the host is killed, which ends all of its children.
        """
        with suppress(HostUnavailable):
            self.send({"kill": task})
        await asyncio.wait({death}, timeout=grace)
        if not death.done():
            await self.kill()

    async def close(self) -> None:
        """Let the host end, and its children with it."""
        self._lose()
        try:
            async with asyncio.timeout(STOP_LIMIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill the host, which takes its children with it, and reap it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._lose()
        await self._process.wait()

    def _read(self) -> None:
        try:
            packet = self._control.recv(PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            self._take(json.loads(packet))
        else:
            self._lose()

    def _take(self, message: dict[str, Any]) -> None:
        if "ready" in message and not self._ready.done():
            self._ready.set_result(message["ready"])
        if "ended" in message:
            future = self._deaths.pop(message.pop("ended"))
            if not future.done():
                future.set_result(Death(**message))

    def _lose(self) -> None:
        if self.is_lost:
            return
        self.is_lost = True
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        if not self._ready.done():
            self._ready.set_exception(HostUnavailable("the host ended while starting; see its stderr"))
            self._ready.exception()  # it may be that nobody waits for it
        for future in self._deaths.values():
            if not future.done():
                future.set_result(None)
        self._deaths.clear()


async def _execute(
    control: int, environment: Mapping[str, str], cwd: Path, prefix: Sequence[str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *prefix,
        sys.executable,
        "-I",
        "-m",
        "affidavit.infra.sandbox_host",
        str(control),
        str(OUTSIDE if prefix else os.getpid()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=dict(environment),
        cwd=cwd,
        pass_fds=(control,),
        start_new_session=True,
    )
