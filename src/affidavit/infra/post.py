"""Post bytes to a URL that a stranger chose: judged at every call, never redirected, bounded in time."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import certifi
import httpcore
import httpx

from affidavit.infra.fetch import FetchPolicy, check_spelling
from affidavit.infra.fetch_errors import TimedOut, TlsFailed, Unreachable
from affidavit.infra.fetch_network import GuardedBackend, Resolver, SystemResolver

__all__ = ["Answer", "Broken", "post"]

USER_AGENT: Final = b"affidavit-webhook/1"


class Broken(Unreachable):
    """The connection was made and broke, or what came back was not HTTP."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "the connection broke, or it does not speak HTTP")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, Retry-After as it was sent, and the first bytes of the body."""

    status: int
    retry_after: str | None
    body: bytes


async def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    policy: FetchPolicy,
    *,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Post once on a connection of its own and read `max_bytes` of the answer at most.

    Every call resolves and judges the address anew. All of it, a slowly dripping answer included, has
    `total_seconds`. Raises FetchError; `Broken` after a connection was there.
    """
    check_spelling(url, policy)
    target = httpx.URL(url).copy_with(fragment=None)
    backend = GuardedBackend(
        resolver or _system,
        allowed_networks=policy.allowed_networks,
        ports=policy.ports,
        resolve_seconds=policy.resolve_seconds,
    )
    try:
        async with (
            asyncio.timeout(policy.total_seconds),
            httpcore.AsyncConnectionPool(
                ssl_context=tls or trusted(),
                max_connections=1,
                max_keepalive_connections=0,
                network_backend=backend,
            ) as pool,
        ):
            return await _post(pool, target, headers, body, policy)
    except TimeoutError:
        raise TimedOut(target.host, f"more than {policy.total_seconds:g} seconds in all") from None


@functools.cache
def trusted() -> ssl.SSLContext:
    """Trust what the system trusts, and what certifi does: slim images have no store of their own."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


# As many threads as a sender has slots: names that hang hold up their own receivers and no others.
_system = SystemResolver(threads=64)


async def _post(
    pool: httpcore.AsyncConnectionPool,
    url: httpx.URL,
    headers: Mapping[str, str],
    body: bytes,
    policy: FetchPolicy,
) -> Answer:
    sent = [
        (b"Host", url.netloc),
        (b"User-Agent", USER_AGENT),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(body)).encode()),
        *((name.encode(), value.encode()) for name, value in headers.items()),
    ]
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/"
    )
    times = {"connect": policy.connect_seconds, "read": policy.read_seconds, "write": policy.read_seconds}
    try:
        async with pool.stream(
            "POST", target, headers=sent, content=body, extensions={"timeout": times}
        ) as response:
            return Answer(response.status, _retry_after(response), await _read(response, policy.max_bytes))
    except httpcore.TimeoutException:
        raise TimedOut(url.host, f"silent for {policy.read_seconds:g} seconds") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        if isinstance(error.__context__, ssl.SSLError):  # httpcore's pool drops the cause
            raise TlsFailed(url.host) from None
        raise Broken(url.host) from None


async def _read(response: httpcore.Response, most: int) -> bytes:
    """Return the body, or its first `most` bytes; what follows is not waited for."""
    found = bytearray()
    async for piece in response.aiter_stream():
        found += piece
        if len(found) >= most:
            break
    return bytes(found[:most])


def _retry_after(response: httpcore.Response) -> str | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return value.decode("latin-1")
    return None
