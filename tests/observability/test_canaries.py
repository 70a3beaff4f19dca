"""What a document says, what it is called, and every secret, is in no log and in no metric."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from affidavit.infra import logs
from tests.documents import encrypted_pdf, text_pdf
from tests.stack import Stack, free_port, running, until

CANARY = "zanzibar7731"
SETTINGS = {"max_failures": "1", "webhook_allow_http": "true", "webhook_allowed_networks": "127.0.0.0/8"}
SOURCES = Path(__file__).parents[2] / "src" / "affidavit"


def test_words_names_keys_and_secrets_stay_out(database_url: str, redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    with running(database_url, redis_url, tmp_path / "stack", metrics_port=port, **SETTINGS) as stack:
        stack.await_api()
        stack.environment["AFFIDAVIT_METRICS_PORT"] = str(port + 1)
        stack.start_worker()
        jobs = submit_canaries(stack)
        for job_id in jobs:
            stack.await_end(job_id)
        refuse_canaries(stack)
        told = [httpx.get(f"http://127.0.0.1:{at}/metrics", trust_env=False).text for at in (port, port + 1)]
        told += [stack.log(name) for name in ("api", "worker")]
        key = stack.key

    for counted in (
        'affidavit_http_request_duration_seconds_count{method="POST",route="/v1/parse",status="2xx"}',
        'affidavit_http_problems_total{code="REQUEST_INVALID"}',
        "affidavit_jobs_accepted_total",
        "affidavit_uploaded_bytes_total",
    ):
        assert sample(told[0], counted) > 0
    for counted in (
        'affidavit_task_claims_total{kind="read"}',
        'affidavit_task_duration_seconds_count{kind="read",outcome="done"}',
        'affidavit_task_failures_total{code="PASSWORD_INCORRECT"}',
        'affidavit_jobs_ended_total{status="completed"}',
        'affidavit_job_duration_seconds_count{operation="extract"}',
        "affidavit_job_start_wait_seconds_count",
        'affidavit_pages_read_total{source="native"}',
        'affidavit_child_runs_total{ending="finished"}',
        "affidavit_task_claim_duration_seconds_count",
        'affidavit_sweep_duration_seconds_count{sweep="reap"}',
    ):
        assert sample(told[1], counted) > 0
    assert "http.request" in told[2]
    assert "job.completed" in told[3]
    for text in told:
        assert CANARY not in text
        assert CANARY.upper() not in text
        assert key not in text
        assert key.rpartition("_")[2] not in text


def sample(exposed: str, name: str) -> float:
    found = [line for line in exposed.splitlines() if line.startswith(f"{name} ")]
    assert found, f"{name} is not exposed"
    return float(found[0].rpartition(" ")[2])


def submit_canaries(stack: Stack) -> list[str]:
    """Put the canary wherever a caller can put something that is taken."""
    schema = {"type": "object", "properties": {CANARY: {"type": "string", "description": CANARY}}}
    hidden = {
        "options": json.dumps({"password": CANARY}),
        "metadata": json.dumps({CANARY: CANARY}),
        "webhook": f"http://127.0.0.1:9/{CANARY}?{CANARY}={CANARY}",
    }
    said = text_pdf(f"The password is {CANARY}. {CANARY.upper()}: {CANARY}")
    sent = [
        stack.client.post(
            "/v1/extract",
            files={"file": (f"{CANARY}.pdf", said)},
            data={"schema": json.dumps(schema), **hidden},
            headers={"Idempotency-Key": CANARY, "User-Agent": CANARY, "Cookie": f"a={CANARY}"},
        ),
        stack.client.post(
            "/v1/parse",
            files={"file": (f"{CANARY}.pdf", encrypted_pdf(CANARY, user=CANARY))},
            data={"options": json.dumps({"password": f"not {CANARY}"})},
        ),
        stack.client.post(
            "/v1/parse", json={"source": {"url": f"https://127.0.0.1.invalid/{CANARY}?sig={CANARY}"}}
        ),
        stack.client.post("/v1/parse", json={"source": {"text": CANARY, "filename": f"{CANARY}.txt"}}),
    ]
    for answer in sent:
        assert answer.status_code in (202, 422), answer.text
    assert sent[0].status_code == 202, sent[0].text
    return [answer.json()["id"] for answer in sent if answer.status_code == 202]


def refuse_canaries(stack: Stack) -> None:
    """Put it where it is refused."""
    refused = [
        stack.client.post(
            "/v1/parse", content=f'{{"source": "{CANARY}', headers={"content-type": "application/json"}
        ),
        stack.client.post("/v1/parse", json={CANARY: CANARY}),
        stack.client.get("/v1/jobs", params={"cursor": CANARY, "status": CANARY}),
        stack.client.get("/v1/jobs", headers={"Authorization": f"Bearer afd_{CANARY}_{CANARY}"}),
        stack.client.post("/v1/files", files={"file": (f"{CANARY}.bin", b"\x00\xff\x00" + CANARY.encode())}),
    ]
    assert all(400 <= answer.status_code < 500 for answer in refused)


def test_every_line_of_a_job_has_its_ids(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with running(database_url, redis_url, tmp_path / "stack") as stack:
        stack.start_worker()
        stack.await_api()
        answer = stack.client.post(
            "/v1/parse", files={"file": ("a.pdf", text_pdf("x"))}, headers={"X-Request-Id": "order-4711"}
        )
        job_id = answer.json()["id"]
        stack.await_end(job_id)
        until(lambda: "job.completed" in stack.log("worker"), "the line of the end")
        lines = [json.loads(line) for line in stack.log("worker").splitlines()]

    of_job = [line for line in lines if line["event"].startswith(("task.", "job."))]
    assert {"task.started", "job.completed"} <= {line["event"] for line in of_job}
    for line in of_job:
        assert line["job_id"] == job_id
        assert line["request_id"] == "order-4711"
        assert line["task_id"].startswith("task_")
        assert line["attempt"] == 1
        assert line["environment_id"].startswith("env_")


def test_every_field_that_the_code_logs_is_listed() -> None:
    unlisted = {
        f"{path.relative_to(SOURCES)}:{line} {name}"
        for path in SOURCES.rglob("*.py")
        if path.parts[-2] != "client"
        for line, name in logged_fields(ast.parse(path.read_text()))
        if name not in logs.FIELDS
    }
    assert not unlisted, "they would be redacted: add them to FIELDS if they can hold nothing of a document"


def logged_fields(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_log_call(node.func):
            for keyword in node.keywords:
                if keyword.arg is not None and keyword.arg != "exc_info":
                    yield node.lineno, keyword.arg


def is_log_call(function: Any) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "log"
        and function.attr in {"debug", "info", "warning", "error", "exception", "critical"}
    )
