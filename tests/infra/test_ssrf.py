"""No spelling of an inside address connects: for sources, for redirects and for webhooks.

Proved at the sockets: an audit hook sees every connection that this process tries, and servers on
loopback count what reaches them. The resolver is hostile and gives an inside address for any name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from affidavit.infra.fetch import FetchError, FetchPolicy, fetch
from affidavit.infra.fetch_network import Resolver
from affidavit.infra.post import post
from tests.infra.spellings import INSIDE_V4, INSIDE_V6, table

TABLE = table()
SPELLINGS = [spelling for spellings in TABLE.values() for spelling in spellings]
KINDS = pytest.mark.parametrize("kind", TABLE)
WAYS = pytest.mark.parametrize("way", ["source", "webhook"])
HOME = ipaddress.ip_network("127.0.0.1/32")

seen: list[Any] = []  # where this process tried to connect while a test was watching
watching = False


def note(event: str, arguments: tuple[Any, ...]) -> None:
    if watching and event == "socket.connect":
        seen.append(arguments[1])


sys.addaudithook(note)  # for the life of the process: there is no taking it back


@contextmanager
def watched() -> Iterator[list[Any]]:
    global watching  # noqa: PLW0603 - the hook cannot be given anything else
    seen.clear()
    watching = True
    try:
        yield seen
    finally:
        watching = False


@dataclass
class Inside:
    """Servers on this machine that nobody from outside may reach."""

    port: int
    connections: int = 0
    answers: Iterator[bytes] = field(default_factory=lambda: itertools.repeat(b""))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(next(self.answers))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(*addresses: str) -> AsyncIterator[Inside]:
    """Listen on all of these addresses at one port, which is among those that may be fetched from."""
    sockets = [socket.socket(socket.AF_INET6 if ":" in each else socket.AF_INET) for each in addresses]
    inside = Inside(port=0)
    for each, address in zip(sockets, addresses, strict=True):
        each.bind((address, inside.port))
        inside.port = each.getsockname()[1]
    servers = [await asyncio.start_server(inside.serve, sock=each) for each in sockets]
    try:
        yield inside
    finally:
        for server in servers:
            server.close()


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    async with listening("127.0.0.1", "127.0.0.2", *(["::1"] if socket.has_ipv6 else [])) as servers:
        yield servers


async def hostile(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def policy(inside: Inside) -> FetchPolicy:
    return FetchPolicy(
        allow_http=True, ports=frozenset({80, 443, inside.port}), total_seconds=30, connect_seconds=5
    )


async def attempt(way: str, url: str, rules: FetchPolicy, into: Path, resolver: Resolver = hostile) -> str:
    """Fetch from or post to the URL; return the code of the refusal, `reached` when there was none."""
    try:
        if way == "source":
            await fetch(url, policy=rules, into=into, resolver=resolver)
        else:
            await post(url, {}, b"{}", rules, resolver=resolver)
    except FetchError as error:
        return error.code
    return "reached"


def test_table_counts_at_least_200_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        counts = ", ".join(f"{kind}: {len(spellings)}" for kind, spellings in TABLE.items())
        sys.stdout.write(f"\n{len(SPELLINGS)} spellings of inside addresses ({counts})\n")

    assert len(set(SPELLINGS)) == len(SPELLINGS) >= 200


@WAYS
@KINDS
async def test_no_spelling_connects(inside: Inside, tmp_path: Path, way: str, kind: str) -> None:
    rules = policy(inside)
    with watched() as connections:
        answers = {
            (scheme, spelling): await attempt(way, f"{scheme}://{spelling}{port}/", rules, tmp_path / "file")
            for scheme in ("http", "https")
            for spelling in TABLE[kind]
            for port in ("", f":{inside.port}")
        }

    assert {key: code for key, code in answers.items() if not code.startswith("SOURCE_")} == {}
    assert connections == []
    assert inside.connections == 0


async def test_no_redirect_leads_inside(inside: Inside, tmp_path: Path) -> None:
    """The first hop is a server that may be reached; every spelling is where it sends us."""
    few = itertools.chain(*table(ipv4=("127.0.0.1", "169.254.169.254")).values())  # each is a real connection
    targets = [spelling for spelling in few if spelling.isascii() and spelling.isprintable()]
    assert len(targets) >= 200
    async with listening("127.0.0.3") as public:
        rules = replace(policy(inside), allowed_networks=(ipaddress.ip_network("127.0.0.3/32"),))
        public.answers = (redirect(f"http://{target}:{inside.port}/") for target in targets)
        url = f"http://public.example:{public.port}/"
        for target in targets:
            leads_inside = resolver_of({"public.example": ["127.0.0.3"]}, otherwise=["127.0.0.1"])
            code = await attempt("source", url, rules, tmp_path / "file", leads_inside)
            assert code in {"SOURCE_ADDRESS_FORBIDDEN", "SOURCE_URL_INVALID"}, target

    assert public.connections == len(targets)
    assert inside.connections == 0


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def resolver_of(names: dict[str, list[str]], otherwise: list[str]) -> Resolver:
    async def resolve(host: str, _port: int) -> list[str]:
        return names.get(host, otherwise)

    return resolve


@WAYS
@pytest.mark.parametrize("address", [*INSIDE_V4, *INSIDE_V6])
async def test_no_answer_of_a_resolver_leads_inside_alone_or_among_public_ones(
    inside: Inside, tmp_path: Path, way: str, address: str
) -> None:
    rules = policy(inside)
    answers = ([address], ["93.184.215.14", address], [address, "2606:4700:4700::1111"])
    with watched() as connections:
        codes = [
            await attempt(way, "https://files.example/", rules, tmp_path / "file", resolver_of({}, each))
            for each in answers
        ]

    assert codes == ["SOURCE_ADDRESS_FORBIDDEN"] * 3
    assert connections == []


@WAYS
async def test_name_is_resolved_once_so_a_second_answer_leads_nowhere(
    inside: Inside, tmp_path: Path, way: str
) -> None:
    """What was judged is what is connected to; the inside address of the second answer is not asked for."""
    answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    rules = replace(policy(inside), allowed_networks=(HOME,))
    inside.answers = itertools.repeat(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    url = f"http://rebinding.example:{inside.port}/"
    with watched() as connections:
        first = await attempt(way, url, rules, tmp_path / "first", rebinding)
        second = await attempt(way, url, rules, tmp_path / "second", rebinding)

    assert (first, second) == ("reached", "SOURCE_ADDRESS_FORBIDDEN")
    assert connections == [("127.0.0.1", inside.port)]


@WAYS
async def test_chain_of_names_is_judged_by_its_end(inside: Inside, tmp_path: Path, way: str) -> None:
    chain = {"start.example": "middle.example", "middle.example": "end.example", "end.example": "10.0.0.1"}

    async def follow(host: str, _port: int) -> list[str]:
        while host in chain:
            host = chain[host]
        return [host]

    with watched() as connections:
        code = await attempt(way, "https://start.example/", policy(inside), tmp_path / "file", follow)

    assert code == "SOURCE_ADDRESS_FORBIDDEN"
    assert connections == []


@WAYS
@pytest.mark.parametrize("failure", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL, None])
async def test_name_server_that_fails_or_sleeps_leads_nowhere(
    inside: Inside, tmp_path: Path, way: str, failure: int | None
) -> None:
    async def broken(_host: str, _port: int) -> list[str]:
        if failure is None:
            await asyncio.Event().wait()
        raise socket.gaierror(failure, "no")

    rules = replace(policy(inside), resolve_seconds=0.1)
    with watched() as connections:
        code = await attempt(way, "https://files.example/", rules, tmp_path / "file", broken)

    assert code == ("SOURCE_TIMEOUT" if failure is None else "SOURCE_UNREACHABLE")
    assert connections == []


@WAYS
@pytest.mark.parametrize("answer", ["", "not an address", "1.2.3", "::1%lo", "127.0.0.1:80", "0x7f000001"])
async def test_answer_that_is_no_plain_address_is_refused(
    inside: Inside, tmp_path: Path, way: str, answer: str
) -> None:
    with watched() as connections:
        code = await attempt(
            way, "https://files.example/", policy(inside), tmp_path / "file", resolver_of({}, [answer])
        )

    assert code == "SOURCE_ADDRESS_FORBIDDEN"
    assert connections == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_webhook_follows_no_redirect(inside: Inside, tmp_path: Path, status: int) -> None:
    inside.answers = itertools.repeat(redirect(f"http://127.0.0.1:{inside.port}/", status))
    rules = replace(policy(inside), allowed_networks=(HOME,))

    answer = await post(f"http://hook.example:{inside.port}/", {}, b"{}", rules, resolver=hostile)

    assert answer.status == status
    assert inside.connections == 1


HEADS = {
    "endless name": b"HTTP/1.1 200 OK\r\n" + b"x" * 1_000_000,
    "endless value": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
    "endless status": b"HTTP/1.1 200 " + b"x" * 1_000_000,
    "many interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "interim answer with a bomb": b"HTTP/1.1 103 Early Hints\r\n" + b"Link: x\r\n" * 100_000,
    "endless chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 1_000_000,
    "endless extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=" + b"y" * 1_000_000,
    "trailer bomb": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 200_000,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab",
}


@WAYS
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_answer_whose_head_is_a_bomb_is_cut_off(
    inside: Inside, tmp_path: Path, way: str, head: bytes
) -> None:
    inside.answers = itertools.repeat(head)
    rules = replace(policy(inside), allowed_networks=(HOME,), max_bytes=16_384)

    code = await attempt(way, f"http://files.example:{inside.port}/", rules, tmp_path / "file")

    assert code == "SOURCE_UNREACHABLE"
    assert not (tmp_path / "file").exists()
