"""What the client says for each operation is what the service takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from affidavit.api.submission import MODELS
from affidavit.client import Job, Made, Submission, Text, call, operations
from affidavit.client.multipart import MultipartBody
from affidavit.engine.spec import Operation

JOB_ID = "job_01kz3v5m7q8r9s0t1v2w3x4y5z"
TEXT = Text("Total 119.00")
SAID = [
    operations.split(TEXT, ["invoice", {"name": "letter", "description": "To someone"}], files=True),
    operations.classify(TEXT, ["invoice"], scope="page", options={"strict": True}),
    operations.make_schema(TEXT, [{"total": 1}], tables=False),
    operations.ask(TEXT, "What is the total?", metadata={"po": "4711"}),
    operations.summarize(TEXT, points=3),
    operations.check_claims(TEXT, ["The total is 119.00."]),
    operations.translate(TEXT, "de", glossary={"Total": "Summe"}),
    operations.detect_form(TEXT),
    operations.fill_form(TEXT, {"name": "Ada"}),
    operations.clear_form(TEXT, ["name"]),
    operations.pipeline(TEXT, [{"operation": "parse"}], priority="high"),
]


def body_of(submission: Submission) -> tuple[str, Any]:
    request = call.submit(submission, None, None)
    assert isinstance(request.body, bytes)
    return request.path, json.loads(request.body)


@pytest.mark.parametrize("submission", SAID, ids=lambda submission: submission.operation)
def test_each_operation_is_said_as_the_service_takes_it(submission: Submission) -> None:
    path, body = body_of(submission)

    operation = Operation(submission.operation)
    assert path == f"/v1/{operation.value.replace('_', '-')}"
    MODELS[operation].model_validate_json(json.dumps(body), strict=True)


def test_every_operation_of_the_service_can_be_said() -> None:
    assert {submission.operation for submission in SAID} | {"parse", "extract"} == set(MODELS)


def test_earlier_job_and_its_files_are_sources() -> None:
    job = Job.model_validate(
        {"id": JOB_ID, "operation": "parse", "status": "completed", "created_at": "2026-11-22T05:00:00Z"}
    )

    said = [body_of(operations.ask(source, "Why?"))[1]["source"] for source in (job, JOB_ID)]
    made = body_of(operations.ask(Made(JOB_ID, "form.pdf"), "Why?"))[1]["source"]

    assert said == [{"job_id": JOB_ID}, {"job_id": JOB_ID}]
    assert made == {"job_id": JOB_ID, "artifact": "form.pdf"}


def test_parameters_of_a_file_are_form_fields() -> None:
    request = call.submit(operations.ask(b"Total 1", "Why?", passages=2), None, None)

    assert isinstance(request.body, MultipartBody)
    assert request.body.fields == {"question": "Why?", "passages": "2"}
