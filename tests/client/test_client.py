"""Both clients say the same things on the wire, try again what passes, and never double anything."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from affidavit.client import (
    ApiError,
    ConnectionFailed,
    Job,
    JobCanceled,
    JobFailed,
    JobStatus,
    ResultDeleted,
    ResultExpired,
    RetryPolicy,
    Submission,
    Text,
    WaitTimeout,
)
from affidavit.client.reply import Reply, retry_after
from tests.client.conftest import Use
from tests.client.service import RESULT, Fault, Service

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
DOCUMENT = b"%PDF-1.7\r\n--boundary\r\n" + bytes(range(256)) * 4000


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / 'inv "7"\r\n ü.pdf'.replace("\r\n", "")
    path.write_bytes(DOCUMENT)
    return path


# --- files ---------------------------------------------------------------------------------------


def test_upload_arrives_whole_and_reports_its_progress(use: Use, service: Service, document: Path) -> None:
    told: list[tuple[int, int]] = []

    info = use(
        lambda client: client.upload(document, on_progress=lambda sent, total: told.append((sent, total)))
    )

    assert info.sha256 == hashlib.sha256(DOCUMENT).hexdigest()
    assert info.size_bytes == len(DOCUMENT)
    assert service.forms[0]["media_type"] == "application/pdf"
    sent, total = told[-1]
    assert sent == total == int(service.posts()[0].headers["content-length"])
    assert len(told) > 3
    assert told == sorted(told)


@pytest.mark.parametrize("kind", ["path", "text path", "bytes", "file", "half-read file", "pipe"])
def test_every_kind_of_source_is_sent_again_from_its_start(
    use: Use, service: Service, document: Path, kind: str
) -> None:
    service.faults = [Fault(drop="before"), Fault(503)]
    rest = DOCUMENT
    source: Any = document
    if kind == "text path":
        source = str(document)
    elif kind == "bytes":
        source = DOCUMENT
    elif kind == "file":
        source = io.BytesIO(DOCUMENT)
    elif kind == "half-read file":
        source = io.BytesIO(b"read before" + DOCUMENT)
        source.seek(len(b"read before"))
    elif kind == "pipe":
        source, rest = piped(b"short"), b"short"

    info = use(lambda client: client.upload(source, filename="a.pdf"))

    assert info.sha256 == hashlib.sha256(rest).hexdigest()
    assert len(service.posts()) == 3


def piped(data: bytes) -> Any:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return os.fdopen(reading, "rb")


def test_files_are_looked_up_seen_and_deleted(use: Use, service: Service) -> None:
    info = use(lambda client: client.upload(b"x", filename="x.txt"))

    assert use(lambda client: client.file(info.id)) == info
    assert use(lambda client: client.page_image(info.id, 3)) == b"RIFF3"
    assert use(lambda client: client.delete_file(info.id)) is None
    assert service.seen[-1].method == "DELETE"


# --- submissions ---------------------------------------------------------------------------------


def test_extract_sends_file_and_members_as_a_form(use: Use, service: Service, document: Path) -> None:
    job = use(
        lambda client: client.extract(
            document,
            SCHEMA,
            options={"pages": "1-2", "ocr": {"languages": ["deu"]}},
            metadata={"po": "4711"},
            store=False,
            priority="high",
        )
    )

    form = service.forms[0]
    assert isinstance(job, Job)
    assert job.status is JobStatus.QUEUED
    assert form["file"] == DOCUMENT
    assert form["priority"] == b"high"
    assert json.loads(form["store"]) is False
    assert json.loads(form["schema"]) == SCHEMA
    assert json.loads(form["options"]) == {"pages": "1-2", "ocr": {"languages": ["deu"]}}
    assert json.loads(form["metadata"]) == {"po": "4711"}


@pytest.mark.parametrize(
    ("source", "member"),
    [
        ("https://example.com/a.pdf", {"url": "https://example.com/a.pdf"}),
        ("file_01k8zzzzzzzzzzzzzzzzzzzzzz", {"file_id": "file_01k8zzzzzzzzzzzzzzzzzzzzzz"}),
        (Text("Total: 119"), {"text": "Total: 119"}),
        (Text("Total: 119", "note.txt"), {"text": "Total: 119", "filename": "note.txt"}),
    ],
)
def test_other_sources_are_named_in_json(use: Use, service: Service, source: Any, member: Any) -> None:
    use(lambda client: client.parse(source))

    assert service.forms == [{"source": member}]


def test_schema_may_be_a_pydantic_model(use: Use, service: Service) -> None:
    class Invoice(BaseModel):
        total: float

    use(lambda client: client.extract(Text("x"), Invoice))

    assert service.forms[0]["schema"] == Invoice.model_json_schema()


def test_batch_sends_all_items_in_one_request(use: Use, service: Service, document: Path) -> None:
    items = [Submission("parse", document), Submission("extract", Text("x"), SCHEMA, metadata={"n": "2"})]

    use(lambda client: client.submit_batch(items, metadata={"run": "7"}))

    body = service.forms[0]
    assert service.posts()[0].path == "/v1/jobs"
    assert base64.b64decode(body["items"][0]["source"]["base64"]) == DOCUMENT
    assert body["items"][1] == {
        "operation": "extract", "source": {"text": "x"}, "schema": SCHEMA, "metadata": {"n": "2"},
    }  # fmt: skip
    assert body["metadata"] == {"run": "7"}


def test_missing_file_is_an_error_before_anything_is_sent(use: Use, service: Service) -> None:
    with pytest.raises(FileNotFoundError):
        use(lambda client: client.parse("no/such/file.pdf"))

    assert service.seen == []


# --- trying again --------------------------------------------------------------------------------

PASSING = {
    "dropped before": Fault(drop="before"),
    "dropped after": Fault(drop="after"),
    "429": Fault(429, {"Retry-After": "0"}, "RATE_LIMITED"),
    "502 of a proxy": Fault(502, raw=b"<html>Bad gateway</html>"),
    "503": Fault(503),
    "504 of a proxy": Fault(504, raw=b""),
    "first still committing": Fault(409, {"Retry-After": "0"}, "IDEMPOTENCY_IN_PROGRESS"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_tried_again_and_makes_one_job(use: Use, service: Service, fault: Fault) -> None:
    service.faults = [fault, fault]

    job = use(lambda client: client.parse(b"x"))

    keys = {seen.headers["idempotency-key"] for seen in service.posts()}
    assert len(service.posts()) == 3
    assert len(keys) == 1
    assert list(service.jobs) == [job.id]


def test_two_calls_have_two_keys_and_a_given_key_is_sent(use: Use, service: Service) -> None:
    use(lambda client: client.parse(b"x"))
    use(lambda client: client.parse(b"x"))
    use(lambda client: client.parse(b"x", idempotency_key="mine"))

    keys = [seen.headers["idempotency-key"] for seen in service.posts()]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 500])
def test_what_does_not_pass_is_raised_at_once(use: Use, service: Service, status: int) -> None:
    service.faults = [Fault(status, code="SOME_CODE")]

    with pytest.raises(ApiError) as caught:
        use(lambda client: client.parse(b"x"))

    assert len(service.seen) == 1
    assert caught.value.problem.status == status
    assert caught.value.problem.code == "SOME_CODE"
    assert "Do that." in str(caught.value)


def test_fields_at_fault_are_in_the_message(use: Use, service: Service) -> None:
    service.faults = [Fault(422, code="REQUEST_INVALID")]

    with pytest.raises(ApiError, match="/schema: is wrong"):
        use(lambda client: client.parse(b"x"))


def test_retries_end(use: Use, service: Service) -> None:
    service.faults = [Fault(503, code="UNAVAILABLE", headers={"Retry-After": "0"})] * 9

    with pytest.raises(ApiError) as caught:
        use(lambda client: client.job("job_x"), retry=RetryPolicy(retries=2, first_seconds=0.01))

    assert len(service.seen) == 3
    assert caught.value.retry_after == 0


def test_retry_after_is_waited_for(use: Use, service: Service) -> None:
    service.faults = [Fault(429, {"Retry-After": "1"}, "RATE_LIMITED")]

    before = time.monotonic()
    use(lambda client: client.capabilities())

    assert time.monotonic() - before >= 1


def test_retry_after_beyond_patience_is_raised_with_it(use: Use, service: Service) -> None:
    service.faults = [Fault(429, {"Retry-After": "3600"}, "RATE_LIMITED")]

    with pytest.raises(ApiError) as caught:
        use(lambda client: client.capabilities())

    assert caught.value.retry_after == 3600


def test_service_that_is_not_there_is_said_so(use: Use, service: Service) -> None:
    service.faults = [Fault(drop="before")] * 9

    with pytest.raises(ConnectionFailed, match="could not be reached"):
        use(lambda client: client.job("job_x"))

    assert len(service.seen) == 5


def test_answer_of_something_else_is_an_api_error(use: Use, service: Service) -> None:
    service.faults = [Fault(200, raw=b"<html>Log in to the hotel network</html>")]

    with pytest.raises(ApiError, match="Check the base URL"):
        use(lambda client: client.job("job_x"))


def test_wrong_key_is_unauthenticated(use: Use, service: Service) -> None:
    with pytest.raises(ApiError) as caught:
        use(lambda client: client.capabilities(), key="wrong")

    assert caught.value.problem.code == "UNAUTHENTICATED"
    assert service.jobs == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("-5", None)],
)
def test_retry_after_is_read_as_number_or_date(text: str, seconds: float | None) -> None:
    assert retry_after(Reply(429, {"retry-after": text}, b"")) == seconds


def test_back_off_grows_and_has_jitter() -> None:
    policy = RetryPolicy(retries=10, first_seconds=1, longest_seconds=8)
    error = httpx.ConnectError("x")

    pauses = [policy.after_failure(attempt, error) or 0 for attempt in range(8)]
    firsts = {policy.after_failure(0, error) for _ in range(20)}

    assert all(0.5 <= pause / min(2**n, 8) <= 1 for n, pause in enumerate(pauses))
    assert len(firsts) > 1
    assert policy.after_failure(10, error) is None


# --- jobs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds", [True, False], ids=["held", "answered at once"])
def test_wait_returns_the_completed_job(use: Use, service: Service, holds: bool) -> None:
    service.polls, service.holds = 8, holds
    job = use(lambda client: client.parse(b"x"))

    done = use(lambda client: client.wait(job, timeout=20))

    assert done.status is JobStatus.COMPLETED
    polls = [seen for seen in service.seen if seen.method == "GET"]
    assert float(polls[0].query["wait"]) > 5
    assert len(polls) == (1 if holds else 8)


def test_wait_honours_the_hint_when_nothing_is_held(use: Use, service: Service) -> None:
    service.polls, service.holds, service.hint_ms = 3, False, 250
    job = use(lambda client: client.parse(b"x"))

    before = time.monotonic()
    use(lambda client: client.wait(job))

    assert time.monotonic() - before >= 0.5


def test_wait_shows_progress(use: Use, service: Service) -> None:
    service.polls, service.hint_ms = 60, 100
    job = use(lambda client: client.parse(b"x"))
    seen: list[float] = []

    use(lambda client: client.wait(job.id, on_progress=lambda now: seen.append(now.progress.percent)))

    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_wait_ends_at_its_timeout_with_the_job(use: Use, service: Service) -> None:
    service.polls = 10_000
    job = use(lambda client: client.parse(b"x"))

    before = time.monotonic()
    with pytest.raises(WaitTimeout) as caught:
        use(lambda client: client.wait(job, timeout=0.3))

    assert time.monotonic() - before < 3
    assert caught.value.job.status is JobStatus.PROCESSING


def test_wait_survives_a_service_that_comes_and_goes(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))
    service.polls, service.holds = 3, False
    service.faults = [Fault(drop="before"), Fault(), Fault(503), Fault(drop="before")]

    assert use(lambda client: client.wait(job)).status is JobStatus.COMPLETED


def test_failed_job_is_raised_with_its_error(use: Use, service: Service) -> None:
    service.ending = "failed"
    job = use(lambda client: client.parse(b"x"))

    for act in (lambda client: client.wait(job), lambda client: client.result(job.id)):
        with pytest.raises(JobFailed, match="CORRUPT_DOCUMENT: damaged") as caught:
            use(act)
        assert caught.value.job_id == job.id
        assert caught.value.error is not None


def test_canceled_job_is_raised(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))

    assert use(lambda client: client.cancel(job.id)).status is JobStatus.CANCELED
    with pytest.raises(JobCanceled):
        use(lambda client: client.result(job.id))
    service.ending = "canceled"
    with pytest.raises(JobCanceled):
        use(lambda client: client.wait(job))


def test_deleted_content_leaves_a_tombstone_and_no_result(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))

    gone = use(lambda client: client.delete_content(job.id))

    assert gone.deleted_at is not None
    assert gone.purged is not None
    assert (gone.purged[0].kind, gone.purged[0].size_bytes) == ("result", 7)
    with pytest.raises(ResultDeleted):
        use(lambda client: client.result(job.id))


def test_job_under_review_is_returned(use: Use, service: Service) -> None:
    service.ending = "review_required"
    job = use(lambda client: client.parse(b"x"))

    assert use(lambda client: client.wait(job)).status is JobStatus.REVIEW_REQUIRED


def test_expired_result_is_raised(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))
    service.jobs[job.id]["status"] = "expired"

    with pytest.raises(ResultExpired):
        use(lambda client: client.result(job.id))


def test_result_has_values_with_their_evidence(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))
    use(lambda client: client.wait(job))

    result = use(lambda client: client.result(job.id))

    assert result.data == {"total": 119.0}
    assert result.markdown == "# Größe"
    assert result.fields["total"].citations[0].quote == "119,00"
    assert result.fields["total"].citations[0].box == (1, 2, 3, 4)
    assert result.model_dump(mode="json", exclude_unset=True) == RESULT, "a later member was dropped"


@pytest.mark.parametrize("sync_works", [True, False])
def test_run_returns_the_result_whether_or_not_one_request_is_enough(
    use: Use, service: Service, sync_works: bool
) -> None:
    service.sync_works = sync_works

    result = use(lambda client: client.run(Submission("extract", b"x", SCHEMA)))

    assert result.data == {"total": 119.0}
    assert len(service.seen) == (1 if sync_works else 3)


def test_jobs_iterates_over_all_pages(use: Use, service: Service) -> None:
    for number in range(5):
        service.new_job(f"key-{number}")

    found = use(lambda client: client.jobs(page_size=2))

    assert [job.id for job in found] == list(service.jobs)
    assert len(service.seen) == 3


def test_jobs_sends_its_filters(use: Use, service: Service) -> None:
    moment = datetime(2026, 11, 1, tzinfo=UTC)

    use(
        lambda client: client.jobs(
            status=JobStatus.FAILED,
            operation="parse",
            created_after=moment,
            metadata={"po": "4 7"},
            parent_id="job_p",
        )
    )

    assert service.seen[0].query == {
        "status": "failed", "operation": "parse", "created_after": "2026-11-01T00:00:00+00:00",
        "metadata.po": "4 7", "parent_id": "job_p",
    }  # fmt: skip


def test_id_cannot_change_the_path(use: Use, service: Service) -> None:
    with pytest.raises(ApiError):
        use(lambda client: client.job("../files/x?y"))

    assert service.seen[0].path.startswith("/v1/jobs/")
    assert service.seen[0].query == {}


def test_address_and_key_come_from_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from affidavit.client import Client

    monkeypatch.setenv("AFFIDAVIT_URL", service.url + "/")
    monkeypatch.setenv("AFFIDAVIT_API_KEY", "afd_test")

    with Client() as client:
        assert client.capabilities()["operations"] == ["parse", "extract"]
    assert "afd_test" not in repr(client._connection)


def test_client_needs_nothing_of_the_server() -> None:
    program = """
import sys
import affidavit.client, affidavit.client.command
mine = {name for name in sys.modules if name.split(".")[0] == "affidavit" and "affidavit.client" not in name}
mine -= {"affidavit"}
others = {"sqlalchemy", "fastapi", "asyncpg", "structlog", "fitz", "redis"} & set(sys.modules)
print(sorted(mine | others))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# --- following a job -----------------------------------------------------------------------------


def event(name: str, data: dict[str, Any], seq: int | None = None) -> bytes:
    numbered = "" if seq is None else f"id: {seq}\n"
    return f"{numbered}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


RETRY = b"retry: 10\n\n"
MOVED = [
    event(f"job.{status}", {"status": status}, seq)
    for seq, status in enumerate(("queued", "processing", "completed"), 1)
]


def ended(service: Service, job_id: str) -> bytes:
    return event("job", service.jobs[job_id] | {"status": "completed"})


def test_events_go_on_after_a_break_and_none_is_missed_or_doubled(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))
    service.streams = [
        RETRY + MOVED[0] + b": heartbeat\n\n" + MOVED[1] + MOVED[2][:20],
        RETRY + MOVED[1] + MOVED[2] + ended(service, job.id) + MOVED[0],
    ]

    seen = use(lambda client: client.events(job))

    assert [(each.seq, each.name) for each in seen] == [
        (1, "job.queued"),
        (2, "job.processing"),
        (3, "job.completed"),
        (None, "job"),
    ]
    assert seen[-1].job is not None
    assert seen[-1].job.status is JobStatus.COMPLETED
    asked = [request.headers.get("last-event-id") for request in service.seen if request.method == "GET"]
    assert asked == [None, "2"]


def test_events_are_split_at_line_feeds_alone(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))
    message = "a\u2028b\x85c\x0bd"
    progress = {"percent": 45, "message": message, "pages": {"total": 12, "done": 2}}
    stream = RETRY + event("progress", progress) + ended(service, job.id)
    service.streams = [stream.replace(b"\n", b"\r\n")]

    seen = use(lambda client: client.events(job.id))

    assert seen[0].progress is not None
    assert (seen[0].progress.message, seen[0].progress.pages.total) == (message, 12)


def test_events_of_a_job_that_told_all_are_none(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))

    assert use(lambda client: client.events(job, after=3)) == []
    assert service.seen[-1].headers["last-event-id"] == "3"


def test_events_wait_where_the_service_is_full_and_raise_where_it_refuses(use: Use, service: Service) -> None:
    job = use(lambda client: client.parse(b"x"))
    service.streams = [RETRY + ended(service, job.id)]
    service.faults = [Fault(429, {"Retry-After": "0"}, "TOO_MANY_STREAMS"), Fault(drop="before")]

    assert [each.name for each in use(lambda client: client.events(job))] == ["job"]
    with pytest.raises(ApiError, match="NOT_FOUND"):
        use(lambda client: client.events("job_unknown"))


@pytest.mark.parametrize("password", [None, "sesame"])
def test_retry_is_a_new_job(use: Use, service: Service, password: str | None) -> None:
    first = use(lambda client: client.parse(b"x"))

    again = use(lambda client: client.retry(first.id, password=password, idempotency_key="again"))

    assert again.retry_of == first.id
    assert service.forms[-1] == ({} if password is None else {"options": {"password": password}})
    assert service.seen[-1].headers["idempotency-key"] == "again"


def test_deadline_and_webhook_are_sent_in_both_forms(use: Use, service: Service) -> None:
    about: dict[str, Any] = {"deadline_seconds": 600, "webhook": {"url": "https://a.example", "secret": "s"}}

    use(lambda client: client.parse(b"x", **about))
    use(lambda client: client.parse("https://b.example/x.pdf", **about))

    form, body = service.forms
    assert json.loads(form["deadline_seconds"]) == body["deadline_seconds"] == 600
    assert json.loads(form["webhook"]) == body["webhook"] == about["webhook"]


def test_retry_after_is_never_cut_short_and_spread_out() -> None:
    policy = RetryPolicy(longest_seconds=60)
    answer = Reply(429, {"retry-after": "40"}, b"{}")

    pauses = [policy.after_reply(0, answer) or 0 for _ in range(50)]

    assert all(40 <= pause <= 50 for pause in pauses)
    assert len(set(pauses)) > 1
    assert policy.after_reply(0, Reply(503, {"retry-after": "61"}, b"{}")) is None
