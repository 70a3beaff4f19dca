"""Too much work is refused before it costs anything, with an honest time to come back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from affidavit.api.limits import RequestLimit, UploadLimit
from affidavit.errors import TooManyRequests, Unavailable
from affidavit.infra.blobs import BlobHealth
from affidavit.infra.db import Database
from affidavit.jobs.pressure import Pressure, PressurePolicy
from tests.api.conftest import TEXT, Api, Hand, running, settings_for

RESULT = {"markdown": "x"}


@pytest.fixture
async def anybody(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    given = settings_for(database_url, redis_url, tmp_path, max_queued_pages=3, bytes_per_page=100)
    async with running(given) as api:
        yield api


async def healthy() -> BlobHealth:
    return BlobHealth(is_writable=True, free_bytes=None)


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["retryable"]
    assert 1 <= int(answer.headers["retry-after"]) <= 450
    assert answer.headers["ratelimit-policy"] == '"requests";q=1000;w=1'


async def test_full_queue_is_refused_and_takes_work_again_when_some_is_done(api: Api, hand: Hand) -> None:
    accepted = [await api.post("/v1/parse", TEXT) for _ in range(3)]
    refused = await api.post("/v1/parse", TEXT)
    await hand.complete(RESULT)
    await api.services.pressure.look()
    again = await api.post("/v1/parse", TEXT)

    assert [answer.status_code for answer in accepted] == [202, 202, 202]
    assert_refused(refused, 429, "QUEUE_FULL")
    assert again.status_code == 202


async def test_pages_are_estimated_by_bytes(api: Api) -> None:
    two_pages = {"source": {"text": "x" * 150}}
    first = await api.post("/v1/parse", two_pages)

    assert first.status_code == 202
    assert_refused(await api.post("/v1/parse", two_pages), 429, "QUEUE_FULL")
    assert (await api.post("/v1/parse", TEXT)).status_code == 202


async def test_document_beyond_the_whole_quota_is_taken_when_nothing_waits(api: Api) -> None:
    huge = {"source": {"text": "x" * 1000}}

    assert (await api.post("/v1/parse", huge)).status_code == 202
    assert_refused(await api.post("/v1/parse", TEXT), 429, "QUEUE_FULL")


async def test_batch_and_retry_pass_the_same_door(api: Api, hand: Hand) -> None:
    failed = await api.submitted()
    await hand.fail()
    await api.services.pressure.look()
    items = [{"operation": "parse", **TEXT}] * 3

    assert (await api.post("/v1/jobs", {"items": items})).status_code == 202
    assert_refused(await api.post("/v1/jobs", {"items": items}), 429, "QUEUE_FULL")
    assert_refused(await api.post(f"/v1/jobs/{failed['id']}/retry"), 429, "QUEUE_FULL")


async def test_full_queue_of_one_environment_is_no_business_of_another(api: Api, other: Api) -> None:
    for _ in range(3):
        await api.submitted()

    assert (await other.post("/v1/parse", TEXT)).status_code == 202
    assert (await other.get("/v1/jobs")).status_code == 200


async def test_body_that_is_certain_to_be_refused_is_not_read(api: Api) -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b" " * 65_536

    for _ in range(3):
        await api.submitted()
    answer = await api.send(
        "POST", "/v1/parse", content=counted(), headers={"Content-Type": "application/json"}
    )

    assert_refused(answer, 429, "QUEUE_FULL")
    assert read == 0


async def test_refused_submission_leaves_its_place_free(api: Api) -> None:
    for _ in range(5):
        answer = await api.post("/v1/parse", {"source": {"file_id": "file_00000000000000000000000000"}})
        assert answer.status_code == 404

    assert (await api.post("/v1/parse", TEXT)).status_code == 202


async def test_queue_that_is_too_old_is_503_for_its_environment(api: Api, other: Api, db: Database) -> None:
    await api.submitted()
    await db.fetch("UPDATE jobs SET created_at = now() - interval '1 hour'")
    await api.services.pressure.look()

    assert_refused(await api.post("/v1/parse", TEXT), 503, "OVERLOADED")
    assert (await other.post("/v1/parse", TEXT)).status_code == 202
    assert (await api.upload(b"text")).status_code == 201


async def test_low_priority_may_wait_without_an_alarm(api: Api, db: Database) -> None:
    await api.submitted(priority="low")
    await db.fetch("UPDATE jobs SET created_at = now() - interval '1 hour'")
    await api.services.pressure.look()

    assert (await api.post("/v1/parse", TEXT)).status_code == 202


async def test_full_disk_takes_neither_jobs_nor_files(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    given = settings_for(database_url, redis_url, tmp_path, min_free_disk_bytes=10**18)
    async with running(given) as anybody:
        api = await anybody.as_key("one")

        assert_refused(await api.post("/v1/parse", TEXT), 503, "OVERLOADED")
        assert_refused(await api.upload(b"text"), 503, "OVERLOADED")
        assert (await api.get("/v1/jobs")).status_code == 200


async def test_absent_database_is_known_before_the_body_is_read() -> None:
    absent = Database("postgresql://nobody@127.0.0.1:1/nothing", pool_size=1)
    policy = PressurePolicy(100, timedelta(hours=1), 1000, 0)
    pressure = Pressure(absent, policy, healthy)

    await pressure.look()
    pressure.check_storage()  # one miss may be a restart that is over by now
    await pressure.look()

    with pytest.raises(Unavailable) as refused:
        pressure.check("env_one")
    assert refused.value.specific_code == "UNAVAILABLE"
    assert refused.value.retry_after is not None


async def test_every_answer_to_a_key_says_what_is_left(api: Api, anybody: Api) -> None:
    answers = [
        await api.get("/v1/capabilities"),
        await api.post("/v1/parse", TEXT),
        await api.get("/v1/jobs/x"),
    ]

    for answer in answers:
        assert answer.headers["ratelimit-policy"] == '"requests";q=1000;w=1'
        found = re.fullmatch(r'"requests";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
        assert found is not None
        assert 900 < int(found[1]) < 1000
        assert found[2] == "1"
    assert "ratelimit" not in (await anybody.get("/livez")).headers


async def test_key_that_asks_too_often_is_told_when_to_come_back(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with running(settings_for(database_url, redis_url, tmp_path, rate_limit_per_second=5)) as anybody:
        api, other = await anybody.as_key("one"), await anybody.as_key("one")

        answers = [await api.get("/v1/capabilities") for _ in range(20)]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].json()["code"] == "RATE_LIMITED"
        assert int(refused[0].headers["retry-after"]) >= 1
        assert refused[0].headers["ratelimit"] == '"requests";r=0;t=1'
        assert (await other.get("/v1/capabilities")).status_code == 200


def test_requests_are_counted_by_key_and_forgiven_with_time() -> None:
    now = 100.0
    limit = RequestLimit(10, lambda: now)

    left = [limit.count("a").left for _ in range(10)]
    with pytest.raises(TooManyRequests):
        limit.count("a")
    fresh = limit.count("b").left
    now += 0.5
    later = limit.count("a").left

    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert (fresh, later) == (9, 4)


def test_large_bodies_are_bounded_and_small_ones_are_free() -> None:
    limit = UploadLimit(1)

    with limit.opened(10**6), limit.opened(1000):
        for announced in (10**6, None):
            with pytest.raises(Unavailable) as refused, limit.opened(announced):
                pass
            assert refused.value.specific_code == "OVERLOADED"
    with limit.opened(None):
        pass


def test_body_that_is_held_in_memory_counts_for_as_much_as_it_holds() -> None:
    limit = UploadLimit(10)
    held = 32 * 1024 * 1024

    with limit.opened(held, held_bytes=held):
        with pytest.raises(Unavailable), limit.opened(held, held_bytes=held):
            pass
        with limit.opened(10**8):  # streams to the disk
            pass


async def test_time_to_come_back_follows_the_rate_of_service(db: Database, api: Api) -> None:
    now = 100.0
    policy = PressurePolicy(100, timedelta(hours=1), 1000, 0)
    pressure = Pressure(db, policy, healthy, lambda: now)
    await api.submitted()
    (row,) = await db.fetch("SELECT environment_id FROM jobs")
    environment_id = row["environment_id"]
    unknown = pressure.wait_seconds(environment_id, 5)

    async def served(pages: int) -> None:
        await db.fetch(
            "INSERT INTO queue_shares (environment_id, served) VALUES ($1, $2)"
            " ON CONFLICT (environment_id) DO UPDATE SET served = $2",
            environment_id,
            pages,
        )
        await pressure.look()

    await served(0)
    now += 10
    await served(20)
    with pressure.admitted(environment_id, 99):
        pass
    with pytest.raises(TooManyRequests) as refused, pressure.admitted(environment_id, 60):
        pass

    assert unknown is None
    assert pressure.wait_seconds(environment_id, 5) == pytest.approx(3)  # 6 pages at 2 a second
    assert refused.value.retry_after is not None
    assert 30 <= refused.value.retry_after <= 45  # 60 pages at 2 a second, and some jitter


async def test_hint_of_a_waiting_job_grows_with_the_queue(api: Api, db: Database) -> None:
    first = await api.submitted()
    second = await api.submitted()
    (row,) = await db.fetch("SELECT environment_id FROM jobs LIMIT 1")
    pressure = api.services.pressure
    await pressure.look()
    await asyncio.sleep(0.01)
    await db.fetch("INSERT INTO queue_shares (environment_id, served) VALUES ($1, 1)", row["environment_id"])
    await pressure.look()

    hints = [await hint(api, job) for job in (first, second)]

    assert hints[0] <= hints[1]


async def hint(api: Api, job: dict[str, Any]) -> int:
    found: int = (await api.get(f"/v1/jobs/{job['id']}")).json()["retry_after_ms"]
    return found
