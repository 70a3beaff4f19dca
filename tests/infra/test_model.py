"""The client of language models: whatever a server does, it ends in a reply or in a coded failure."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from affidavit.infra.model import (
    ChatReply,
    ChatRequest,
    ModelClient,
    ModelFailure,
    ModelPolicy,
    is_strict,
    response_formats,
)
from tests.model_server import (
    Act,
    Meeting,
    ModelServer,
    completion,
    cuts_off,
    fails,
    hangs,
    model_server,
    says,
    sends,
    streams,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}
REQUEST = ChatRequest("small", "Do it.", "the document", SCHEMA, max_tokens=50)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as started:
        yield started


@asynccontextmanager
async def client(url: str, **changes: Any) -> AsyncIterator[ModelClient]:
    given = {"timeout_seconds": 5.0, "first_pause_seconds": 0.01, **changes}
    opened = ModelClient(ModelPolicy(url, **given))
    try:
        yield opened
    finally:
        await opened.close()


async def ask(server: ModelServer, seconds: float = 20.0, **changes: Any) -> ChatReply:
    async with client(server.url, **changes) as asking:
        return await asking.ask(REQUEST, until=time.monotonic() + seconds)


async def failure_of(server: ModelServer, seconds: float = 20.0, **changes: Any) -> str:
    with pytest.raises(ModelFailure) as caught:
        await ask(server, seconds, **changes)
    return caught.value.code


async def test_reply_comes_with_what_the_server_tells_of_model_and_tokens(server: ModelServer) -> None:
    server.script = [says('{"total": 1}')]

    reply = await ask(server)

    assert reply == ChatReply('{"total": 1}', "scripted-7", "fp_1", 100, 20)


async def test_request_has_the_key_the_schema_and_no_tools(server: ModelServer) -> None:
    server.script = [says("{}")]

    await ask(server, key="secret-key")

    [asked] = server.asked
    assert asked.headers["authorization"] == "Bearer secret-key"
    assert asked.body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert asked.body["response_format"]["json_schema"]["strict"] is True
    assert (asked.body["model"], asked.body["max_tokens"], asked.body["temperature"]) == ("small", 50, 0)
    assert not {"tools", "functions", "tool_choice"} & asked.body.keys()


def test_key_is_in_no_text_of_the_policy() -> None:
    assert "secret-key" not in repr(ModelPolicy("http://127.0.0.1/v1", key="secret-key"))


@pytest.mark.parametrize(
    "refusals", [[], ["json_schema"], ["json_schema", "json_object"], ["json_schema", "json_object", None]]
)
async def test_server_is_asked_in_the_strictest_form_that_it_takes(
    server: ModelServer, refusals: list[str]
) -> None:
    def meet(meeting: Meeting) -> None:
        refused = meeting.asked.format in refusals
        meeting.send(*((400, b"{}") if refused else (200, completion("{}"))))

    server.otherwise = meet
    if None in refusals:
        assert await failure_of(server) == "MODEL_REJECTED"
        return
    async with client(server.url) as asking:
        for _ in range(2):
            await asking.ask(REQUEST, until=time.monotonic() + 10)

    forms = [form["type"] if form else None for form in response_formats(SCHEMA)]
    taken = next(form for form in forms if form not in refusals)
    assert server.asked[-1].format == taken
    assert len(server.asked) == forms.index(taken) + 2  # the second time it is known


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_server_that_is_busy_is_asked_again(server: ModelServer, status: int) -> None:
    server.script = [fails(status), says("{}")]

    assert (await ask(server)).text == "{}"


async def test_retry_after_is_waited_for(server: ModelServer) -> None:
    server.script = [fails(429, Retry_After="1"), says("{}")]
    began = time.monotonic()

    await ask(server)

    assert time.monotonic() - began >= 1


async def test_retry_after_beyond_the_deadline_is_not_waited_for(server: ModelServer) -> None:
    server.script = [fails(429, Retry_After="3600")]

    assert await failure_of(server) == "MODEL_UNAVAILABLE"
    assert len(server.asked) == 1


async def test_server_that_breaks_at_a_form_is_asked_in_the_next(server: ModelServer) -> None:
    def meet(meeting: Meeting) -> None:
        is_known = meeting.asked.format == "json_object"
        meeting.send(*((200, completion("{}")) if is_known else (500, b"{}")))

    server.otherwise = meet
    async with client(server.url) as asking:
        for _ in range(3):
            await asking.ask(REQUEST, until=time.monotonic() + 10)

    forms = [asked.format for asked in server.asked]
    assert forms == ["json_schema", "json_object"] * 2 + ["json_object"]


async def test_tries_are_bounded(server: ModelServer) -> None:
    server.otherwise = fails(503)

    assert await failure_of(server, tries=3) == "MODEL_UNAVAILABLE"
    assert len(server.asked) == 3


@pytest.mark.parametrize("act", [cuts_off, streams('{"to', ends=False)])
async def test_reply_that_is_cut_off_is_asked_for_again(server: ModelServer, act: Act) -> None:
    server.script = [act, says("{}")]

    assert (await ask(server)).text == "{}"
    assert len(server.asked) == 2


async def test_reply_that_is_always_cut_off_is_unavailable(server: ModelServer) -> None:
    server.otherwise = cuts_off

    assert await failure_of(server) == "MODEL_UNAVAILABLE"


async def test_stream_is_put_together(server: ModelServer) -> None:
    server.script = [streams('{"to', 'tal": ', "1}")]

    assert (await ask(server, stream=True)).text == '{"total": 1}'
    assert server.asked[0].body["stream"] is True


async def test_silent_server_times_out(server: ModelServer) -> None:
    server.otherwise = hangs

    assert await failure_of(server, timeout_seconds=0.2, tries=2) == "MODEL_TIMEOUT"
    assert len(server.asked) == 2


async def test_dripping_reply_times_out_as_a_whole(server: ModelServer) -> None:
    def drip(meeting: Meeting) -> None:
        meeting.pieces(b" ", content_type="application/json")
        while not meeting.stopping.wait(0.05):
            meeting.handler.wfile.write(b" ")

    server.otherwise = drip

    assert await failure_of(server, timeout_seconds=0.3, tries=1) == "MODEL_TIMEOUT"


async def test_nothing_is_asked_past_the_deadline(server: ModelServer) -> None:
    server.otherwise = hangs
    began = time.monotonic()

    assert await failure_of(server, seconds=0.3) == "MODEL_TIMEOUT"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": 1}]}', b"{" * 9]
)
async def test_what_is_no_completion_is_invalid(server: ModelServer, body: bytes) -> None:
    server.script = [sends(body)]

    assert await failure_of(server) == "MODEL_REPLY_INVALID"


async def test_call_of_a_tool_is_invalid(server: ModelServer) -> None:
    server.script = [says(None, finish_reason="tool_calls")]

    assert await failure_of(server) == "MODEL_REPLY_INVALID"


@pytest.mark.parametrize(
    "changes",
    [
        {"finish_reason": "content_filter"},
        {"message": {"role": "assistant", "content": None, "refusal": "I cannot help with that."}},
    ],
)
async def test_refusal_is_told_apart(server: ModelServer, changes: dict[str, Any]) -> None:
    server.script = [says("", **changes)]

    assert await failure_of(server) == "MODEL_REFUSED"


async def test_reply_cut_at_its_cap_of_tokens_is_past_the_limit(server: ModelServer) -> None:
    server.script = [says('{"total": 1', finish_reason="length")]

    assert await failure_of(server) == "MODEL_LIMIT"


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_huge_reply_is_not_read_to_its_end(server: ModelServer, content_type: str) -> None:
    server.script = [sends(b" " * 300_000, content_type)]

    assert await failure_of(server, reply_bytes=100_000) == "MODEL_LIMIT"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_not_followed(server: ModelServer, status: int) -> None:
    with model_server() as other:
        server.otherwise = fails(status, Location=f"{other.url}/chat/completions")

        assert await failure_of(server) == "MODEL_REJECTED"
        assert other.asked == []


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_misconfiguration_is_not_tried_again(server: ModelServer, status: int) -> None:
    server.otherwise = fails(status)

    assert await failure_of(server) == "MODEL_REJECTED"
    assert len(server.asked) == 1


async def test_port_that_nobody_listens_on_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = ModelServer(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")

        assert await failure_of(closed, tries=2) == "MODEL_UNAVAILABLE"


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SCHEMA, True),
        (SCHEMA | {"additionalProperties": True}, False),
        (SCHEMA | {"required": []}, False),
        ({"type": "array", "items": SCHEMA | {"required": []}}, False),
        ({"type": "array", "items": SCHEMA}, True),
        ({"type": "string"}, True),
        ({"type": "string", "maxLength": 9}, False),
        ({"type": "object"}, False),
    ],
)
def test_schema_is_strict_when_every_object_is_closed(schema: dict[str, Any], *, strict: bool) -> None:
    assert is_strict(schema) is strict
