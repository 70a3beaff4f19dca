"""Logs say what happened, in one line each, and never hold a secret or a document's words."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from affidavit.infra import context, logs

CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    stream = io.StringIO()
    logs.configure(to=stream)
    return stream


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_event_has_time_level_and_fields(out: io.StringIO) -> None:
    structlog.get_logger().info("job.claimed", job_id="job_1", attempt=2, pages=[1, 2], ms=0.5, lost=False)

    [line] = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "job.claimed", "level": "info", "job_id": "job_1", "attempt": 2, "pages": [1, 2],
        "ms": 0.5, "lost": False,
    }  # fmt: skip


SUSPICIOUS = [
    "url", "source", "anything", "title",
    "password", "user_password", "secret", "secret_key", "token", "access_token", "authorization",
    "Authorization", "api_key", "apikey", "cookie", "signature", "dsn", "text", "ocr_text", "body",
    "response_body", "content", "payload", "markdown", "words", "quote", "data", "schema", "filename",
    "headers", "prompt", "reply", "value",
]  # fmt: skip


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_field_that_nobody_listed_is_redacted(out: io.StringIO, name: str) -> None:
    structlog.get_logger().info("x", **{name: CANARY})

    assert CANARY not in out.getvalue()
    assert lines(out)[0][name] == logs.REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"https://bucket.example/a.pdf?X-Signature={CANARY}",
        f"https://bucket.example/a.pdf#{CANARY}",
        f"postgresql+asyncpg://app:{CANARY}@db/affidavit",
        f"Bearer {CANARY}",
        f"afd_01k8zzzzzzzzzzzzzzzzzzzzzz_{CANARY}",
        f"whsec_{CANARY}abcdefgh",
    ],
)
def test_secret_inside_a_value_is_taken_out(out: io.StringIO, text: str) -> None:
    structlog.get_logger().info("fetch.failed", detail=text)
    structlog.get_logger().info(f"failed for {text} again", where=[text])

    assert CANARY not in out.getvalue()


def test_only_plain_values_are_written(out: io.StringIO) -> None:
    structlog.get_logger().info("x", page={"words_of_page": CANARY}, part=object(), detail=CANARY.encode())

    assert CANARY not in out.getvalue()
    assert lines(out)[0]["page"] == "<dict>"


def test_value_cannot_forge_a_line_and_is_cut(out: io.StringIO) -> None:
    structlog.get_logger().info("x", reason='a\n{"event": "forged"}\u2028\x1b[2J', detail="y" * 10_000)

    [line] = lines(out)
    assert line["event"] == "x"
    assert "\n" not in line["reason"]
    assert "\x1b" not in line["reason"]
    assert len(line["detail"]) <= logs.MAX_CHARACTERS + 1


def fail() -> None:
    try:
        int("")
    except ValueError as error:
        raise RuntimeError(f"could not read '{CANARY}'") from error


@pytest.mark.parametrize("logger", ["structlog", "standard"])
def test_exception_is_logged_as_type_and_place_without_its_message(out: io.StringIO, logger: str) -> None:
    try:
        fail()
    except RuntimeError:
        if logger == "structlog":
            structlog.get_logger().exception("task.crashed")
        else:
            logging.getLogger("some.library").exception("task.crashed")

    [line] = lines(out)
    assert CANARY not in out.getvalue()
    assert line["error"] == "RuntimeError < ValueError"
    assert line["at"][-1].startswith("test_logs.py:")
    assert line["at"][-1].endswith(" fail")


def test_debug_level_shows_the_message() -> None:
    out = io.StringIO()
    logs.configure(level="debug", to=out)
    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("task.crashed")

    assert CANARY in lines(out)[0]["error_message"]


def test_other_libraries_log_in_the_same_form_and_as_guarded(out: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("some.library").warning("GET https://x.example/?sig=%s", CANARY)

    first, second = lines(out)
    assert first["event"] == "Started server process [7]"
    assert first["logger"] == "uvicorn.error"
    assert CANARY not in str(second)


def test_access_logs_and_chatty_libraries_are_silent(out: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /v1/jobs")
    logging.getLogger("httpx").info("HTTP Request: GET https://x.example/?sig=1")
    logging.getLogger("sqlalchemy.engine").info("SELECT")

    assert lines(out) == []


def test_level_is_respected(out: io.StringIO) -> None:
    structlog.get_logger().debug("quiet")
    logging.getLogger("some.library").debug("quiet")

    assert lines(out) == []


def test_bound_context_is_on_every_line(out: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        structlog.get_logger().info("one")
        logging.getLogger("some.library").warning("two")

    assert [line["request_id"] for line in lines(out)] == ["req_1", "req_1"]


def test_console_form_is_for_people() -> None:
    out = io.StringIO()
    logs.configure(form="console", to=out)

    structlog.get_logger().info("job.claimed", job_id="job_1", password=CANARY)

    assert "job.claimed" in out.getvalue()
    assert "job_id=job_1" in out.getvalue()
    assert CANARY not in out.getvalue()


REQUEST = ("GET", "/v1/jobs/job_1", 200, 0.00123, "req_1")


@pytest.mark.parametrize("key_id", [None, "key_1"])
def test_line_of_a_request_is_as_if_any_other_logger_had_written_it(key_id: str | None) -> None:
    direct, chained = io.StringIO(), io.StringIO()
    logs.configure(to=direct)
    logs.access(*REQUEST, key_id)
    logs.configure(to=chained)
    logs._through_structlog(*REQUEST, key_id)

    [ours], [theirs] = lines(direct), lines(chained)
    assert list(ours) == list(theirs)
    assert len(ours.pop("timestamp")) == len(theirs.pop("timestamp"))
    assert ours == theirs


def test_line_of_a_request_cannot_be_forged_and_holds_no_key(out: io.StringIO) -> None:
    logs.access("GET", f'/v1/jobs/a\n{{"event": "forged"}}"\u2028/afd_{CANARY}abcdefgh', 404, 0.1, "r", None)

    [line] = lines(out)
    assert line["event"] == "http.request"
    assert "\n" not in line["path"]
    assert CANARY not in out.getvalue()


def test_requests_are_not_logged_above_their_level() -> None:
    out = io.StringIO()
    logs.configure(level="warning", to=out)
    logs.access(*REQUEST, None)
    assert out.getvalue() == ""


def test_ids_of_the_work_at_hand_are_on_every_line_and_what_a_line_says_itself_stands(
    out: io.StringIO,
) -> None:
    with context.bound(job_id="job_1", request_id="req_1", delivery_id=None):
        structlog.get_logger().info("one")
        logging.getLogger("some.library").warning("two")
        structlog.get_logger().info("three", job_id="job_2")
    structlog.get_logger().info("four")

    one, two, three, four = lines(out)
    assert (one["job_id"], one["request_id"]) == (two["job_id"], two["request_id"]) == ("job_1", "req_1")
    assert "delivery_id" not in one
    assert three["job_id"] == "job_2"
    assert "job_id" not in four
