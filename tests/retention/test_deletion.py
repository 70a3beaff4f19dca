"""Deletion of a job's content: what goes, what stays, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from affidavit.infra.db import Database
from affidavit.jobs import execution, retention
from affidavit.jobs.claim import Fenced, ReadPage, Report
from tests.api.conftest import Api, Hand
from tests.retention.conftest import blobs_below, files_with, make_blobs_old, rows_with

CANARIES = {
    "text": "Sesquipedalian",
    "filename": "zanzibar-ledger",
    "label": "quokka-4711",
    "property": "kumquat_price",
    "result": "Marmalade",
    "error": "Gobbledygook",
}
RESULT = {"markdown": CANARIES["result"]}
KEPT = retention.Retention(
    results=timedelta(days=7),
    pages=timedelta(days=7),
    idempotency_keys=timedelta(days=30),
    files=timedelta(days=1),
    jobs=timedelta(days=90),
)


async def environment_of(api: Api) -> str:
    return (await api.services.accounts.authenticate(api.headers["Authorization"][7:])).environment_id


async def submitted(api: Api, text: str = CANARIES["text"], **fields: str) -> dict:
    """Submit a file with every canary in its request; `fields` as form fields."""
    data = {
        "schema": f'{{"type": "object", "properties": {{"{CANARIES["property"]}": {{"type": "number"}}}}}}',
        "metadata": f'{{"po": "{CANARIES["label"]}"}}',
        **fields,
    }
    files = {"file": (f"{CANARIES['filename']}.txt", text.encode())}
    answer = await api.send("POST", "/v1/extract", data=data, files=files)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def page(hand: Hand, environment_id: str, number: int = 1) -> ReadPage:
    """Store a page and its image as a worker would."""
    texts = [f"page {number}: {CANARIES['text']}", f"image {number} of {CANARIES['text']}"]
    read, image = [await hand.services.blobs.put_bytes(environment_id, text.encode()) for text in texts]
    return ReadPage(number, read, len(texts[0]), "native", image, len(texts[1]), 10, 10)


async def collected(db: Database, api: Api, folder: Path) -> None:
    make_blobs_old(folder)
    await retention.collect(db, api.services.blobs)


async def deleted(api: Api, job_id: str) -> dict:
    answer = await api.delete(f"/v1/jobs/{job_id}/content")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_no_byte_of_a_deleted_job_is_left_anywhere(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    job = await submitted(api)
    await hand.complete(RESULT, (await page(hand, await environment_of(api)),))
    words = CANARIES.values()
    before = await rows_with(db, words) | files_with(tmp_path, words)
    missed = [word for word in words if not any(word in place for place in before)]
    assert missed == [CANARIES["error"]], "the search does not find what is there"

    await deleted(api, job["id"])
    await collected(db, api, tmp_path)

    assert await rows_with(db, words) == set()
    assert files_with(tmp_path, words) == set()
    assert blobs_below(tmp_path) == []


async def test_the_tombstone_tells_what_was_purged_when_and_by_whom(api: Api, hand: Hand) -> None:
    environment_id = await environment_of(api)
    job = await submitted(api)
    pages = tuple([await page(hand, environment_id, number) for number in (1, 2)])
    stored = await hand.complete(RESULT, pages)

    gone = await deleted(api, job["id"])

    principal = await api.services.accounts.authenticate(api.headers["Authorization"][7:])
    assert gone["deleted_at"] is not None
    assert gone["deleted_by"] == principal.key_id
    assert [(each["kind"], each["count"], each["size_bytes"]) for each in gone["purged"]] == [
        ("result", 1, len(stored)),
        ("source", 1, len(CANARIES["text"])),
        ("page", 2, sum(each.size_bytes for each in pages)),
        ("page_image", 2, sum(each.image_size_bytes or 0 for each in pages)),
    ]
    assert gone["purged"][2]["sha256"] == sorted(each.sha256 for each in pages)
    assert (gone["status"], gone["metadata"], gone["result_available"]) == ("completed", {}, False)
    assert (await api.get(f"/v1/jobs/{job['id']}")).json() == gone


async def test_result_of_a_deleted_job_is_gone_by_a_code_of_its_own(api: Api, hand: Hand) -> None:
    job = await submitted(api)
    await hand.complete(RESULT)
    await deleted(api, job["id"])

    answer = await api.get(f"/v1/jobs/{job['id']}/result")

    assert (answer.status_code, answer.json()["code"]) == (410, "RESULT_DELETED")


async def test_events_and_usage_of_a_deleted_job_stay(api: Api, hand: Hand, db: Database) -> None:
    job = await submitted(api)
    await hand.complete(RESULT)
    before = await db.fetch("SELECT type, status FROM job_events ORDER BY seq")

    await deleted(api, job["id"])

    assert await db.fetch("SELECT type, status FROM job_events ORDER BY seq") == before
    assert len(await db.fetch("SELECT FROM usage_records")) == 1


async def test_error_of_a_deleted_job_keeps_its_code_and_loses_its_text(
    api: Api, hand: Hand, db: Database
) -> None:
    job = await submitted(api)
    await db.fetch("UPDATE job_tasks SET error = $1, failed_pages = $2", {"m": "x"}, [{"message": "x"}])
    await hand.fail()

    gone = await deleted(api, job["id"])

    assert gone["error"]["code"] == "CORRUPT_DOCUMENT"
    assert "damaged" not in gone["error"]["message"]
    tasks = await db.fetch("SELECT error, failed_pages FROM job_tasks")
    assert [tuple(task) for task in tasks] == [(None, [])]


async def test_deleting_again_changes_nothing(api: Api, hand: Hand, db: Database) -> None:
    job = await submitted(api)
    await hand.complete(RESULT)
    first = await deleted(api, job["id"])

    second = await deleted(api, job["id"])

    assert first == second


async def test_deletions_at_once_leave_one_tombstone(api: Api, hand: Hand, db: Database) -> None:
    job = await submitted(api)
    await hand.complete(RESULT)
    environment_id = await environment_of(api)

    keeping = api.services.keeping
    await asyncio.gather(*(keeping.delete_job(environment_id, job["id"], f"key_{n}") for n in range(6)))

    gone = (await api.get(f"/v1/jobs/{job['id']}")).json()
    assert [each["kind"] for each in gone["purged"]] == ["result", "source"]


@pytest.mark.parametrize("claimed", [False, True], ids=["queued", "processing"])
async def test_content_of_an_unfinished_job_is_not_deleted(api: Api, hand: Hand, claimed: bool) -> None:
    job = await submitted(api)
    if claimed:
        await hand.take()

    answer = await api.delete(f"/v1/jobs/{job['id']}/content")

    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_FINISHED")


async def test_worker_of_a_deleted_job_cannot_bring_anything_back(api: Api, hand: Hand, db: Database) -> None:
    environment_id = await environment_of(api)
    job = await submitted(api)
    held = await hand.take()
    await api.delete(f"/v1/jobs/{job['id']}")
    gone = await deleted(api, job["id"])
    late = Report(read=(await page(hand, environment_id),), failed=({"page": 2, "message": "late"},))

    with pytest.raises(Fenced):
        await execution.report(db, held, late, "reading")
    with pytest.raises(Fenced):
        await execution.complete(
            db,
            held,
            news=late,
            reading_key="reading",
            result_sha256="0" * 64,
            result_size_bytes=1,
            pages=1,
            policy=execution.ExecutionPolicy(),
        )

    assert await db.fetch("SELECT FROM page_checkpoints") == []
    assert await db.fetch("SELECT FROM blob_refs") == []
    assert (await api.get(f"/v1/jobs/{job['id']}")).json() == gone


async def test_legal_hold_refuses_deletion_and_outlasts_expiry(api: Api, hand: Hand, db: Database) -> None:
    job = await submitted(api)
    await hand.complete(RESULT, (await page(hand, await environment_of(api)),))
    await db.fetch("UPDATE jobs SET legal_hold = true, result_expires_at = now() - interval '1 day'")
    await db.fetch("UPDATE page_checkpoints SET created_at = now() - interval '1 year'")

    answer = await api.delete(f"/v1/jobs/{job['id']}/content")
    await retention.purge(db, KEPT)

    assert (answer.status_code, answer.json()["code"]) == (409, "LEGAL_HOLD")
    assert len(await db.fetch("SELECT FROM blob_refs")) == 4


async def test_file_of_a_job_on_hold_is_not_deleted(api: Api, hand: Hand, db: Database) -> None:
    file = (await api.upload(b"text")).json()
    await api.submitted(source={"file_id": file["id"]})
    await hand.complete(RESULT)
    await db.fetch("UPDATE jobs SET legal_hold = true")

    answer = await api.delete(f"/v1/files/{file['id']}")

    assert (answer.status_code, answer.json()["code"]) == (409, "LEGAL_HOLD")


async def test_what_another_job_needs_is_spared_until_that_is_deleted_too(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    environment_id = await environment_of(api)
    first = await submitted(api)
    await hand.complete(RESULT, (await page(hand, environment_id),))
    second = await submitted(api)
    await hand.complete(RESULT)

    gone = await deleted(api, first["id"])
    await collected(db, api, tmp_path)

    assert {each["kind"] for each in gone["purged"]} == {"result", "source"}
    assert len(await db.fetch("SELECT FROM page_checkpoints")) == 1
    result = await api.get(f"/v1/jobs/{second['id']}/result")
    assert result.json() == RESULT  # the same blob as the first one's
    image = await api.get(f"/v1/files/{second['file_id']}/pages/1/image")
    assert image.status_code == 200
    assert {each["kind"] for each in (await deleted(api, second["id"]))["purged"]} == {
        "result",
        "source",
        "page",
        "page_image",
    }
    await collected(db, api, tmp_path)
    assert blobs_below(tmp_path) == []


async def test_uploaded_file_outlives_the_content_of_its_job(api: Api, hand: Hand, db: Database) -> None:
    file = (await api.upload(b"text", "kept.txt")).json()
    job = await api.submitted(source={"file_id": file["id"]})
    await hand.complete(RESULT, (await page(hand, await environment_of(api)),))

    gone = await deleted(api, job["id"])

    assert {each["kind"] for each in gone["purged"]} == {"result", "page", "page_image"}
    kept = (await api.get(f"/v1/files/{file['id']}")).json()
    assert kept["filename"] == "kept.txt"
    assert (await api.get(f"/v1/files/{file['id']}/content")).content == b"text"


async def test_deleted_file_says_what_was_purged_and_keeps_no_name(
    api: Api, hand: Hand, db: Database
) -> None:
    file = (await api.upload(b"text", f"{CANARIES['filename']}.txt")).json()
    await api.submitted(source={"file_id": file["id"]})
    await hand.complete({}, (await page(hand, await environment_of(api)),))

    await api.delete(f"/v1/files/{file['id']}")

    gone = await api.get(f"/v1/files/{file['id']}")
    assert (gone.status_code, gone.json()["code"]) == (410, "FILE_DELETED")
    assert [each["kind"] for each in gone.json()["purged"]] == ["source", "page", "page_image"]
    assert gone.json()["purged"][0]["sha256"] == [file["sha256"]]
    assert gone.json()["deleted_by"].startswith("key_")
    again = await api.delete(f"/v1/files/{file['id']}")
    assert (again.status_code, again.json()["purged"]) == (410, gone.json()["purged"])
    assert await rows_with(db, [CANARIES["filename"]]) == set()


async def test_deleting_a_batch_deletes_all_its_items(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    items = [{"operation": "parse", "source": {"text": f"{CANARIES['text']} {n}"}} for n in range(3)]
    batch = (await api.post("/v1/jobs", {"items": items, "metadata": {"run": CANARIES["label"]}})).json()
    refused = await api.delete(f"/v1/jobs/{batch['id']}/content")
    for _ in items:
        await hand.complete(RESULT)

    gone = await deleted(api, batch["id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "JOB_NOT_FINISHED")
    assert gone["deleted_at"] is not None
    children = (await api.get(f"/v1/jobs?parent_id={batch['id']}")).json()["items"]
    assert [child["deleted_by"] for child in children] == [gone["deleted_by"]] * 3
    await collected(db, api, tmp_path)
    assert await rows_with(db, CANARIES.values()) == set()
    assert blobs_below(tmp_path) == []


async def test_batch_with_an_item_on_hold_is_refused_as_a_whole(api: Api, hand: Hand, db: Database) -> None:
    items = [{"operation": "parse", "source": {"text": f"item {n}"}} for n in range(2)]
    batch = (await api.post("/v1/jobs", {"items": items})).json()
    for _ in items:
        await hand.complete(RESULT)
    await db.fetch("UPDATE jobs SET legal_hold = true WHERE position = 1")

    answer = await api.delete(f"/v1/jobs/{batch['id']}/content")

    assert answer.json()["code"] == "LEGAL_HOLD"
    assert await db.fetch("SELECT FROM jobs WHERE deleted_at IS NOT NULL") == []


async def test_deliveries_of_a_deleted_job_say_no_more_than_ids_and_states(
    api: Api, hand: Hand, db: Database
) -> None:
    environment_id = await environment_of(api)
    await db.fetch(
        """
        INSERT INTO webhook_endpoints (id, environment_id, url, events, sealed_secret)
        VALUES ('wh_1', $1, 'https://example.com', ARRAY['job.queued', 'job.completed', 'job.failed'], '')
        """,
        environment_id,
    )
    failed = await submitted(api)
    await hand.fail()
    delivery = (
        "SELECT convert_from(payload, 'UTF8')::jsonb AS payload FROM webhook_deliveries ORDER BY sequence"
    )
    before = [row["payload"] for row in await db.fetch(delivery)]
    assert len(before) == 2
    assert CANARIES["label"] in str(before)

    await deleted(api, failed["id"])

    after = [row["payload"] for row in await db.fetch(delivery)]
    assert CANARIES["label"] not in str(after)
    assert after[1]["data"]["error"]["code"] == "CORRUPT_DOCUMENT"
    assert after[1]["data"]["error"]["message"] == ""
    assert [each["data"]["job_id"] for each in after] == [failed["id"]] * 2


async def test_key_of_a_deleted_job_still_answers_with_its_tombstone(api: Api, hand: Hand) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await api.post("/v1/parse", {"source": {"text": "text"}}, headers=headers)
    await hand.complete(RESULT)
    gone = await deleted(api, first.json()["id"])

    again = await api.post("/v1/parse", {"source": {"text": "text"}}, headers=headers)

    assert (again.status_code, again.json()) == (200, gone)


async def test_another_environments_job_is_not_found(api: Api, hand: Hand) -> None:
    job = await submitted(api)
    await hand.complete(RESULT)
    stranger = await api.as_key("another")

    answer = await stranger.delete(f"/v1/jobs/{job['id']}/content")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert (await api.get(f"/v1/jobs/{job['id']}/result")).status_code == 200
