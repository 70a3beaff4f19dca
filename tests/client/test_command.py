"""`affidavit submit` prints JSON on standard output, talks on standard error, and exits as it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from affidavit.client.command import Exit, submit
from tests.client.service import KEY, RESULT, Fault, Service

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}


@pytest.fixture(autouse=True)
def environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFIDAVIT_URL", service.url)
    monkeypatch.setenv("AFFIDAVIT_API_KEY", KEY)


@pytest.fixture
def document(tmp_path: Path) -> str:
    (tmp_path / "invoice.pdf").write_bytes(b"%PDF-1.7")
    return str(tmp_path / "invoice.pdf")


@pytest.fixture
def schema(tmp_path: Path) -> str:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    return str(tmp_path / "schema.json")


def output(capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    captured = capsys.readouterr()
    return json.loads(captured.out) if captured.out else None, captured.err


def test_wait_prints_the_result_alone_and_progress_beside_it(
    document: str, schema: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.polls = 3

    code = submit(
        [document, "--schema", schema, "--wait", "--pages", "1-2", "--language", "deu", "--metadata", "a=b=c"]
    )

    found, shown = output(capsys)
    assert code == Exit.DONE
    assert found == RESULT
    assert "bytes" in shown
    assert "completed" in shown
    assert json.loads(service.forms[0]["options"]) == {"pages": "1-2", "ocr": {"languages": ["deu"]}}
    assert json.loads(service.forms[0]["metadata"]) == {"a": "b=c"}
    assert service.posts()[0].path == "/v1/extract"


def test_without_wait_the_job_is_printed(
    document: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit([document, "--quiet"]) == Exit.DONE

    found, shown = output(capsys)
    assert found["id"] in service.jobs
    assert shown == ""
    assert service.posts()[0].path == "/v1/parse"


def test_sync_asks_once(document: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit([document, "--sync", "--idempotency-key", "mine"]) == Exit.DONE

    assert output(capsys)[0] == RESULT
    assert len(service.seen) == 1
    assert service.seen[0].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("ending", "code"),
    [("failed", Exit.JOB_FAILED), ("canceled", Exit.CANCELED), ("review_required", Exit.REVIEW_REQUIRED)],
)
def test_exit_code_tells_how_the_job_ended(
    document: str, service: Service, capsys: pytest.CaptureFixture[str], ending: str, code: Exit
) -> None:
    service.ending = ending

    assert submit([document, "--wait"]) == code
    assert (output(capsys)[0] is not None) == (code == Exit.REVIEW_REQUIRED)


def test_timeout_has_its_own_exit_code(document: str, service: Service) -> None:
    service.polls = 10_000

    assert submit([document, "--wait", "--timeout", "0.2"]) == Exit.TIMEOUT


def test_refusal_is_told(document: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.faults = [Fault(422, code="REQUEST_INVALID")]

    assert submit([document]) == Exit.REFUSED
    assert "/schema: is wrong" in output(capsys)[1]


def test_unreachable_service_is_told(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit([document, "--url", "unsupported://host"]) == Exit.UNREACHABLE
    assert "could not be reached" in output(capsys)[1]


@pytest.mark.parametrize("arguments", [["no/such.pdf"], [], ["{document}", "--wait", "--sync"],
    ["{document}", "--schema", "no/such.json"], ["{document}", "--schema", "{document}"],
    ["{document}", "--metadata", "x"]])  # fmt: skip
def test_wrong_usage_sends_nothing(
    document: str, service: Service, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert submit([text.format(document=document) for text in arguments]) == Exit.USAGE

    found, shown = output(capsys)
    assert found is None
    assert shown
    assert service.seen == []


def test_message_of_the_service_cannot_drive_the_terminal(
    document: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    job = service.new_job("k")
    job["progress"]["message"] = "\x1b[2Jgone"

    submit([document, "--wait", "--idempotency-key", "k"])

    assert "\x1b" not in output(capsys)[1]


def test_deadline_and_webhook_go_with_the_submission(document: str, service: Service) -> None:
    code = submit([document, "--deadline", "600", "--webhook", "https://example.com/hook"])

    assert code == Exit.DONE
    assert service.forms[0]["deadline_seconds"] == b"600"
    assert service.forms[0]["webhook"] == b"https://example.com/hook"
