"""Idempotency keys: the same request makes one thing, another one is told what differs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from affidavit.infra.db import Database
from tests.api.conftest import SCHEMA, TEXT, Api, Hand

KEY = {"Idempotency-Key": "order-4711"}


async def test_fifty_uploads_with_one_key_make_one_file(api: Api, db: Database) -> None:
    answers = await asyncio.gather(*(api.upload(b"text", headers=KEY) for _ in range(50)))

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert len(await db.fetch("SELECT * FROM documents")) == 1


async def test_fifty_submissions_with_one_key_make_one_job(api: Api, db: Database) -> None:
    body = {**TEXT, "schema": SCHEMA}

    answers = await asyncio.gather(*(api.post("/v1/extract", body, headers=KEY) for _ in range(50)))

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.status_code for answer in answers].count(202) == 1
    assert len(await db.fetch("SELECT * FROM jobs")) == 1


async def test_replay_shows_the_job_as_it_is_now(api: Api, hand: Hand) -> None:
    first = await api.post("/v1/parse", TEXT, headers=KEY)
    await hand.complete({})

    again = await api.post("/v1/parse", TEXT, headers={"Idempotency-Key": '"order-4711"'})

    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "completed")
    assert "idempotent-replayed" not in first.headers


async def test_synchronous_replay_answers_with_the_result(api: Api, hand: Hand) -> None:
    await api.post("/v1/parse", TEXT, headers=KEY)
    await hand.complete({"markdown": "Total"})

    again = await api.post("/v1/parse?sync=true", TEXT, headers=KEY)

    assert (again.json(), again.headers["idempotent-replayed"]) == ({"markdown": "Total"}, "true")


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"source": {"text": "Total 120.00"}}, "/source"),
        ({"schema": {**SCHEMA, "title": "Invoice"}}, "/schema"),
        ({"options": {"pages": "1"}}, "/options"),
        ({"options": {"password": "other"}}, "/options"),
        ({"metadata": {"po": "1"}}, "/metadata"),
        ({"store": False}, "/store"),
        ({"priority": "low"}, "/priority"),
    ],
)
async def test_other_request_with_the_same_key_is_told_what_differs(
    api: Api, change: dict[str, Any], differing: str
) -> None:
    body = {**TEXT, "schema": SCHEMA}
    await api.post("/v1/extract", body, headers=KEY)

    answer = await api.post("/v1/extract", {**body, **change}, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert [error["pointer"] for error in answer.json()["errors"]] == [differing]


async def test_spelling_out_the_defaults_is_the_same_request(api: Api) -> None:
    first = await api.post("/v1/parse", TEXT, headers=KEY)

    spelled = {
        **TEXT,
        "store": True,
        "priority": "normal",
        "options": {"ocr": {"mode": "auto"}},
        "metadata": {},
    }
    again = await api.post("/v1/parse", spelled, headers=KEY)

    assert again.json()["id"] == first.json()["id"]


async def test_keys_of_paths_and_environments_are_apart(api: Api, other: Api) -> None:
    answers = [
        await api.post("/v1/parse", TEXT, headers=KEY),
        await other.post("/v1/parse", TEXT, headers=KEY),
        await api.post("/v1/jobs", {"items": [{"operation": "parse", **TEXT}]}, headers=KEY),
        await api.upload(b"text", headers=KEY),
    ]

    assert all("idempotent-replayed" not in answer.headers for answer in answers)
    assert len({answer.json()["id"] for answer in answers}) == 4


async def test_batch_with_a_key_is_made_once(api: Api) -> None:
    body = {"items": [{"operation": "parse", **TEXT}]}
    first = await api.post("/v1/jobs", body, headers=KEY)

    again = await api.post("/v1/jobs", body, headers=KEY)
    changed = await api.post("/v1/jobs", {**body, "metadata": {"a": "b"}}, headers=KEY)

    assert again.json()["id"] == first.json()["id"]
    assert [error["pointer"] for error in changed.json()["errors"]] == ["/metadata"]


async def test_upload_with_a_key_of_other_bytes_names_the_file(api: Api) -> None:
    await api.upload(b"text", headers=KEY)

    answer = await api.upload(b"other", headers=KEY)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file")


@pytest.mark.parametrize("key", ["", " ", "a b", "ä".encode("latin-1"), "x" * 256, '"', '"a', 'a"b'])
async def test_keys_that_are_none_are_refused(api: Api, key: str) -> None:
    answer = await api.post("/v1/parse", TEXT, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_INVALID")


async def test_expired_key_is_not_run_again(api: Api, db: Database) -> None:
    await api.post("/v1/parse", TEXT, headers=KEY)
    await api.upload(b"text", headers=KEY)
    await db.fetch("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")

    for answer in (await api.post("/v1/parse", TEXT, headers=KEY), await api.upload(b"text", headers=KEY)):
        assert (answer.status_code, answer.json()["code"]) == (410, "IDEMPOTENCY_KEY_EXPIRED")


async def test_password_is_nowhere_in_what_is_kept_of_a_key(api: Api, db: Database) -> None:
    await api.post("/v1/parse", {**TEXT, "options": {"password": "hunter2"}}, headers=KEY)

    rows = await db.fetch("SELECT to_jsonb(k)::text AS k FROM idempotency_keys k")

    assert "hunter2" not in rows[0]["k"]
