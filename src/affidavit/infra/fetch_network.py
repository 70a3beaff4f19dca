"""Connect to judged addresses only: httpcore's network backend with our own eyes in it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, Protocol

import httpcore

from affidavit.infra.addresses import HostForbidden, HostMalformed, Network, is_inside, judge_all, judge_host
from affidavit.infra.fetch_errors import AddressForbidden, TimedOut, Unreachable, UrlInvalid

MOST_TRIED = 4  # addresses of one name; the connect deadline is shared among them


class Resolver(Protocol):
    """Looks up names. Asked once a connection; what it answers is judged and then connected to."""

    async def __call__(self, host: str, port: int, /) -> list[str]:
        """Return numeric addresses, best first. Raises OSError (socket.gaierror)."""


class SystemResolver:
    """Ask the operating system, in threads of its own: a dead name server must not block others."""

    def __init__(self, threads: int = 8) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int, /) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return [str(address[0]) for *_, address in found]


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolve once, judge every answer, connect to the very address that was judged.

    URL, Host, SNI and certificate check stay with the name. Raises AddressForbidden, UrlInvalid,
    Unreachable and TimedOut, which pass through httpcore as they are.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        allowed_networks: tuple[Network, ...] = (),
        ports: frozenset[int],
        resolve_seconds: float,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._resolver = resolver
        self._allowed = allowed_networks
        self._ports = ports
        self._resolve_seconds = resolve_seconds
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore asks for it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = self._judged(host, port, await self._resolve(host, port))
        share = None if timeout is None else timeout / len(addresses)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        if isinstance(failure, httpcore.ConnectTimeout):
            raise TimedOut(host, "no connection") from None
        raise Unreachable(host, "the connection was refused or failed") from None

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            address = judge_host(host, self._allowed)
        except HostForbidden:
            raise AddressForbidden(host) from None
        except HostMalformed:
            raise UrlInvalid("has a host that is not a name or an address") from None
        if address is not None:
            return [str(address)]
        return await self._look_up(host, port)

    async def _look_up(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self._resolve_seconds):
                return await self._resolver(host, port)
        except TimeoutError:
            raise TimedOut(host, "its name was not resolved") from None
        except (OSError, UnicodeError) as error:
            unknown = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
            raise Unreachable(host, "its name could not be resolved", retryable=not unknown) from None

    def _judged(self, host: str, port: int, answers: list[str]) -> list[str]:
        try:
            addresses = judge_all(answers, self._allowed)
        except ValueError:  # HostForbidden, or an answer that is no address
            raise AddressForbidden(host) from None
        if not addresses:
            raise Unreachable(host, "its name has no address", retryable=False)
        if port not in self._ports and not all(is_inside(ip_address(a), self._allowed) for a in addresses):
            raise UrlInvalid("has a port other than those that are fetched from")
        return addresses[:MOST_TRIED]
