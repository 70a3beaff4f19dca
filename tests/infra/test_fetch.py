"""A stranger's URL reaches no inside address, and costs no more than the policy says."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import hashlib
import ipaddress
import socket
import ssl
import stat
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from affidavit.infra.fetch import FetchError, FetchPolicy, check_spelling, fetch
from affidavit.infra.fetch_network import GuardedBackend

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

LOOPBACK = ipaddress.ip_network("127.0.0.1/32")
POLICY = FetchPolicy(
    max_bytes=100_000, allow_http=True, allowed_networks=(LOOPBACK,), read_seconds=1, total_seconds=5
)
DOCUMENT = b"%PDF-1.7 " + bytes(range(256)) * 40


def read(path: Path) -> bytes | None:
    """Return the file's bytes, or None when there is no file."""
    return path.read_bytes() if path.exists() else None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


STRICT = FetchPolicy(allow_http=True)


class Recorder(httpcore.AsyncNetworkBackend):
    """A network that writes down where it was asked to connect, and refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        raise httpcore.ConnectError("recorded")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answers", [["8.8.8.8", "127.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"], ["fe80::1%eth0"], []]
)
async def test_one_inside_answer_of_the_resolver_stops_everything(answers: list[str]) -> None:
    network = Recorder()

    async def resolver(_host: str, _port: int) -> list[str]:
        return answers

    backend = GuardedBackend(resolver, ports=frozenset({443}), resolve_seconds=5, inner=network)
    with pytest.raises(FetchError):
        await backend.connect_tcp("mixed.example", 443)

    assert network.asked == []


@pytest.mark.asyncio
async def test_connects_to_the_judged_addresses_and_resolves_once() -> None:
    network = Recorder()
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14", "93.184.215.15"] if len(asked) == 1 else ["127.0.0.1"]

    backend = GuardedBackend(resolver, ports=frozenset({443}), resolve_seconds=5, inner=network)
    with pytest.raises(FetchError) as caught:
        await backend.connect_tcp("rebinding.example", 443)

    assert asked == ["rebinding.example"]
    assert network.asked == ["93.184.215.14", "93.184.215.15"]
    assert "93.184" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/a.pdf", "SOURCE_URL_INVALID"),
        ("ftp://example.com/a.pdf", "SOURCE_URL_INVALID"),
        ("file:///etc/passwd", "SOURCE_URL_INVALID"),
        ("gopher://example.com", "SOURCE_URL_INVALID"),
        ("//example.com/a", "SOURCE_URL_INVALID"),
        ("example.com/a.pdf", "SOURCE_URL_INVALID"),
        ("", "SOURCE_URL_INVALID"),
        ("https://", "SOURCE_URL_INVALID"),
        ("https:///a.pdf", "SOURCE_URL_INVALID"),
        ("https://user:pass@example.com/", "SOURCE_URL_INVALID"),
        ("https://example.com@127.0.0.1/", "SOURCE_URL_INVALID"),
        ("https://@example.com/", "SOURCE_URL_INVALID"),
        ("https://example.com\\@127.0.0.1/", "SOURCE_URL_INVALID"),
        ("https://exa mple.com/", "SOURCE_URL_INVALID"),
        ("https://example.com/a\nHost: inside", "SOURCE_URL_INVALID"),
        ("https://example.com:22/", "SOURCE_URL_INVALID"),
        ("https://example.com:0/", "SOURCE_URL_INVALID"),
        ("https://example.com:99999/", "SOURCE_URL_INVALID"),
        ("https://example.com:x/", "SOURCE_URL_INVALID"),
        ("https://[::1/", "SOURCE_URL_INVALID"),
        ("https://" + "a" * 9000 + ".example/", "SOURCE_URL_INVALID"),
        ("https://127.0.0.1/", "SOURCE_ADDRESS_FORBIDDEN"),
        ("https://[::1]/", "SOURCE_ADDRESS_FORBIDDEN"),
        ("https://2130706433/", "SOURCE_ADDRESS_FORBIDDEN"),
        ("https://localhost/", "SOURCE_ADDRESS_FORBIDDEN"),
    ],
)
def test_door_names_what_is_wrong(url: str, code: str) -> None:
    with pytest.raises(FetchError) as caught:
        check_spelling(url, FetchPolicy())

    assert caught.value.code == code
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.pdf?X-Signature=%2Fabc&b=c@d",
        "https://example.com:8443/",
        "HTTPS://Example.COM/",
        "https://8.8.8.8/a",
        "https://[2606:4700:4700::1111]/",
        "https://münchen.example/straße.pdf",
        "https://my_bucket.s3.example/",
        "https://example.com./a#fragment",
    ],
)
def test_door_lets_ordinary_urls_pass(url: str) -> None:
    check_spelling(url, FetchPolicy())


# --- against real servers ------------------------------------------------------------------------


@dataclass
class Server:
    """A real server on loopback that answers a path with whatever bytes its script writes."""

    port: int = 0
    scheme: str = "http"
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str, host: str = "files.example") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            path = head.split(" ", 2)[1].partition("?")[0]
            await self.answers[path](writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def reply(body: bytes, *headers: str, status: int = 200, length: int | None = None) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        size = len(body) if length is None else length
        head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {size}", *headers])
        writer.write(head.encode() + b"\r\n\r\n" + body)

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    return reply(b"", f"Location: {to}", status=status)


@asynccontextmanager
async def serving(address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(scheme="https" if tls else "http")
    listener = await asyncio.start_server(server.serve, address, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


async def get(url: str, into: Path, policy: FetchPolicy = POLICY, resolver: Any = loopback) -> Any:
    return await fetch(url, policy=policy, into=into, resolver=resolver)


async def failure(url: str, into: Path, policy: FetchPolicy = POLICY, resolver: Any = loopback) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await get(url, into, policy, resolver)
    assert read(into) is None, "a failed fetch left a file"
    assert "secret" not in caught.value.message, "the message shows the query"
    assert "127.0.0" not in caught.value.message, "the message shows a resolved address"
    return caught.value


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


@pytest.mark.asyncio
async def test_file_arrives_hashed_and_named(server: Server, into: Path) -> None:
    server.answers["/get"] = reply(
        DOCUMENT,
        "Content-Type: application/PDF; x=y",
        "Content-Disposition: attachment; filename*=UTF-8''r%C3%A9%2F..%2Fz.pdf",
    )

    fetched = await get(server.url("/get?secret=1"), into)

    assert read(into) == DOCUMENT
    assert fetched.sha256 == hashlib.sha256(DOCUMENT).hexdigest()
    assert fetched.size_bytes == len(DOCUMENT)
    assert fetched.media_type_claimed == "application/pdf"
    assert fetched.filename == "z.pdf"
    assert mode(into) == 0o600
    assert f"Host: files.example:{server.port}" in server.requests[0]
    assert "secret=1" in server.requests[0]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "disposition", "filename"),
    [
        ("/a/b%20c.pdf", None, "b c.pdf"),
        ("/", None, None),
        ("/x.pdf", 'inline; filename="../../etc/pass\\"wd"', 'pass"wd'),
        ("/x.pdf", 'attachment; filename="C:\\\\docs\\\\in.pdf"', "in.pdf"),
        ("/..", None, None),
    ],
)
async def test_filename_is_one_plain_name(
    server: Server, into: Path, path: str, disposition: str | None, filename: str | None
) -> None:
    headers = [f"Content-Disposition: {disposition}"] if disposition else []
    server.answers[path] = server.answers["/"] = reply(DOCUMENT, *headers)

    assert (await get(server.url(path), into)).filename == filename


@pytest.mark.asyncio
async def test_redirects_are_followed_to_the_limit_and_not_beyond(server: Server, into: Path) -> None:
    server.answers |= {f"/{n}": redirect(f"/{n + 1}") for n in range(10)}
    server.answers["/3"] = reply(DOCUMENT)

    assert (await get(server.url("/0"), into)).final_url == server.url("/3")
    server.answers["/3"] = redirect("/4")
    server.answers["/4"] = reply(DOCUMENT)
    error = await failure(server.url("/0"), into.with_name("second"))

    assert error.code == "SOURCE_TOO_MANY_REDIRECTS"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("http://127.0.0.2:{port}/secret", "SOURCE_ADDRESS_FORBIDDEN"),
        ("http://2130706434:{port}/secret", "SOURCE_ADDRESS_FORBIDDEN"),
        ("http://169.254.169.254/latest/meta-data?secret", "SOURCE_ADDRESS_FORBIDDEN"),
        ("http://inside.example:{port}/secret", "SOURCE_ADDRESS_FORBIDDEN"),
        ("//127.0.0.2:{port}/secret", "SOURCE_ADDRESS_FORBIDDEN"),
        ("file:///etc/passwd", "SOURCE_URL_INVALID"),
        ("http://user:secret@files.example:{port}/", "SOURCE_URL_INVALID"),
        ("http://[::1", "SOURCE_URL_INVALID"),
    ],
)
async def test_redirect_to_the_inside_is_refused(server: Server, into: Path, target: str, code: str) -> None:
    async def resolver(host: str, _port: int) -> list[str]:
        return ["127.0.0.2"] if host == "inside.example" else ["127.0.0.1"]

    async with serving("127.0.0.2") as inside:
        inside.answers["/secret"] = reply(b"the crown jewels")
        server.answers["/"] = redirect(target.format(port=inside.port))

        error = await failure(server.url("/"), into, resolver=resolver)

        assert error.code == code
        assert inside.connections == 0


@pytest.mark.asyncio
async def test_rebinding_between_hops_is_refused(server: Server, into: Path) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    server.answers["/"] = redirect("/again")
    server.answers["/again"] = reply(b"never asked for")

    error = await failure(server.url("/"), into, resolver=rebinding)

    assert error.code == "SOURCE_ADDRESS_FORBIDDEN"
    assert server.connections == 1


@pytest.mark.asyncio
async def test_redirect_from_https_to_http_is_refused_unless_http_is_allowed(
    server: Server, into: Path
) -> None:
    server.answers["/"] = redirect("http://files.example/")
    strict = replace(POLICY, allow_http=False)

    error = await failure(server.url("/"), into, strict)

    assert error.code == "SOURCE_URL_INVALID"
    assert server.connections == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (404, False),
        (403, False),
        (204, False),
        (206, False),
        (304, False),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_status_is_reported(server: Server, into: Path, status: int, retryable: bool) -> None:
    server.answers["/"] = reply(b"", status=status)

    error = await failure(server.url("/?secret"), into)

    assert error.code == "SOURCE_STATUS"
    assert str(status) in error.message
    assert error.retryable is retryable


@pytest.mark.asyncio
@pytest.mark.parametrize("declared", [True, False])
async def test_size_limit_is_exact(server: Server, into: Path, declared: bool) -> None:
    async def until_close(writer: asyncio.StreamWriter, size: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(size))

    def answer(size: int) -> Answer:
        return reply(bytes(size)) if declared else lambda writer: until_close(writer, size)

    server.answers["/"] = answer(100_000)
    assert (await get(server.url("/"), into)).size_bytes == 100_000

    server.answers["/"] = answer(100_001)
    assert (await failure(server.url("/"), into.with_name("second"))).code == "SOURCE_TOO_LARGE"


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_size_limit_counts_what_is_unpacked(server: Server, into: Path, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    header = f"Content-Encoding: {encoding}"

    server.answers["/"] = reply(pack(bytes(100_000)), header)
    assert (await get(server.url("/"), into)).size_bytes == 100_000

    server.answers["/"] = reply(pack(bytes(100_001)), header)
    assert (await failure(server.url("/"), into.with_name("second"))).code == "SOURCE_TOO_LARGE"


@pytest.mark.asyncio
async def test_gzip_bomb_is_stopped_before_it_unfolds(server: Server, into: Path) -> None:
    bomb = gzip.compress(bytes(60_000_000), compresslevel=9)
    assert len(bomb) < POLICY.max_bytes
    server.answers["/"] = reply(bomb, "Content-Encoding: gzip", length=len(bomb))

    tracemalloc.start()
    error = await failure(server.url("/"), into)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert error.code == "SOURCE_TOO_LARGE"
    assert peak_bytes < 10_000_000


@pytest.mark.asyncio
async def test_large_compressed_body_is_unpacked_whole(server: Server, into: Path) -> None:
    data = DOCUMENT * 500
    server.answers["/"] = reply(gzip.compress(data), "Content-Encoding: gzip")

    await get(server.url("/"), into, replace(POLICY, max_bytes=len(data)))

    assert read(into) == data


BAD_BODIES = {
    "unasked encoding": (DOCUMENT, "br"),
    "stacked encodings": (gzip.compress(gzip.compress(DOCUMENT)), "gzip, gzip"),
    "not gzip at all": (DOCUMENT, "gzip"),
    "gzip cut short": (gzip.compress(DOCUMENT)[:-9], "gzip"),
    "something behind it": (gzip.compress(DOCUMENT) + b"more", "gzip"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("body", "encoding"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_unreadable_body_is_no_file(server: Server, into: Path, body: bytes, encoding: str) -> None:
    server.answers["/"] = reply(body, f"Content-Encoding: {encoding}")

    error = await failure(server.url("/"), into)

    assert error.code == "SOURCE_UNREADABLE"


@pytest.mark.asyncio
async def test_body_cut_short_is_no_file_and_worth_a_retry(server: Server, into: Path) -> None:
    server.answers["/"] = reply(DOCUMENT, length=len(DOCUMENT) + 1)

    error = await failure(server.url("/"), into)

    assert error.code == "SOURCE_UNREACHABLE"
    assert error.retryable


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_informational(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [drip, drip_informational, hang], ids=lambda answer: answer.__name__)
async def test_slow_server_is_given_up(server: Server, into: Path, answer: Answer) -> None:
    server.answers["/"] = answer
    impatient = replace(POLICY, total_seconds=0.5, read_seconds=0.3)

    async with asyncio.timeout(3):
        error = await failure(server.url("/?secret"), into, impatient)

    assert error.code == "SOURCE_TIMEOUT"
    assert error.retryable


@pytest.mark.asyncio
async def test_slow_name_server_is_given_up(into: Path) -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    error = await failure("http://slow.example/", into, replace(POLICY, resolve_seconds=0.1), never)

    assert error.code == "SOURCE_TIMEOUT"


@pytest.mark.asyncio
@pytest.mark.parametrize(("number", "retryable"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)])
async def test_unknown_name_is_unreachable(into: Path, number: int, retryable: bool) -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(number, "no")

    error = await failure("http://nowhere.example/", into, resolver=unknown)

    assert error.code == "SOURCE_UNREACHABLE"
    assert error.retryable is retryable


@pytest.mark.asyncio
async def test_refused_connection_is_unreachable(into: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    error = await failure(f"http://files.example:{port}/?secret", into)

    assert error.code == "SOURCE_UNREACHABLE"
    assert error.retryable


@pytest.mark.asyncio
async def test_answer_that_is_not_http_is_unreachable(server: Server, into: Path) -> None:
    async def ssh(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")

    server.answers["/"] = ssh

    assert (await failure(server.url("/"), into)).code == "SOURCE_UNREACHABLE"


@pytest.mark.asyncio
async def test_port_outside_the_list_needs_an_allowed_network(into: Path) -> None:
    async def public(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14"]

    error = await failure("http://files.example:2222/", into, resolver=public)

    assert error.code == "SOURCE_URL_INVALID"


def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "files.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("files.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "tls.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.asyncio
async def test_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, into: Path) -> None:
    async with serving(tls=self_signed(tmp_path)) as server:
        server.answers["/"] = reply(DOCUMENT)

        error = await failure(server.url("/"), into)

    assert error.code == "SOURCE_TLS"
    assert server.requests == []


@pytest.mark.asyncio
async def test_proxies_of_the_environment_are_not_used(
    server: Server, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/"] = reply(DOCUMENT)

    assert (await get(server.url("/"), into)).size_bytes == len(DOCUMENT)


@pytest.mark.asyncio
async def test_canceled_fetch_leaves_no_file(server: Server, into: Path) -> None:
    started = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(50_000))
        await writer.drain()
        started.set()
        await asyncio.Event().wait()

    server.answers["/"] = endless
    task = asyncio.create_task(get(server.url("/"), into))
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert read(into) is None
