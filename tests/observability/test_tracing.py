"""A trace leads from the request over its tasks to its webhooks, and costs nothing when nobody asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from affidavit.infra import tracing
from tests.documents import invoice_pdf
from tests.observability.receivers import receiving
from tests.stack import running, until

CANARY = "canary-41c7"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.use(tracing.Tracer("test", "1", exporter, at_once=True))
    yield exporter
    tracing.stop()


def test_nothing_is_traced_unless_asked_for() -> None:
    with tracing.span("work", job_id="job_1") as span:
        span.set("pages", 3)
        span.fail("NOTHING")
        assert tracing.traceparent() is None
    assert not tracing.is_on()


def test_task_is_a_child_of_the_request_that_submitted_it(spans: InMemorySpanExporter) -> None:
    with tracing.span("POST /v1/parse", kind="SERVER"):
        kept = tracing.traceparent()
    with tracing.span("task read", kind="CONSUMER", parent=kept, job_id="job_1", request_id=None):
        pass

    request, task = spans.get_finished_spans()
    assert task.parent is not None
    assert task.parent.span_id == request.context.span_id
    assert task.context.trace_id == request.context.trace_id
    assert task.attributes == {"affidavit.job_id": "job_1"}


def test_failed_span_says_by_what_and_never_what_was_said(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match=CANARY), tracing.span("task read"):
        raise ValueError(CANARY)

    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert CANARY not in span.to_json()


@pytest.mark.parametrize("parent", ["", "00-zz-zz-01", "x" * 90, CALLER[:-3]])
def test_malformed_parent_starts_a_trace_of_its_own(spans: InMemorySpanExporter, parent: str) -> None:
    with tracing.span("task read", parent=parent):
        pass

    (span,) = spans.get_finished_spans()
    assert span.parent is None


def test_standard_variables_ask_for_traces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.STANDARD:
        monkeypatch.delenv(name, raising=False)
    assert not tracing.is_asked_for("")
    assert tracing.is_asked_for("http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert tracing.is_asked_for("")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not tracing.is_asked_for("http://127.0.0.1:4318")


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_asking_without_the_extra_ends_the_start_with_what_to_install(command: str) -> None:
    # The SDK is hidden as if it were not installed. The API is not: FastAPI brings it.
    hide = "sys.modules['opentelemetry.sdk'] = None"
    script = f"import sys; {hide}; import affidavit.{command} as c; c.main([])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "AFFIDAVIT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "AFFIDAVIT_REDIS_URL": "redis://127.0.0.1:1/0",
            "AFFIDAVIT_SECRET_KEY": "k" * 32,
            "AFFIDAVIT_OTEL_ENDPOINT": "http://127.0.0.1:4318",
        },
    )
    assert done.returncode == 1
    assert "pip install 'affidavit[otel]'" in done.stderr


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_request_task_and_webhook_are_one_trace(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with receiving() as collector, receiving() as receiver:
        settings = {
            "otel_endpoint": collector.url,
            "webhook_allow_http": "true",
            "webhook_allowed_networks": "127.0.0.0/8",
        }
        with running(database_url, redis_url, tmp_path / "stack", **settings) as stack:
            # The exporter sends in batches, by its own clock.
            stack.environment["OTEL_BSP_SCHEDULE_DELAY"] = "200"
            stack.start_worker()
            stack.await_api()
            answer = stack.client.post(
                "/v1/parse",
                files={"file": (f"{CANARY}.pdf", invoice_pdf())},
                data={"webhook": f"{receiver.url}/hook?token={CANARY}"},
                headers={"traceparent": CALLER},
            )
            assert answer.status_code == 202, answer.text
            stack.await_end(answer.json()["id"])
            until(lambda: len(receiver.bodies) > 0, "a webhook")
            until(lambda: {"POST /v1/parse", "task read", "webhook"} <= names(collector), "the spans")
        trace = [span for span in collector.spans() if span.trace_id.hex() == CALLER.split("-")[1]]

    by_name = {span.name: span for span in trace}
    request = by_name["POST /v1/parse"]
    assert request.parent_span_id.hex() == CALLER.split("-")[2]
    assert attributes(request)["http.response.status_code"] == 202
    for name in ("task read", "webhook"):
        assert by_name[name].parent_span_id == request.span_id
        assert attributes(by_name[name])["affidavit.job_id"] == answer.json()["id"]
        assert attributes(by_name[name])["affidavit.request_id"] == answer.headers["x-request-id"]
    assert not any(CANARY.encode() in body for _, body in collector.bodies)


def names(collector: Any) -> set[str]:
    return {span.name for span in collector.spans()}
