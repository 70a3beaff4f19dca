"""A real OpenAI-compatible server: that what it is asked, and what it answers, go together.

Needs one: AFFIDAVIT_TEST_MODEL_URL (http://127.0.0.1:8000/v1, say) and AFFIDAVIT_TEST_MODEL_NAME. What it
answers is its own affair; that it ends in a result whose values are on the page, or in a code, is ours.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from affidavit.infra.model import ChatRequest, ModelClient, ModelPolicy
from tests.documents import text_pdf
from tests.stack import Stack, running

URL = os.environ.get("AFFIDAVIT_TEST_MODEL_URL", "")
NAME = os.environ.get("AFFIDAVIT_TEST_MODEL_NAME", "")
PATIENCE = 1500.0  # a small machine takes a second for a few tokens

pytestmark = [
    pytest.mark.skipif(not (URL and NAME), reason="no server: set AFFIDAVIT_TEST_MODEL_URL and _NAME"),
    pytest.mark.timeout(2 * PATIENCE),
]

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
CODES = {"MODEL_REPLY_INVALID", "MODEL_LIMIT"}  # of what a small model may fail at


@pytest.fixture(scope="module")
def policy() -> ModelPolicy:
    return ModelPolicy(URL, os.environ.get("AFFIDAVIT_TEST_MODEL_KEY"), timeout_seconds=PATIENCE)


async def test_reply_fits_the_schema_that_was_asked_for(policy: ModelPolicy) -> None:
    shape = SCHEMA | {"required": ["total"], "additionalProperties": False}
    client = ModelClient(policy)

    reply = await client.ask(
        ChatRequest(NAME, "Give the total as JSON.", "Total 119.00 EUR", shape, max_tokens=60),
        until=time.monotonic() + PATIENCE,
    )
    await client.close()

    assert isinstance(json.loads(reply.text)["total"], int | float)
    assert reply.input_tokens
    assert reply.output_tokens


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    settings = {
        "model_url": URL,
        "model_names": NAME,
        "model_key": os.environ.get("AFFIDAVIT_TEST_MODEL_KEY", ""),
        "model_timeout_seconds": PATIENCE,
        "model_total_seconds": PATIENCE,
        "model_context_tokens": 3000,
        "model_reply_tokens": 200,
        "max_failures": 1,
    }
    with running(database_url, redis_url, tmp_path / "stack", **settings) as stack:
        stack.start_worker()
        yield stack


def test_job_ends_in_values_that_stand_on_the_page_or_in_a_code(stack: Stack) -> None:
    stack.await_api()
    form = {"schema": json.dumps(SCHEMA), "options": json.dumps({"model": NAME})}
    file = {"file": ("a.pdf", text_pdf("Receipt\nTotal 119.00 EUR"))}
    job_id = stack.client.post("/v1/extract", files=file, data=form).raise_for_status().json()["id"]

    job = stack.await_end(job_id, patience=PATIENCE)

    if job["status"] == "failed":
        assert job["error"]["code"] in CODES
        return
    found = stack.client.get(f"/v1/jobs/{job_id}/result").raise_for_status().json()
    assert found["engine"]["model"]["name"] == NAME
    assert found["engine"]["model"]["input_tokens"] > 0
    for path, field in found["fields"].items():
        assert field["value"] is None or field["citations"] or path in found["ungrounded_fields"]
