"""What goes by itself, and when: files, rows, keys, names, and all of jobs that were not to be stored."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from affidavit.documents import references
from affidavit.infra.db import Database
from affidavit.jobs import execution, retention
from affidavit.jobs.claim import ReadPage, Report
from affidavit.jobs.ending import private_reading_key
from tests.api.conftest import Api, Hand
from tests.conftest import execute
from tests.retention.conftest import blobs_below, make_blobs_old, rows_with

DAY = timedelta(days=1)
KEPT = retention.Retention(
    results=7 * DAY, pages=7 * DAY, idempotency_keys=30 * DAY, files=90 * DAY, jobs=365 * DAY
)
FOR_EVER = retention.Retention(results=7 * DAY, pages=7 * DAY, idempotency_keys=30 * DAY)
RESULT = {"markdown": "Marmalade"}
TIMES = ("created_at", "completed_at", "deleted_at", "result_expires_at", "expires_at")


class Past:
    """Moves all that there is into the past, past the guards that keep ended jobs as they are."""

    def __init__(self, db: Database, url: str) -> None:
        self._db = db
        self._url = url

    async def passes(self, time: timedelta) -> None:
        columns = await self._db.fetch(
            "SELECT table_name, array_agg(column_name::text) AS names FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_name = ANY($1) GROUP BY table_name",
            TIMES,
        )
        span = f"interval '{int(time.total_seconds())} seconds'"
        updates = [
            f"UPDATE {row['table_name']} SET "
            + ", ".join(f"{name} = {name} - {span}" for name in row["names"])
            for row in columns
        ]
        await execute(self._url, f"SET session_replication_role = replica; {'; '.join(updates)}")


@pytest.fixture
def time(db: Database, database_url: str) -> Past:
    return Past(db, database_url)


async def counts(db: Database, *tables: str) -> dict[str, int]:
    return {table: len(await db.fetch(f"SELECT FROM {table}")) for table in tables}


async def test_row_of_a_job_goes_with_its_events_long_after_all_else(
    api: Api, hand: Hand, db: Database, time: Past
) -> None:
    await api.submitted()
    await hand.complete(RESULT)
    rows = ("jobs", "job_tasks", "job_events", "documents")

    await time.passes(300 * DAY)
    await retention.purge(db, KEPT)
    before = await counts(db, *rows)
    await time.passes(70 * DAY)
    await retention.purge(db, KEPT)

    assert before == {"jobs": 1, "job_tasks": 1, "job_events": 3, "documents": 1}
    assert await counts(db, *rows) == dict.fromkeys(rows, 0)
    assert await counts(db, "usage_records") == {"usage_records": 1}


async def test_rows_and_files_stay_for_ever_when_told_so(
    api: Api, hand: Hand, db: Database, time: Past
) -> None:
    file = (await api.upload(b"text")).json()
    await api.submitted()
    await hand.complete(RESULT)

    await time.passes(4000 * DAY)
    await retention.purge(db, FOR_EVER)

    assert await counts(db, "jobs") == {"jobs": 1}
    assert (await api.get(f"/v1/files/{file['id']}/content")).content == b"text"


async def test_batch_goes_after_the_last_of_its_items_and_never_takes_one_with_it(
    api: Api, hand: Hand, db: Database, time: Past
) -> None:
    items = [{"operation": "parse", "source": {"text": f"item {n}"}} for n in range(2)]
    await api.post("/v1/jobs", {"items": items})
    for _ in items:
        await hand.complete(RESULT)
    await db.fetch("UPDATE jobs SET legal_hold = true WHERE position = 1")

    await time.passes(400 * DAY)
    await retention.purge(db, KEPT)
    held = await db.fetch("SELECT kind, position FROM jobs ORDER BY kind")
    await db.fetch("UPDATE jobs SET legal_hold = false")
    await retention.purge(db, KEPT)

    assert [tuple(row) for row in held] == [("batch", None), ("job", 1)]
    assert await counts(db, "jobs") == {"jobs": 0}


async def test_file_goes_when_its_time_is_over_unless_a_job_needs_it(
    api: Api, db: Database, time: Past
) -> None:
    idle, used = [(await api.upload(text, "named.txt")).json() for text in (b"idle", b"used")]
    await time.passes(100 * DAY)
    await api.submitted(source={"file_id": used["id"]})

    await retention.purge(db, KEPT)

    gone = (await api.get(f"/v1/files/{idle['id']}")).json()
    assert (gone["code"], gone["deleted_by"]) == ("FILE_DELETED", None)
    assert gone["purged"][0]["sha256"] == [idle["sha256"]]
    assert (await api.get(f"/v1/files/{used['id']}")).status_code == 200


async def test_keys_go_long_after_they_expired_and_stay_while_their_job_runs(
    api: Api, hand: Hand, db: Database, time: Past
) -> None:
    for key in ("ended", "running"):
        await api.post("/v1/parse", {"source": {"text": key}}, headers={"Idempotency-Key": key})
    await hand.complete(RESULT)

    await time.passes(61 * DAY)
    await retention.purge(db, KEPT)

    assert [row["key"] for row in await db.fetch("SELECT key FROM idempotency_keys")] == ["running"]


async def test_sweeps_at_once_take_each_row_once(api: Api, hand: Hand, db: Database, time: Past) -> None:
    for n in range(12):
        await api.submitted(source={"text": f"text {n}"})
        await hand.complete({"markdown": n})
    await time.passes(8 * DAY)

    purged = await asyncio.gather(*(retention.purge(db, KEPT) for _ in range(4)))

    assert sum(purged) == 12
    assert await counts(db, "blob_refs") == {"blob_refs": 0}


async def test_collector_that_dies_leaves_its_blobs_to_the_next(
    api: Api, hand: Hand, db: Database, time: Past, tmp_path: Path
) -> None:
    await api.submitted()
    await hand.complete(RESULT)
    await time.passes(8 * DAY)
    await retention.purge(db, KEPT)
    await db.fetch("UPDATE blob_garbage SET erase_at = now()")
    make_blobs_old(tmp_path)
    taken = await db.fetch(retention._TAKE_GARBAGE, 100, retention.COLLECTING)  # and then it dies

    first = await retention.collect(db, api.services.blobs)
    await db.fetch("UPDATE blob_garbage SET erase_at = erase_at - $1::interval", retention.COLLECTING)
    second = await retention.collect(db, api.services.blobs)

    assert (len(taken), first, second) == (2, 0, 2)
    assert await counts(db, "blob_garbage") == {"blob_garbage": 0}


# store: false

WORDS = ("Sesquipedalian", "zanzibar", "quokka", "kumquat", "Marmalade", "Gobbledygook")


async def unstored(api: Api) -> dict:
    data = {
        "schema": '{"type": "object", "properties": {"kumquat": {"type": "number"}}}',
        "metadata": '{"po": "quokka"}',
        "store": "false",
    }
    files = {"file": ("zanzibar.txt", b"Sesquipedalian")}
    answer = await api.send("POST", "/v1/extract", data=data, files=files)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def nothing_is_left(api: Api, db: Database, time: Past, folder: Path) -> None:
    await time.passes(timedelta(hours=2))
    await db.fetch("UPDATE blob_garbage SET erase_at = erase_at - interval '2 hours'")
    await retention.purge(db, KEPT)
    make_blobs_old(folder)
    await retention.collect(db, api.services.blobs)
    assert await rows_with(db, WORDS) == set()
    assert blobs_below(folder) == []


async def stored(hand: Hand, environment_id: str, text: str) -> str:
    """Store what a worker stores for such a job: announced before, so that it goes when nobody claims it."""
    await references.expect(hand.services.db, environment_id, sha256(text.encode()).hexdigest())
    return await hand.services.blobs.put_bytes(environment_id, text.encode())


async def test_unstored_job_loses_its_source_and_its_name_at_its_end(
    api: Api, hand: Hand, db: Database
) -> None:
    job = await unstored(api)
    await hand.complete(RESULT)

    assert await rows_with(db, ["zanzibar"]) == set()
    assert await db.fetch("SELECT FROM blob_refs WHERE owner = $1", job["file_id"]) == []


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "never read"])
async def test_unstored_job_leaves_nothing_within_an_hour_of_its_end(
    api: Api, hand: Hand, db: Database, time: Past, tmp_path: Path, is_read: bool
) -> None:
    job = await unstored(api)
    await hand.complete(RESULT)
    if is_read:
        assert (await api.get(f"/v1/jobs/{job['id']}/result")).json() == RESULT

    await nothing_is_left(api, db, time, tmp_path)

    answer = await api.get(f"/v1/jobs/{job['id']}/result")
    assert (answer.status_code, answer.json()["code"]) == (410, "RESULT_EXPIRED")
    assert (await api.get(f"/v1/jobs/{job['id']}")).json()["status"] == "completed"


async def test_unstored_job_that_failed_or_was_canceled_leaves_nothing(
    api: Api, hand: Hand, db: Database, time: Past, tmp_path: Path
) -> None:
    await unstored(api)
    await hand.fail()
    canceled = await unstored(api)
    await api.delete(f"/v1/jobs/{canceled['id']}")

    await nothing_is_left(api, db, time, tmp_path)


async def test_unstored_job_leaves_nothing_of_an_attempt_that_died(
    api: Api, hand: Hand, db: Database, time: Past, tmp_path: Path
) -> None:
    job = await unstored(api)
    held = await hand.take()
    texts = ("page: Sesquipedalian", "page that nobody reported: Sesquipedalian")
    page, lost = [await stored(hand, held.environment_id, text) for text in texts]
    key = private_reading_key(held.job_id, "reading")
    await execution.report(db, held, Report(read=(ReadPage(1, page, 1, "native"),)), key)
    await execution.release(db, held)  # as if it were reaped: another takes it
    await hand.complete(RESULT)

    await nothing_is_left(api, db, time, tmp_path)

    assert lost != page
    assert (await api.get(f"/v1/jobs/{job['id']}")).json()["status"] == "completed"
