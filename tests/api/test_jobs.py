"""Jobs over HTTP: how they stand, what came of them, and that they can be found again."""

from __future__ import annotations

import asyncio
import json

import pytest
import zstandard

from affidavit.infra.db import Database
from tests.api.conftest import SCHEMA, TEXT, Api, Hand

RESULT = {"markdown": "Größe", "data": {"total": 119.0}}


async def test_completed_job_says_where_its_result_is(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)

    answer = await api.get(f"/v1/jobs/{job['id']}")

    seen = answer.json()
    assert (seen["status"], seen["result_available"], seen["retry_after_ms"]) == ("completed", True, None)
    assert seen["result_url"].endswith(f"/v1/jobs/{job['id']}/result")
    assert "retry-after" not in answer.headers
    assert seen["completed_at"].endswith("Z")


async def test_unfinished_job_says_when_to_ask_again(api: Api) -> None:
    job = await api.submitted()

    answer = await api.get(f"/v1/jobs/{job['id']}")

    assert int(answer.headers["retry-after"]) * 1000 >= answer.json()["retry_after_ms"] > 0


async def test_long_poll_answers_when_the_job_ends(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    poll = asyncio.create_task(api.get(f"/v1/jobs/{job['id']}?wait=5"))
    await asyncio.sleep(0)
    await hand.complete(RESULT)

    assert (await poll).json()["status"] == "completed"


async def test_result_is_json_or_zstd_as_asked_for(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    stored = await hand.complete(RESULT)

    plain = await api.get(f"/v1/jobs/{job['id']}/result", headers={"Accept-Encoding": "identity"})
    packed = await api.get(f"/v1/jobs/{job['id']}/result", headers={"Accept-Encoding": "gzip, zstd;q=0.9"})

    assert json.loads(plain.content) == RESULT
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "zstd"
    assert packed.headers["content-length"] == str(len(stored))
    assert packed.headers["etag"] != plain.headers["etag"]
    assert json.loads(packed.content if packed.json() else zstandard.decompress(packed.content)) == RESULT


@pytest.mark.parametrize("accepted", ["zstd;q=0", "gzip", "zstdx", ""])
async def test_result_is_plain_for_those_who_do_not_take_zstd(api: Api, hand: Hand, accepted: str) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)

    answer = await api.get(f"/v1/jobs/{job['id']}/result", headers={"Accept-Encoding": accepted})

    assert "content-encoding" not in answer.headers


async def test_result_that_the_caller_has_is_not_sent_again(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)
    etag = (await api.get(f"/v1/jobs/{job['id']}/result")).headers["etag"]

    answer = await api.get(f"/v1/jobs/{job['id']}/result", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")


async def test_result_is_not_ready_before_the_end(api: Api) -> None:
    job = await api.submitted()

    answer = await api.get(f"/v1/jobs/{job['id']}/result")

    assert (answer.status_code, answer.json()["code"]) == (409, "RESULT_NOT_READY")
    assert answer.json()["retryable"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_result_of_a_failed_job_is_its_error(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.fail("PASSWORD_REQUIRED")

    answer = await api.get(f"/v1/jobs/{job['id']}/result")

    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_FAILED")
    assert answer.json()["job_error"]["code"] == "PASSWORD_REQUIRED"


async def test_result_expires(api: Api, hand: Hand, db: Database) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)
    await db.fetch("UPDATE jobs SET result_expires_at = now() - interval '1 second'")

    answer = await api.get(f"/v1/jobs/{job['id']}/result")

    assert (answer.status_code, answer.json()["code"]) == (410, "RESULT_EXPIRED")


async def test_result_that_is_not_to_be_stored_is_read_once(api: Api, hand: Hand) -> None:
    job = await api.submitted(store=False)
    await hand.complete(RESULT)

    head = await api.send("HEAD", f"/v1/jobs/{job['id']}/result")
    first = await api.get(f"/v1/jobs/{job['id']}/result")
    second = await api.get(f"/v1/jobs/{job['id']}/result")

    assert [head.status_code, first.status_code, second.status_code] == [200, 200, 410]
    assert first.json() == RESULT


async def test_batch_has_no_result_of_its_own(api: Api) -> None:
    batch = (await api.post("/v1/jobs", {"items": [{"operation": "parse", **TEXT}]})).json()

    answer = await api.get(f"/v1/jobs/{batch['id']}/result")

    assert answer.status_code == 409


async def test_canceled_job_stays_canceled(api: Api) -> None:
    job = await api.submitted()

    first = await api.delete(f"/v1/jobs/{job['id']}")
    second = await api.delete(f"/v1/jobs/{job['id']}")

    assert [answer.json()["status"] for answer in (first, second)] == ["canceled", "canceled"]
    result = await api.get(f"/v1/jobs/{job['id']}/result")
    assert (result.status_code, result.json()["code"]) == (409, "JOB_CANCELED")


async def test_finished_job_cannot_be_canceled(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)

    answer = await api.delete(f"/v1/jobs/{job['id']}")

    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_FINISHED")


async def test_list_pages_through_all_jobs_newest_first(api: Api) -> None:
    made = [(await api.submitted())["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""

    while cursor is not None:
        page = (await api.get(f"/v1/jobs?limit=2{cursor and '&cursor=' + cursor}")).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]

    assert seen == made[::-1]


async def test_list_filters_by_each_parameter(api: Api, hand: Hand) -> None:
    old = await api.submitted(metadata={"po": "1", "x": "y"})
    await hand.complete(RESULT)
    new = (await api.post("/v1/extract", {**TEXT, "schema": SCHEMA, "metadata": {"po": "2"}})).json()

    async def found(query: str) -> list[str]:
        return [job["id"] for job in (await api.get(f"/v1/jobs?{query}")).json()["items"]]

    assert await found("status=completed") == [old["id"]]
    assert await found("operation=extract") == [new["id"]]
    assert await found("metadata.po=1&metadata.x=y") == [old["id"]]
    assert await found("metadata.po=1&metadata.x=z") == []
    assert await found(f"created_before={new['created_at']}") == [old["id"]]
    assert await found(f"created_after={new['created_at']}") == [new["id"]]
    assert await found("created_after=2000-01-01T00:00:00+02:00") == [new["id"], old["id"]]
    assert await found("parent_id=job_00000000000000000000000000") == []


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "limit=0",
        "limit=101",
        "limit=1&limit=2",
        "colour=red",
        "created_after=yesterday",
        "cursor=nonsense",
        "cursor=%00",
        "metadata.=1",
        "metadata.a=%00",
        "metadata.a=1&metadata.a=2",
        "parent_id=%00",
        "created_after=9999999999999999999",
        "created_after=0.5",
        "created_after=2026-01-01",
        "created_before=0001-01-01T00:00:00%2B14:00",
    ],
)
async def test_bad_filters_are_refused(api: Api, query: str) -> None:
    answer = await api.get(f"/v1/jobs?{query}")

    assert (answer.status_code, answer.json()["code"] in {"REQUEST_INVALID", "CURSOR_INVALID"}) == (422, True)


@pytest.mark.parametrize("wait", ["-1", "soon", "NaN", "1e9", "1&wait=2"])
async def test_bad_waits_are_refused(api: Api, wait: str) -> None:
    job = await api.submitted()

    answer = await api.get(f"/v1/jobs/{job['id']}?wait={wait}")

    assert answer.status_code == 422
