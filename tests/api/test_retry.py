"""Retries: a new job for what ended without all that was asked for, and a reason for what did not."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.infra.db import SYSTEM, Database
from affidavit.jobs import ending
from tests.api.conftest import SCHEMA, TEXT, Api, Hand

RESULT = {"markdown": "x"}


async def retried(api: Api, job_id: str, body: object = None, **given: Any) -> Any:
    return await api.post(f"/v1/jobs/{job_id}/retry", body, **given)


async def test_retry_is_a_new_job_of_the_same_request(api: Api, hand: Hand, db: Database) -> None:
    given = {
        **TEXT,
        "schema": SCHEMA,
        "options": {"pages": "1", "strict": True},
        "metadata": {"po": "4711"},
        "priority": "high",
        "deadline_seconds": 90,
    }
    first = (await api.post("/v1/extract", given)).json()
    await hand.fail()

    answer = await retried(api, first["id"])

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["retry_of"], job["status"], job["metadata"]) == (first["id"], "queued", {"po": "4711"})
    assert job["file_id"] == first["file_id"]
    old, new = await db.fetch(
        "SELECT operation, spec::text AS spec, document_id, store, priority,"
        " deadline_at - created_at AS deadline FROM jobs ORDER BY id"
    )
    assert old == new


async def test_canceled_and_partial_jobs_can_be_retried(api: Api, hand: Hand, db: Database) -> None:
    canceled = await api.submitted()
    await api.delete(f"/v1/jobs/{canceled['id']}")
    partial = await api.submitted(options={"allow_partial": True})
    await db.fetch("UPDATE jobs SET pages_failed = 1 WHERE id = $1", partial["id"])
    await hand.complete(RESULT)
    await db.fetch("UPDATE jobs SET pages_failed = 1 WHERE id = $1", partial["id"])

    answers = [await retried(api, job["id"]) for job in (canceled, partial)]

    assert [answer.status_code for answer in answers] == [202, 202]


async def test_job_that_has_all_it_was_asked_for_is_not_retried(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    waiting = await retried(api, job["id"])
    await hand.complete(RESULT)
    completed = await retried(api, job["id"])

    assert (waiting.status_code, waiting.json()["code"]) == (409, "JOB_NOT_FINISHED")
    assert (completed.status_code, completed.json()["code"]) == (409, "JOB_COMPLETED")


async def test_retry_whose_document_is_gone_says_so(api: Api, hand: Hand) -> None:
    file = (await api.upload(b"text")).json()
    of_file = await api.submitted(source={"file_id": file["id"]})
    await hand.fail()
    await api.delete(f"/v1/files/{file['id']}")
    unstored = await api.submitted(store=False)
    await hand.fail()

    for job in (of_file, unstored):
        answer = await retried(api, job["id"])
        assert (answer.status_code, answer.json()["code"]) == (410, "SOURCE_GONE")


async def test_retry_takes_the_password_again_and_keeps_it_sealed(api: Api, hand: Hand, db: Database) -> None:
    job = await api.submitted(options={"password": "geheim"})
    await hand.fail("PASSWORD_INCORRECT")

    answer = await retried(api, job["id"], {"options": {"password": "sesam"}})

    (row,) = await db.fetch(
        "SELECT sealed_password, spec::text AS spec FROM jobs WHERE id = $1", answer.json()["id"]
    )
    assert row["sealed_password"] is not None
    assert "sesam" not in row["spec"]


async def test_retry_with_the_same_key_is_the_same_job(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.fail()
    key = {"Idempotency-Key": "again"}

    first = await retried(api, job["id"], headers=key)
    second = await retried(api, job["id"], headers=key)
    other = await retried(api, job["id"], {"options": {"password": "x"}}, headers=key)

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_retry_of_a_batch_is_a_batch_of_what_failed(api: Api, hand: Hand) -> None:
    items = [{"operation": "parse", **TEXT, "metadata": {"n": str(n)}} for n in range(3)]
    batch = (await api.post("/v1/jobs", {"items": items, "metadata": {"run": "7"}})).json()
    early = await retried(api, batch["id"])
    await hand.complete(RESULT)
    await hand.fail()
    await hand.fail()
    refused = await retried(api, batch["id"], {"options": {"password": "x"}})

    answer = await retried(api, batch["id"])

    job = answer.json()
    assert (early.status_code, early.json()["code"]) == (409, "JOB_NOT_FINISHED")
    assert refused.status_code == 422
    assert (answer.status_code, job["kind"], job["retry_of"]) == (202, "batch", batch["id"])
    assert (job["metadata"], job["children"]) == ({"run": "7"}, {"queued": 2})
    children = (await api.get(f"/v1/jobs?parent_id={job['id']}")).json()["items"]
    old = (await api.get(f"/v1/jobs?parent_id={batch['id']}&status=failed")).json()["items"]
    assert [child["retry_of"] for child in children] == [child["id"] for child in old]
    assert [child["metadata"] for child in children] == [child["metadata"] for child in old]


async def test_document_stays_until_the_last_of_its_jobs_is_purged(
    api: Api, hand: Hand, db: Database
) -> None:
    first = await api.submitted()
    await hand.fail()
    again = (await retried(api, first["id"])).json()
    (row,) = await db.fetch("SELECT environment_id FROM jobs LIMIT 1")
    seen = []

    for job in (first, again):
        async with db.begin(SYSTEM) as session:
            await ending.purge_result(session, row["environment_id"], job["id"])
        seen.append((await api.get(f"/v1/files/{job['file_id']}")).status_code)
        if job is first:
            await hand.complete(RESULT)

    assert seen == [200, 410]


@pytest.mark.parametrize("body", [{"pages": "1"}, {"options": {"strict": True}}, [], {"options": None}])
async def test_retry_changes_nothing_but_the_password(api: Api, hand: Hand, body: object) -> None:
    job = await api.submitted()
    await hand.fail()

    assert (await retried(api, job["id"], body)).status_code == 422


async def test_job_of_another_environment_cannot_be_retried(api: Api, other: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.fail()

    answer = await retried(other, job["id"])

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
