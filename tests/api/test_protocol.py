"""A connection that sends what never becomes a request is closed before it costs anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
import uvicorn

from affidavit.api.protocol import MAX_HEAD_BYTES, BoundedHead

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(_scope: Any, receive: Any, send: Any) -> None:
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


class Hasty(BoundedHead):
    """The same, with less patience."""

    head_seconds = 0.1


@pytest.fixture
async def connection(request: pytest.FixtureRequest) -> AsyncIterator[Streams]:
    """Connect to a server that answers with the length of the body."""
    protocol = getattr(request, "param", BoundedHead)
    config = uvicorn.Config(_echo, lifespan="off", log_config=None)
    config.load()
    state = uvicorn.server.ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


async def _sent(connection: Streams, pieces: Iterable[bytes]) -> bytes:
    """Send the pieces until the server hangs up, and return what it answered."""
    reader, writer = connection
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(4096), 10)
    except ConnectionError:
        return b""


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "start",
    [
        HEAD + b"X: ",
        b"GET /",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;extension=",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: ",
    ],
    ids=["header", "path", "chunk extension", "trailer"],
)
async def test_what_never_ends_is_cut_off(connection: Streams, start: bytes) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield start
        while taken < 30_000_000:
            taken += 65536
            yield b"y" * 65536

    answer = await _sent(connection, endless())
    assert b" 200 " not in answer
    assert taken < 20_000_000  # the buffers of both ends hold some before the end is noticed


@pytest.mark.parametrize("connection", [Hasty], indirect=True)
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost", HEAD + b"Content-Length: 0\r\n\r\nGET"])
async def test_head_that_does_not_come_is_given_up(connection: Streams, start: bytes) -> None:
    reader, writer = connection
    writer.write(start)

    async with asyncio.timeout(60):
        answer = await reader.read()  # until the server hangs up

    if b"Content-Length" in start:
        assert answer.startswith(b"HTTP/1.1 200")
    refusal = answer[answer.find(b"HTTP/1.1 408") :]
    assert (b'"code":"REQUEST_TIMEOUT"' in refusal) is bool(start)


@pytest.mark.parametrize("connection", [Hasty], indirect=True)
async def test_connection_that_rests_between_requests_is_kept(connection: Streams) -> None:
    reader, writer = connection
    for _ in range(2):
        writer.write(HEAD + b"Content-Length: 2\r\n\r\nxx")
        async with asyncio.timeout(60):
            assert (await reader.readuntil(b"\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.3)  # longer than a head may take


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", HEAD + b"A B: c\r\n\r\n"])
async def test_what_is_no_http_is_refused_with_a_problem(connection: Streams, sent: bytes) -> None:
    answer = await _sent(connection, [sent])

    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert (problem["status"], problem["code"]) == (400, "HTTP_INVALID")


async def test_long_body_and_many_requests_are_no_long_head(connection: Streams) -> None:
    body = b"y" * (5 * MAX_HEAD_BYTES)
    for _ in range(3):
        answer = await _sent(connection, [HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body])
        assert b"\r\n%d\r\n" % len(body) in answer


async def test_head_of_the_largest_size_is_taken(connection: Streams) -> None:
    padding = b"X: " + b"y" * (MAX_HEAD_BYTES - 200)
    answer = await _sent(connection, [HEAD, padding, b"\r\nContent-Length: 0\r\n\r\n"])
    assert b" 200 " in answer
