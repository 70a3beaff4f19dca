"""Fetch a file from a URL that a stranger chose: judged, bounded and hashed on the way to a file."""

from __future__ import annotations

import asyncio
import functools
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

import certifi
import httpcore
import httpx

from affidavit.infra.addresses import HostForbidden, HostMalformed, Network, is_inside, judge_host
from affidavit.infra.drafts import Draft, in_thread
from affidavit.infra.fetch_body import content
from affidavit.infra.fetch_errors import (
    AddressForbidden,
    FetchError,
    SourceTooLarge,
    StatusRefused,
    TimedOut,
    TlsFailed,
    TooManyRedirects,
    Unreachable,
    UrlInvalid,
)
from affidavit.infra.fetch_network import GuardedBackend, Resolver, SystemResolver

__all__ = ["FetchError", "FetchPolicy", "Fetched", "check_spelling", "fetch"]

MAX_URL_CHARACTERS = 8192  # signed URLs of object stores reach 2,000
REDIRECTS = frozenset({301, 302, 303, 307, 308})
USER_AGENT = b"affidavit-fetch/1"
MAX_FILENAME_CHARACTERS = 200

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_AUTHORITY_END = re.compile(r"[/?#]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What may be fetched. `allowed_networks` are open on every port, whatever the deny table says.

    `connect_seconds` is for one hop, `read_seconds` for one silence, `total_seconds` for everything.
    """

    max_bytes: int = 100_000_000
    allow_http: bool = False
    allowed_networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443, 8443})
    max_redirects: int = 3
    resolve_seconds: float = 5
    connect_seconds: float = 10
    read_seconds: float = 20
    total_seconds: float = 120


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched file. `media_type_claimed` is the server's word; `final_url` may hold a signature."""

    size_bytes: int
    sha256: str
    media_type_claimed: str | None
    filename: str | None
    final_url: str


def check_spelling(url: str, policy: FetchPolicy) -> None:
    """Refuse a URL for what it says, without looking anything up. Raises UrlInvalid, AddressForbidden."""
    _parse(url, policy)


async def fetch(url: str, *, policy: FetchPolicy, into: Path, resolver: Resolver | None = None) -> Fetched:
    """Fetch `url` into the new file `into` (mode 600), which does not exist after an error.

    Raises FetchError; StoreUnavailable when the file cannot be written.
    """
    host = "the source"
    try:
        target = _parse(url, policy)
        host = target.host
        async with asyncio.timeout(policy.total_seconds):
            return await _fetch(target, policy, into, resolver or _system)
    except TimeoutError:
        raise TimedOut(host, f"more than {policy.total_seconds:g} seconds in all") from None


_system = SystemResolver()


async def _fetch(url: httpx.URL, policy: FetchPolicy, into: Path, resolver: Resolver) -> Fetched:
    backend = GuardedBackend(
        resolver,
        allowed_networks=policy.allowed_networks,
        ports=policy.ports,
        resolve_seconds=policy.resolve_seconds,
    )
    async with httpcore.AsyncConnectionPool(
        ssl_context=_tls(), max_connections=1, max_keepalive_connections=0, network_backend=backend
    ) as pool:
        for _ in range(policy.max_redirects + 1):
            async with _answer(pool, url, policy) as response:
                if response.status not in REDIRECTS:
                    return await _save(url, response, policy, into)
                url = _redirected(url, response, policy)
        raise TooManyRedirects(policy.max_redirects)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Trust what the system trusts, and what certifi does: slim images have no store of their own."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


@asynccontextmanager
async def _answer(
    pool: httpcore.AsyncConnectionPool, url: httpx.URL, policy: FetchPolicy
) -> AsyncIterator[httpcore.Response]:
    """Send a GET and yield the response; failures of the network come out as FetchErrors."""
    headers = [
        (b"Host", url.netloc),
        (b"User-Agent", USER_AGENT),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),
    ]
    times = {"connect": policy.connect_seconds, "read": policy.read_seconds, "write": policy.read_seconds}
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/"
    )
    try:
        async with pool.stream("GET", target, headers=headers, extensions={"timeout": times}) as response:
            yield response
    except httpcore.TimeoutException:
        raise TimedOut(url.host, f"silent for {policy.read_seconds:g} seconds") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        if isinstance(error.__context__, ssl.SSLError):  # httpcore's pool drops the cause
            raise TlsFailed(url.host) from None
        raise Unreachable(url.host, "the connection broke, or it does not speak HTTP") from None


def _redirected(url: httpx.URL, response: httpcore.Response, policy: FetchPolicy) -> httpx.URL:
    location = _header(response, b"location")
    if location is None:
        raise StatusRefused(url.host, response.status)
    try:
        return _parse(str(url.join(location)), policy)
    except AddressForbidden:
        raise AddressForbidden(url.host) from None  # where it points is the other side's secret
    except (httpx.InvalidURL, ValueError):
        raise UrlInvalid("redirects to something that is not a URL") from None


async def _save(url: httpx.URL, response: httpcore.Response, policy: FetchPolicy, into: Path) -> Fetched:
    if response.status != HTTPStatus.OK:
        raise StatusRefused(url.host, response.status)
    declared = _header(response, b"content-length") or ""
    if declared.isdecimal() and int(declared) > policy.max_bytes:
        raise SourceTooLarge(policy.max_bytes)
    draft = await in_thread(Draft, into)
    try:
        encoding = (_header(response, b"content-encoding") or "").strip().lower()
        async for piece in content(response.aiter_stream(), encoding, url.host, policy.max_bytes):
            await in_thread(draft.write, piece)
    except BaseException:
        await asyncio.shield(in_thread(draft.discard))
        raise
    draft.close()
    return Fetched(draft.size_bytes, draft.sha256, _media_type(response), _filename(url, response), str(url))


def _parse(text: str, policy: FetchPolicy) -> httpx.URL:
    if len(text) > MAX_URL_CHARACTERS:
        raise UrlInvalid(f"is longer than {MAX_URL_CHARACTERS} characters")
    if _CONTROL.search(text):
        raise UrlInvalid("contains a space, a backslash or a control character; write them as %XX")
    try:
        url = httpx.URL(text).copy_with(fragment=None)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        raise UrlInvalid("is not a URL; write it as https://host/path") from None
    _check_parts(url, text, policy)
    try:
        address = judge_host(host, policy.allowed_networks)
    except HostForbidden:
        raise AddressForbidden(url.host) from None
    except HostMalformed:
        raise UrlInvalid("has a host that is not a name or an address") from None
    may_be_inside = policy.allowed_networks and (
        address is None or is_inside(address, policy.allowed_networks)
    )
    if url.port is not None and url.port not in policy.ports and not may_be_inside:
        ports = ", ".join(str(port) for port in sorted(policy.ports))
        raise UrlInvalid(f"has port {url.port}; only {ports} are fetched from")
    return url


def _check_parts(url: httpx.URL, text: str, policy: FetchPolicy) -> None:
    if url.scheme not in (("https", "http") if policy.allow_http else ("https",)):
        raise UrlInvalid("does not start with https://, which it must")
    authority = _AUTHORITY_END.split(text.partition("://")[2], maxsplit=1)[0]
    if "@" in authority or url.userinfo:
        raise UrlInvalid("contains a user name or password; use a signed URL, or upload the file")
    if "%" in authority:
        raise UrlInvalid("has a host that is not a name or an address")
    if url.port == 0:
        raise UrlInvalid("has port 0")


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1")
    return None


def _media_type(response: httpcore.Response) -> str | None:
    claimed = (_header(response, b"content-type") or "").partition(";")[0].strip().lower()
    return claimed if re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}", claimed) else None


def _filename(url: httpx.URL, response: httpcore.Response) -> str | None:
    """Take the name that the server gives, or the end of the path: one plain name, or None."""
    told = Message()
    told["Content-Disposition"] = _UNPRINTABLE.sub("", _header(response, b"content-disposition") or "")
    name = told.get_filename() or unquote(url.path.rpartition("/")[2])
    name = _UNPRINTABLE.sub("", name).replace("\\", "/").rpartition("/")[2].strip(" .")
    return name[-MAX_FILENAME_CHARACTERS:] or None
