"""Event streams: every transition once and in order, whichever process is asked, and nothing left open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from affidavit.infra.db import Database
from affidavit.jobs import execution
from affidavit.jobs.claim import Report
from affidavit.jobs.watch import Watch
from tests.api.conftest import TEXT, Api, Hand, served, settings_for

RESULT = {"markdown": "x"}


@dataclass
class Event:
    name: str
    id: str | None
    data: Any


async def events_of(answer: httpx.Response) -> AsyncIterator[Event]:
    """Read a stream as the HTML standard says, with no library of ours."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif not line and fields:
            if "data" in fields:
                yield Event(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
            fields = {}


async def read(api: Api, job_id: str, into: list[Event] | None = None, **given: Any) -> list[Event]:
    """Follow a job to the end of the stream; `into` is filled as the events come."""
    seen = [] if into is None else into
    headers = api.headers | given.pop("headers", {})
    async with api.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers, **given) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for event in events_of(answer):
            seen.append(event)
    return seen


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for lies on the other side of a socket
            await asyncio.sleep(0.01)


async def arrived(seen: list[Event], name: str) -> None:
    await until(lambda: name in [event.name for event in seen])


@pytest.fixture
async def anybody(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = settings_for(
        database_url,
        redis_url,
        tmp_path,
        max_streams_per_key=2,
        max_streams=3,
        stream_heartbeat_seconds=0.05,
    )
    async with served(settings) as api:
        yield api


async def taken(api: Api, job_id: str) -> None:
    """Wait until somebody follows the job: its poller knows it."""
    await until(lambda: job_id in api.services.jobs._watch._waiters)


async def test_stream_tells_every_transition_then_the_job_and_ends(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    reading = asyncio.create_task(read(api, job["id"]))
    await taken(api, job["id"])
    await hand.complete(RESULT)

    events = await reading

    moves = [(event.id, event.name) for event in events if event.id]
    assert moves == [("1", "job.queued"), ("2", "job.processing"), ("3", "job.completed")]
    assert [event.name for event in events[:2]] == ["job.queued", "job"]
    assert (events[-1].name, events[-1].data["status"]) == ("job", "completed")
    assert events[-1].data == (await api.get(f"/v1/jobs/{job['id']}")).json()


async def test_progress_comes_from_the_row_and_without_an_id(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    held = await hand.take()
    events: list[Event] = []
    reading = asyncio.create_task(read(api, job["id"], events))
    await arrived(events, "job")
    await execution.report(
        api.services.db, held, Report(stage="ocr", message="OCR page 3", pages_done=3), "k"
    )
    await arrived(events, "progress")
    await api.delete(f"/v1/jobs/{job['id']}")
    await reading

    shown = [event for event in events if event.name == "progress"]
    assert [(event.id, event.data["stage"], event.data["message"]) for event in shown] == [
        (None, "ocr", "OCR page 3")
    ]


@pytest.mark.parametrize("way", ["header", "query"])
async def test_resumed_stream_replays_what_came_later_and_nothing_twice(
    api: Api, hand: Hand, way: str
) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)
    given: dict[str, Any] = {"headers": {"Last-Event-ID": "1"}}
    if way == "query":
        given = {"params": {"last_event_id": "1"}}

    events = await read(api, job["id"], **given)

    assert [(event.id, event.name) for event in events] == [
        ("2", "job.processing"),
        ("3", "job.completed"),
        (None, "job"),
    ]


async def test_stream_that_has_told_all_is_not_opened_again(api: Api, hand: Hand) -> None:
    job = await api.submitted()
    await hand.complete(RESULT)

    answer = await api.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": "3"})

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("given", ["x", "-1", "2", "1.0", "9999999999", "1 "])
async def test_id_of_no_event_is_refused(api: Api, given: str) -> None:
    job = await api.submitted()

    for answer in (
        await api.get(f"/v1/jobs/{job['id']}/events", params={"last_event_id": given}),
        await api.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": f"{given}x"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "LAST_EVENT_ID_INVALID")


async def test_stream_of_another_environments_job_is_not_found(api: Api, other: Api) -> None:
    job = await api.submitted()

    answer = await other.get(f"/v1/jobs/{job['id']}/events")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_stream_of_a_batch_tells_of_its_items(api: Api, hand: Hand) -> None:
    batch = (await api.post("/v1/jobs", {"items": [{"operation": "parse", **TEXT}] * 3})).json()
    events: list[Event] = []
    reading = asyncio.create_task(read(api, batch["id"], events))
    await arrived(events, "job")
    await hand.complete(RESULT)
    await arrived(events, "progress")
    await hand.complete(RESULT)
    await hand.fail()
    await reading

    shown = [event.data for event in events if event.name == "progress"]
    assert shown[0]["pages"] == {"total": 3, "done": 1, "failed": 0}
    assert shown[0]["children"] == {"completed": 1, "queued": 2}
    assert events[-1].data["children"] == {"completed": 2, "failed": 1}
    assert events[-1].data["status"] == "completed"


async def test_silent_stream_shows_that_it_lives(api: Api) -> None:
    job = await api.submitted()
    path = f"/v1/jobs/{job['id']}/events"

    async with asyncio.timeout(60), api.client.stream("GET", path, headers=api.headers) as answer:
        lines = answer.aiter_lines()
        seen = [line async for line in up_to(lines, ": heartbeat")]

    assert "event: job" in seen


async def up_to(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line == last:
            return


async def test_reader_that_goes_away_frees_its_place(api: Api) -> None:
    job = await api.submitted()
    path = f"/v1/jobs/{job['id']}/events"
    for _ in range(5):  # more than there are places
        async with api.client.stream("GET", path, headers=api.headers) as answer:
            assert answer.status_code == 200
            await taken(api, job["id"])
        await until(lambda: not api.services.stream_limit._open)
        await until(lambda: not api.services.jobs._watch._waiters)


async def test_streams_are_bounded_for_a_key_and_in_all(anybody: Api, api: Api, other: Api) -> None:
    mine, theirs = await api.submitted(), await other.submitted()
    opened: list[Any] = []
    try:
        for who, job, status in ((api, mine, 200), (api, mine, 200), (api, mine, 429)):
            stream = who.client.stream("GET", f"/v1/jobs/{job['id']}/events", headers=who.headers)
            answer = await stream.__aenter__()
            opened.append(stream)
            assert answer.status_code == status
            if status == 429:
                refused = json.loads(await answer.aread())
                assert (refused["code"], refused["retryable"]) == ("TOO_MANY_STREAMS", True)
                assert int(answer.headers["retry-after"]) >= 5
        for status in (200, 503):
            stream = other.client.stream("GET", f"/v1/jobs/{theirs['id']}/events", headers=other.headers)
            answer = await stream.__aenter__()
            opened.append(stream)
            assert answer.status_code == status
        assert json.loads(await answer.aread())["code"] == "OVERLOADED"
        assert "retry-after" in answer.headers
    finally:
        for stream in opened:
            await stream.__aexit__(None, None, None)


async def test_head_opens_no_stream(api: Api) -> None:
    job = await api.submitted()

    answer = await api.send("HEAD", f"/v1/jobs/{job['id']}/events")

    assert (answer.status_code, answer.content) == (200, b"")
    assert not api.services.stream_limit._open


async def test_stopping_server_ends_streams_and_waits_at_once(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = settings_for(database_url, redis_url, tmp_path, sync_wait_seconds=60)
    async with served(settings) as anybody:
        api = await anybody.as_key("one")
        job = await api.submitted()
        reading = asyncio.create_task(read(api, job["id"]))
        polling = asyncio.create_task(api.get(f"/v1/jobs/{job['id']}?wait=60"))
        await until(lambda: len(api.services.jobs._watch._waiters.get(job["id"], ())) == 2)
        api.services.jobs.drain()

        events = await reading
        answer = await polling

    assert [event.name for event in events] == ["job.queued", "job"]
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")


class CountingDatabase(Database):
    """Counts the statements that it is asked to run."""

    statements = 0

    async def fetch(self, statement: str, *args: object) -> Any:
        self.statements += 1
        return await super().fetch(statement, *args)


async def test_all_who_wait_are_served_by_one_statement_a_look(api: Api, database_url: str) -> None:
    jobs = [(await api.submitted())["id"] for _ in range(20)]
    db = CountingDatabase(database_url, pool_size=1)
    await db.open()
    watch = Watch(db, timedelta(milliseconds=50))

    found = await asyncio.gather(*(watch.settled(job, 0.5) for job in jobs))
    asked = db.statements
    await asyncio.sleep(0.2)

    assert not any(found)
    assert 1 <= asked <= 11  # looks 50 ms apart, not one for each of twenty
    assert db.statements <= asked + 1  # and none when nobody waits
    await watch.close()
    await db.close()
