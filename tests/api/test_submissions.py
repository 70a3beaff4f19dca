"""Submissions: every way to give a document, every way to give it wrong."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from affidavit.infra.db import Database
from tests.api.conftest import SCHEMA, TEXT, Api, Hand
from tests.documents import invoice_pdf


async def test_submission_answers_202_with_where_and_when_to_ask(api: Api) -> None:
    answer = await api.post("/v1/parse", {**TEXT, "metadata": {"po": "4711"}})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert (job["status"], job["operation"], job["metadata"]) == ("queued", "parse", {"po": "4711"})


@pytest.mark.parametrize(
    "source",
    [
        "https://example.com/a.pdf",
        {"url": "https://example.com/a.pdf"},
        {"text": "Total 119.00"},
        {"base64": base64.b64encode(b"Total").decode(), "filename": "a.txt"},
    ],
)
async def test_each_way_to_give_a_document_is_taken(api: Api, source: object) -> None:
    answer = await api.post("/v1/extract", {"source": source, "schema": SCHEMA})

    assert answer.status_code == 202, answer.text


async def test_multipart_says_the_same_as_json(api: Api, hand: Hand) -> None:
    fields = {
        "schema": json.dumps(SCHEMA),
        "options": json.dumps({"pages": "1"}),
        "metadata": '{"po": "1"}',
        "store": "false",
        "priority": "high",
    }

    answer = await api.send("POST", "/v1/extract", files={"file": ("a.pdf", invoice_pdf())}, data=fields)

    held = await hand.take()
    assert answer.json()["metadata"] == {"po": "1"}
    assert held.spec == {"options": {"pages": "1"}, "json_schema": SCHEMA}
    assert (held.store, held.priority) == (False, 10)
    assert held.document is not None
    assert held.document.media_type == "application/pdf"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"source": "https://example.com/a.pdf"}, None),
        ({"source": '{"text": "Total"}'}, None),
        ({}, "SOURCE_MISSING"),
        ({"schema": "{"}, "JSON_INVALID"),
        ({"source": '{"text": NaN}'}, "JSON_INVALID"),
        ({"text": "Total"}, "REQUEST_INVALID"),
        ({"source": '{"text": "Total"}', "store": '"no"'}, "REQUEST_INVALID"),
        ({"source": '{"text": "Total"}', "metadata": '{"a": "\\u0000"}'}, "REQUEST_INVALID"),
        ({"source": '{"text": "Total"}', "priority": "high\x00"}, "REQUEST_INVALID"),
    ],
)
async def test_form_fields_are_judged_as_json_is(api: Api, fields: dict[str, str], code: str | None) -> None:
    parts: Any = {name: (None, text) for name, text in {"schema": json.dumps(SCHEMA), **fields}.items()}

    answer = await api.send("POST", "/v1/extract", files=parts)

    assert answer.json().get("code") == code, answer.text


@pytest.mark.parametrize(
    ("path", "body", "code", "pointer"),
    [
        ("parse", {}, "SOURCE_MISSING", "/source"),
        ("parse", {"source": None}, "SOURCE_MISSING", "/source"),
        ("parse", {"source": {}}, "SOURCE_MISSING", "/source"),
        ("parse", {"source": {"url": "https://a.example/b", "text": "x"}}, "SOURCE_AMBIGUOUS", "/source/url"),
        ("parse", {"source": {"base64": "?"}}, "BASE64_INVALID", "/source/base64"),
        ("parse", {"source": {"base64": ""}}, "EMPTY_FILE", "/source"),
        ("parse", {"source": {"text": ""}}, "EMPTY_FILE", "/source"),
        ("parse", {"source": "ftp://example.com/a"}, "SOURCE_URL_INVALID", "/source/url"),
        ("parse", {"source": "https://user:pw@example.com/a"}, "SOURCE_URL_INVALID", "/source/url"),
        ("parse", {"source": "https://127.0.0.1/a"}, "SOURCE_ADDRESS_FORBIDDEN", "/source/url"),
        ("parse", {"source": "https://[::ffff:10.0.0.1]/a"}, "SOURCE_ADDRESS_FORBIDDEN", "/source/url"),
        ("parse", {"source": 7}, "REQUEST_INVALID", "/source"),
        ("parse", {**TEXT, "colour": 1}, "REQUEST_INVALID", "/colour"),
        ("parse", {**TEXT, "schema": SCHEMA}, "REQUEST_INVALID", "/schema"),
        ("parse", {**TEXT, "callback": "https://example.com"}, "REQUEST_INVALID", "/callback"),
        ("parse", {**TEXT, "review": {"threshold": 85}}, "REQUEST_INVALID", "/review"),
        ("parse", {**TEXT, "template": "invoice"}, "REQUEST_INVALID", "/template"),
        ("parse", {"source": {"text": "x", "job_id": "job_1"}}, "SOURCE_AMBIGUOUS", "/source/text"),
        ("parse", {"source": {"text": "x", "artifact": "a.pdf"}}, "REQUEST_INVALID", "/source/artifact"),
        ("parse", {**TEXT, "store": "yes"}, "REQUEST_INVALID", "/store"),
        ("parse", {**TEXT, "priority": "urgent"}, "REQUEST_INVALID", "/priority"),
        ("parse", {**TEXT, "options": {"ocr": {"dpi": "200"}}}, "REQUEST_INVALID", "/options/ocr/dpi"),
        ("parse", {**TEXT, "options": {"pages": "one"}}, "REQUEST_INVALID", "/options/pages"),
        ("parse", {**TEXT, "metadata": {"a": 1}}, "REQUEST_INVALID", "/metadata/a"),
        ("parse", {**TEXT, "metadata": {"a": "\x00"}}, "REQUEST_INVALID", "/metadata/a"),
        ("parse", {**TEXT, "metadata": {"a/b": "c"}}, "REQUEST_INVALID", "/metadata/a~1b"),
        ("extract", TEXT, "REQUEST_INVALID", "/schema"),
        ("extract", {**TEXT, "schema": {"type": "strin"}}, "SCHEMA_INVALID", "/schema/type"),
        (
            "extract",
            {**TEXT, "schema": {"type": "object", "title": "\x00"}},
            "REQUEST_INVALID",
            "/schema/title",
        ),
        (
            "extract",
            {**TEXT, "schema": {"type": "object", "maximum": 10**400}},
            "REQUEST_INVALID",
            "/schema/maximum",
        ),
    ],
)
async def test_bad_fields_are_refused_by_name(
    api: Api, path: str, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await api.post(f"/v1/{path}", body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code), answer.text
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"source": {"text": "\xff"}}',
        b'{"source": {"text": "\\ud800"}}',
        b"[" * 100_000,
        b'{"source": {"text": "x"}, "options": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b"1" * 5000,
    ],
)
async def test_broken_json_is_the_callers_fault(api: Api, body: bytes) -> None:
    answer = await api.send("POST", "/v1/parse", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 422}
    assert answer.json()["code"] in {"JSON_INVALID", "REQUEST_INVALID"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 4400])
async def test_numbers_that_the_database_cannot_hold_are_refused(api: Api, number: str) -> None:
    body = f'{{"source": {{"text": "x"}}, "schema": {{"type": "object", "properties": {{}}, "x": {number}}}}}'

    answer = await api.send("POST", "/v1/extract", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 422}, answer.text


async def test_unknown_file_is_not_found(api: Api) -> None:
    answer = await api.post("/v1/parse", {"source": {"file_id": "file_00000000000000000000000000"}})

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_file_and_source_together_are_refused(api: Api) -> None:
    answer = await api.send(
        "POST", "/v1/parse", files={"file": ("a.txt", b"x")}, data={"source": "https://example.com/a"}
    )

    assert answer.json()["code"] == "SOURCE_AMBIGUOUS"


@pytest.mark.parametrize(
    ("query", "prefer"), [("?sync=true", ""), ("", "wait=5"), ("", 'respond-async, wait="4"')]
)
async def test_synchronous_call_answers_with_the_result(
    api: Api, hand: Hand, query: str, prefer: str
) -> None:
    call = asyncio.create_task(api.post(f"/v1/parse{query}", TEXT, headers={"Prefer": prefer}))
    await hand.arrived()
    await hand.complete({"markdown": "Total 119.00"})

    answer = await call

    assert (answer.status_code, answer.json()) == (200, {"markdown": "Total 119.00"})
    assert answer.headers["location"].startswith("/v1/jobs/job_")


async def test_synchronous_call_that_takes_too_long_answers_with_the_job(api: Api) -> None:
    answer = await api.post("/v1/parse", TEXT, headers={"Prefer": "wait=0"})

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


async def test_synchronous_call_whose_job_fails_says_why(api: Api, hand: Hand) -> None:
    call = asyncio.create_task(api.post("/v1/parse?sync=true", TEXT))
    await hand.arrived()
    await hand.fail("CORRUPT_DOCUMENT")

    answer = await call

    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_FAILED")
    assert answer.json()["job_error"]["code"] == "CORRUPT_DOCUMENT"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"


@pytest.mark.parametrize("query", ["sync=true&async=true", "sync=perhaps", "sync=true&sync=true", "wait=1"])
async def test_query_of_a_submission_is_judged(api: Api, query: str) -> None:
    answer = await api.post(f"/v1/parse?{query}", TEXT)

    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_INVALID")


async def test_batch_makes_a_parent_and_its_jobs(api: Api) -> None:
    items = [
        {"operation": "parse", **TEXT},
        {"operation": "extract", **TEXT, "schema": SCHEMA, "metadata": {"n": "2"}},
    ]

    answer = await api.post("/v1/jobs", {"items": items, "metadata": {"run": "1"}})

    parent = answer.json()
    assert answer.status_code == 202
    assert (parent["kind"], parent["children"], parent["metadata"]) == ("batch", {"queued": 2}, {"run": "1"})
    children = (await api.get(f"/v1/jobs?parent_id={parent['id']}")).json()["items"]
    assert [child["operation"] for child in children] == ["extract", "parse"]


@pytest.mark.parametrize(
    ("items", "code", "pointer"),
    [
        ([], "REQUEST_INVALID", "/items"),
        ([{**TEXT}], "REQUEST_INVALID", "/items/0"),
        ([{"operation": "compress", **TEXT}], "REQUEST_INVALID", "/items/0"),
        ([{"operation": "parse", **TEXT}, {"operation": "parse"}], "SOURCE_MISSING", "/items/1/source"),
        ([{"operation": "parse", **TEXT, "schema": SCHEMA}], "REQUEST_INVALID", "/items/0/schema"),
        ([{"operation": "extract", **TEXT}], "REQUEST_INVALID", "/items/0/schema"),
        ([{"operation": "extract", **TEXT, "schema": {"type": 1}}], "SCHEMA_INVALID", "/items/0/schema/type"),
        ([{"operation": "parse", "source": {"base64": "?"}}], "BASE64_INVALID", "/items/0/source/base64"),
        ([{"operation": "parse", **TEXT, "priority": "high"}], "REQUEST_INVALID", "/items/0/priority"),
    ],
)
async def test_batch_is_refused_as_a_whole_for_one_bad_item(
    api: Api, items: list[Any], code: str, pointer: str
) -> None:
    answer = await api.post("/v1/jobs", {"items": items})

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await api.get("/v1/jobs")).json()["items"] == []


async def deadline_of(db: Database, job_id: str) -> tuple[float, object]:
    row = await db.fetch_row(
        "SELECT extract(epoch FROM deadline_at - created_at)::float8 AS seconds,"
        " spec ->> 'deadline_seconds' AS own FROM jobs WHERE id = $1",
        job_id,
    )
    assert row is not None
    return row["seconds"], row["own"]


async def test_deadline_counts_from_the_acceptance_in_every_way_of_submitting(api: Api, db: Database) -> None:
    as_json = await api.submitted(deadline_seconds=90)
    form = await api.post("/v1/parse", files={"file": ("a.txt", b"x")}, data={"deadline_seconds": "90"})
    items = [{"operation": "parse", **TEXT, "deadline_seconds": 90}, {"operation": "parse", **TEXT}]
    batch = (await api.post("/v1/jobs", {"items": items})).json()
    children = (await api.get(f"/v1/jobs?parent_id={batch['id']}")).json()["items"]

    for job_id in (as_json["id"], form.json()["id"], children[1]["id"]):
        assert await deadline_of(db, job_id) == (90, "90.0")
    assert await deadline_of(db, children[0]["id"]) == (3600, None)


@pytest.mark.parametrize("seconds", [0, -1, 86_401, 1.5, "soon", 10**12])
async def test_deadline_outside_of_what_is_granted_is_refused(api: Api, seconds: object) -> None:
    answer = await api.post("/v1/parse", {**TEXT, "deadline_seconds": seconds})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/deadline_seconds"]


@pytest.mark.parametrize(
    "body",
    [
        '{"source": {"text": "a"}, "source": {"text": "b"}}',
        '{"source": {"text": "a", "text": "b"}}',
        '{"source": {"text": "a"}, "metadata": {"k": "1", "\\u006b": "2"}}',
    ],
)
async def test_member_that_is_given_twice_is_refused(api: Api, body: str) -> None:
    answer = await api.send("POST", "/v1/parse", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "JSON_INVALID")


async def test_member_that_a_form_gives_twice_is_refused(api: Api) -> None:
    data = {"schema": '{"type": "object", "type": "array"}'}

    answer = await api.post("/v1/extract", files={"file": ("a.txt", b"x")}, data=data)

    assert (answer.status_code, answer.json()["code"]) == (400, "JSON_INVALID")


@pytest.mark.parametrize(("model", "status"), [("auto", 202), ("none", 202), ("gpt-9", 422)])
async def test_model_is_one_that_the_capabilities_list(api: Api, model: str, status: int) -> None:
    answer = await api.post("/v1/parse", {**TEXT, "options": {"model": model}})

    assert answer.status_code == status
    assert (model in (await api.get("/v1/capabilities")).json()["models"]) is (status == 202)
