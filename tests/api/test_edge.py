"""What wraps every request: ids, problems, limits of the body, polls, health, and no leaks."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from affidavit.api.body import BodyLimit
from affidavit.api.errors import RequestTimeout
from affidavit.api.limits import PollLimit
from affidavit.api.middleware import Edge
from affidavit.engine.spec import Operation
from affidavit.errors import TooManyRequests
from affidavit.infra import logs
from tests.api.conftest import TEXT, Api, running, served, settings_for
from tests.conftest import execute, named


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/", 404, "NOT_FOUND"),
        ("GET", "/docs", 404, "NOT_FOUND"),
        ("PUT", "/v1/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("TRACE", "/livez", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_what_the_router_refuses_is_a_problem(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = await api.send(method, path)

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == path


async def test_allow_names_all_methods_of_the_path(api: Api) -> None:
    answer = await api.send("PATCH", "/v1/jobs/job_1")

    assert answer.headers["allow"] == "DELETE, GET, HEAD"


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abc-1.2:3", True), ("a b", False), ("x" * 129, False), ("", False)]
)
async def test_sane_request_id_is_kept(api: Api, given: str, is_kept: bool) -> None:
    answer = await api.get("/livez", headers={"X-Request-Id": given})

    assert (answer.headers["x-request-id"] == given) is is_kept
    assert answer.headers["x-request-id"]


async def test_crash_is_answered_without_a_word_about_it() -> None:
    async def crashing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("the patient's name")

    sent: list[Any] = []
    stream = io.StringIO()
    logs.configure(to=stream)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await Edge(crashing)({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)

    problem = json.loads(sent[1]["body"])
    assert (sent[0]["status"], problem["code"], problem["retryable"]) == (500, "INTERNAL_ERROR", True)
    assert "patient" not in sent[1]["body"].decode() + stream.getvalue()
    assert problem["request_id"] in stream.getvalue()


async def test_log_holds_no_query_no_body_and_no_key(api: Api) -> None:
    stream = io.StringIO()
    logs.configure(to=stream)

    await api.post("/v1/parse?colour=canary1", {"source": {"text": "canary2"}, "metadata": {"a": "canary3"}})
    await api.post(
        "/v1/parse", {"source": "https://example.com/?canary4=1", "options": {"password": "canary5"}}
    )

    written = stream.getvalue()
    assert '"path": "/v1/parse"' in written
    assert "canary" not in written
    assert api.headers["Authorization"][7:] not in written


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_body_is_cut_off_at_the_limit_whether_announced_or_not(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with running(settings_for(database_url, redis_url, tmp_path, max_upload_bytes=1000)) as anybody:
        api = await anybody.as_key("one")
        json_type = {"Content-Type": "application/json"}

        announced = await api.send("POST", "/v1/parse", content=b" " * 33_554_433, headers=json_type)
        streamed = await api.send("POST", "/v1/parse", content=chunks(513, 65_536), headers=json_type)

    for answer in (announced, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "REQUEST_TOO_LARGE")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(("size", "status"), [(1000, 201), (1001, 413)])
async def test_file_is_taken_at_the_limit_and_refused_one_byte_past_it(
    database_url: str, redis_url: str, tmp_path: Path, size: int, status: int
) -> None:
    async with running(settings_for(database_url, redis_url, tmp_path, max_upload_bytes=1000)) as anybody:
        api = await anybody.as_key("one")
        answer = await api.upload(b"x" * size)

    assert answer.status_code == status
    if status == 413:
        assert answer.json()["code"] == "FILE_TOO_LARGE"
        assert not list((tmp_path / "blobs").rglob("*/staging/*"))


async def test_batch_of_too_many_items_is_refused(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with running(settings_for(database_url, redis_url, tmp_path, max_batch_items=2)) as anybody:
        api = await anybody.as_key("one")
        item = {"operation": "parse", **TEXT}

        answers = [await api.post("/v1/jobs", {"items": [item] * count}) for count in (2, 3)]

    assert [answer.status_code for answer in answers] == [202, 422]


async def test_body_that_does_not_come_is_given_up(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"source"'
        await asyncio.Event().wait()

    settings = settings_for(database_url, redis_url, tmp_path, body_timeout_seconds=0.05)
    async with running(settings) as anybody:
        api = await anybody.as_key("one")
        answer = await api.send(
            "POST", "/v1/parse", content=dripping(), headers={"Content-Type": "application/json"}
        )

    assert (answer.status_code, answer.json()["code"]) == (408, "REQUEST_TIMEOUT")


async def test_body_of_a_caller_without_a_key_is_not_read(anybody: Api) -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 65_536

    answer = await anybody.send("POST", "/v1/files", content=counted())

    assert (answer.status_code, read) == (401, 0)


async def test_wait_after_the_body_is_not_cut_off_by_the_bodys_time() -> None:
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    seen: list[str] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        seen.append((await receive())["type"])

    async def receive() -> Any:
        return messages.pop(0)

    await BodyLimit(app, max_bytes=1, timeout_seconds=1, min_bytes_per_second=1)(
        {"type": "http", "method": "POST", "headers": []}, receive, lambda _message: None
    )

    assert seen == ["http.disconnect"]


@pytest.mark.parametrize(("size", "is_taken"), [(100, False), (2000, True)])
async def test_body_has_to_come_at_a_rate_once_its_grace_is_over(size: int, is_taken: bool) -> None:
    now = 0.0
    taken = 0

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        nonlocal taken
        for _ in range(50):
            taken += len((await receive())["body"])

    async def receive() -> Any:
        nonlocal now
        await asyncio.sleep(0)
        now += 2
        return {"type": "http.request", "body": b"x" * size, "more_body": True}

    limit = BodyLimit(app, max_bytes=10**6, timeout_seconds=300, min_bytes_per_second=1000, clock=lambda: now)
    call = limit({"type": "http", "method": "POST", "headers": []}, receive, lambda _message: None)

    if is_taken:
        await call
        assert taken == 50 * size
    else:
        with pytest.raises(RequestTimeout, match="1000 bytes a second"):
            await call
        assert now == 12  # ten seconds of grace, and the piece that came too late


@pytest.mark.parametrize("is_announced", [True, False])
async def test_caller_who_sends_too_much_learns_why(
    database_url: str, redis_url: str, tmp_path: Path, is_announced: bool
) -> None:
    """A connection that is closed with bytes unread is reset, and the answer is lost with it."""
    async with served(settings_for(database_url, redis_url, tmp_path, max_upload_bytes=1000)) as anybody:
        api = await anybody.as_key("one")
        body: Any = b" " * 40_000_000 if is_announced else chunks(600, 65_536)
        for _ in range(5):
            answer = await api.send(
                "POST", "/v1/parse", content=body, headers={"Content-Type": "application/json"}
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "REQUEST_TOO_LARGE")
            body = body if is_announced else chunks(600, 65_536)


async def test_refusal_before_the_body_reaches_a_caller_who_sends_it_all_first(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with served(settings_for(database_url, redis_url, tmp_path)) as anybody:
        for _ in range(5):
            answer = await anybody.send("POST", "/v1/files", content=b" " * 20_000_000)
            assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


def test_polls_are_refused_only_when_far_faster_than_the_hint() -> None:
    now = 100.0
    limit = PollLimit(10, lambda: now)

    for _ in range(10):
        limit.count("env", "job")
    with pytest.raises(TooManyRequests) as refused:
        limit.count("env", "job")
    limit.count("env", "another")
    limit.count("another", "job")
    now += 0.11
    limit.count("env", "job")

    assert refused.value.retry_after == pytest.approx(0.1)


async def test_hasty_poller_is_told_to_wait(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with running(settings_for(database_url, redis_url, tmp_path, poll_limit_per_second=1)) as anybody:
        api = await anybody.as_key("one")
        job = await api.submitted()

        answers = [await api.get(f"/v1/jobs/{job['id']}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert (answers[1].json()["code"], answers[1].headers["retry-after"]) == ("RATE_LIMITED", "1")


async def test_ready_names_every_part(anybody: Api) -> None:
    answer = await anybody.get("/readyz")

    assert answer.status_code == 200
    assert not {"queued", "oldest_seconds", "free_bytes"} & answer.json()["checks"]["queue"].keys()
    assert {name: check["ok"] for name, check in answer.json()["checks"].items()} == {
        "database": True,
        "queue": True,
        "disk": True,
    }


async def test_full_disk_is_not_ready(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = settings_for(database_url, redis_url, tmp_path, min_free_disk_bytes=10**18)
    async with running(settings) as anybody:
        answer = await anybody.get("/readyz")

    assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")
    assert answer.json()["checks"]["disk"]["ok"] is False
    assert "disk" in answer.json()["detail"]


async def test_silent_bell_is_said_and_does_not_count(database_url: str, tmp_path: Path) -> None:
    async with running(settings_for(database_url, "redis://127.0.0.1:1/0", tmp_path)) as anybody:
        answer = await anybody.get("/readyz")
        api = await anybody.as_key("one")
        submitted = await api.post("/v1/parse", TEXT)

    assert (answer.status_code, answer.json()["checks"]["queue"]["bell"]) == (200, False)
    assert submitted.status_code == 202


@asynccontextmanager
async def absent(database_url: str) -> AsyncIterator[None]:
    """Let nobody into the database while the block lasts, and throw out who is there."""
    name = urlsplit(database_url).path[1:]
    server = named(database_url, "postgres")
    await execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await execute(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        await execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_lost_database_is_503_and_not_500(anybody: Api, database_url: str) -> None:
    api = await anybody.as_key("one")
    await api.get("/v1/capabilities")
    async with absent(database_url):
        ready = await anybody.get("/readyz")
        asked = await api.get("/v1/jobs/job_00000000000000000000000000")

    assert (ready.status_code, ready.json()["checks"]["database"]["ok"]) == (503, False)
    assert (asked.status_code, asked.json()["code"]) == (503, "UNAVAILABLE")
    assert asked.json()["retryable"]


async def test_what_the_database_refuses_is_our_own_fault_and_not_its_absence(
    anybody: Api, database_url: str
) -> None:
    api = await anybody.as_key("one")
    await execute(database_url, "SET ROLE NONE; REVOKE SELECT ON jobs FROM affidavit_app")
    asked = await api.get("/v1/jobs/job_00000000000000000000000000")

    assert (asked.status_code, asked.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "jobs" not in asked.json()["detail"]


async def test_capabilities_say_what_there_is(api: Api) -> None:
    seen = (await api.get("/v1/capabilities")).json()

    assert seen["operations"] == list(Operation)
    assert "application/pdf" in seen["media_types"]
    assert seen["limits"]["upload_bytes"] == 100_000_000
