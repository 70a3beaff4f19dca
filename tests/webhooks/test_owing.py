"""An event owes its deliveries in its own transaction: the right ones, each once, with frozen bytes."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from affidavit.api import openapi
from affidavit.api.endpoints import ENDPOINTS
from affidavit.api.webhook_messages import DisabledMessage, JobMessage
from affidavit.bundle.merkle import EMPTY_ROOT
from affidavit.engine.spec import Operation
from affidavit.evidence import repository as bundles
from affidavit.evidence.manifest import Chunks, Contents, Pages
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.infra.db import SYSTEM
from affidavit.infra.ids import new_id
from affidavit.infra.keyring import Keyring
from affidavit.jobs.models import Job
from affidavit.jobs.status import JobStatus
from affidavit.jobs.submission import Priority, Submission, Upload, WebhookRef
from affidavit.jobs.transitions import move
from affidavit.webhooks import ending
from affidavit.webhooks.event import ENDS, DisabledReason, EventType
from tests.conftest import ROOT
from tests.webhooks.conftest import ENV, Desk, hurried
from tests.webhooks.receiver import Receiver, answer

URL = "https://hooks.example/in"
DOCUMENT = openapi.build(ENDPOINTS, version="1", public_url="http://affidavit")
TOLD = tuple(event for event in EventType if event.startswith("job.") and event != EventType.JOB_PROGRESS)


async def events(desk: Desk, **wanted: str) -> list[str]:
    return [each.event_type for each in await desk.deliveries(**wanted)]


async def test_accepted_job_owes_its_first_event_at_once(desk: Desk) -> None:
    endpoint = await desk.endpoint(URL, EventType.JOB_QUEUED)

    job_id = await desk.job(metadata={"po": "4711"})

    (owed,) = await desk.deliveries()
    delivery = await desk.delivery(owed.id)
    assert (owed.endpoint_id, owed.job_id, owed.sequence) == (endpoint.id, job_id, 1)
    assert owed.message_id == f"msg_{job_id.removeprefix('job_')}_1"
    said = json.loads(delivery.payload or b"")
    assert said["type"] == "job.queued"
    assert said["data"]["status"] == "queued"
    assert said["data"]["metadata"] == {"po": "4711"}
    assert said["data"]["links"] == {"job": f"/v1/jobs/{job_id}", "result": None, "bundle": None}


async def test_every_move_owes_its_event_in_order(desk: Desk) -> None:
    await desk.endpoint(URL, *TOLD)
    job_id = await desk.job()
    await desk.move(job_id, JobStatus.PROCESSING)
    await desk.move(job_id, JobStatus.REVIEW_REQUIRED)
    await desk.move(job_id, JobStatus.COMPLETED)

    owed = await desk.deliveries()

    assert [(each.event_type, each.sequence) for each in owed] == [
        ("job.queued", 1),
        ("job.review_required", 3),
        ("job.completed", 4),
    ]


async def test_every_message_has_the_shape_that_the_api_document_says(desk: Desk) -> None:
    endpoint = await desk.endpoint(URL, *EventType)
    failed = await desk.job(metadata={"po": "4711"})
    await desk.move(failed, JobStatus.PROCESSING)
    await progress(desk, failed, 10)
    error = {"code": "CORRUPT_DOCUMENT", "message": "Damaged.", "category": "input", "retryable": False}
    await desk.move(failed, JobStatus.FAILED, error=error)
    await desk.completed_job()
    await desk.jobs.cancel(ENV, await batch(desk, 1))
    await ending.disable(desk.db, ENV, (await desk.endpoint(URL)).id, DisabledReason.GONE)

    for owed in await desk.deliveries(endpoint_id=endpoint.id):
        model = DisabledMessage if owed.event_type == "endpoint.disabled" else JobMessage
        model.model_validate_json((await desk.delivery(owed.id)).payload or b"")
        # and each type is described
        assert owed.event_type in DOCUMENT["webhooks"]
    assert {each.event_type for each in await desk.deliveries(endpoint_id=endpoint.id)} >= {
        "job.queued", "job.progress", "job.failed", "job.completed", "job.canceled", "endpoint.disabled",
    }  # fmt: skip


@pytest.mark.parametrize("event", list(EventType))
def test_every_message_is_described_with_an_example_that_is_true(event: EventType) -> None:
    body = DOCUMENT["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]
    model = DisabledMessage if event is EventType.ENDPOINT_DISABLED else JobMessage

    assert model.model_validate(body["example"]).type == event
    assert body["schema"]["$ref"].endswith(f"/{model.__name__}")
    assert model.__name__ in DOCUMENT["components"]["schemas"]


def sealed_bundle(job_id: str, folder: Path) -> SealedBundle:
    at = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
    contents = Contents(
        bundle_id=new_id("ev"),
        environment_id=ENV,
        job_id=job_id,
        operation="parse",
        attempt=1,
        parent=None,
        submitted_at=at,
        sealed_at=at,
        source=None,
        pages=Pages(total=1, included="1"),
        options={},
        engine={},
        chunks=Chunks(0, EMPTY_ROOT.hex()),
        artifacts=(),
        log_origin="tests.example/log",
    )
    return seal(contents, Keyring(folder).current())


async def test_sealed_bundle_owes_its_event_with_the_job_as_it_is_then(desk: Desk, tmp_path: Path) -> None:
    endpoint = await desk.endpoint(URL, EventType.BUNDLE_CREATED)
    await desk.endpoint(URL, EventType.JOB_FAILED)
    job_id = await desk.completed_job(metadata={"po": "4711"}, webhook=WebhookRef("https://own.example/x"))
    before = await desk.deliveries()

    sealed = sealed_bundle(job_id, tmp_path / "keys")
    async with desk.db.begin(SYSTEM) as session:
        await bundles.add(session, sealed)

    (owed,) = [each for each in await desk.deliveries() if each not in before]
    bundle_id = sealed.contents.bundle_id
    assert (owed.endpoint_id, owed.job_id, owed.event_type) == (endpoint.id, job_id, "bundle.created")
    assert owed.message_id == f"msg_{bundle_id.removeprefix('ev_')}"
    payload = (await desk.delivery(owed.id)).payload or b""
    said = JobMessage.model_validate_json(payload).data
    assert (said.bundle_id, said.manifest_sha256) == (bundle_id, sealed.manifest_sha256)
    assert (said.status, said.metadata) == ("completed", {"po": "4711"})
    assert said.links.bundle == f"/v1/bundles/{bundle_id}"


async def test_bundle_that_is_rolled_back_owes_nothing(desk: Desk, tmp_path: Path) -> None:
    await desk.endpoint(URL, EventType.BUNDLE_CREATED)
    job_id = await desk.completed_job()
    with pytest.raises(ZeroDivisionError):
        async with desk.db.begin(SYSTEM) as session:
            await bundles.add(session, sealed_bundle(job_id, tmp_path / "keys"))
            raise ZeroDivisionError

    assert await desk.deliveries() == []


async def test_move_that_is_rolled_back_owes_nothing(desk: Desk) -> None:
    await desk.endpoint(URL)
    job_id = await desk.job()
    with pytest.raises(ZeroDivisionError):
        async with desk.db.begin(SYSTEM) as session:
            assert await move(session, job_id, JobStatus.CANCELED) is not None
            raise ZeroDivisionError

    assert await desk.deliveries() == []
    assert (await desk.jobs.get(ENV, job_id)).status == "queued"


async def test_move_that_another_was_first_with_owes_nothing_more(desk: Desk) -> None:
    await desk.endpoint(URL)
    job_id = await desk.job()
    await asyncio.gather(*(desk.jobs.cancel(ENV, job_id) for _ in range(5)), return_exceptions=True)

    assert await events(desk) == ["job.canceled"]


async def test_failed_job_says_why_and_a_completed_one_what_it_made(desk: Desk) -> None:
    await desk.endpoint(URL)
    failed = await desk.job()
    await desk.move(failed, JobStatus.PROCESSING)
    error = {"code": "CORRUPT_DOCUMENT", "message": "Damaged.", "category": "input", "retryable": False}
    await desk.move(failed, JobStatus.FAILED, error=error)
    completed = await desk.completed_job()

    first, second = [
        json.loads((await desk.delivery(each.id)).payload or b"") for each in await desk.deliveries()
    ]

    assert first["data"]["error"] == {**error, "phase": None, "page": None}
    assert first["data"]["result_sha256"] is None
    assert second["data"]["error"] is None
    assert second["data"]["result_sha256"] == "b" * 64
    assert second["data"]["links"]["result"] == f"/v1/jobs/{completed}/result"


async def test_batch_owes_the_end_of_each_job_and_its_own(desk: Desk) -> None:
    await desk.endpoint(URL)
    parent = await batch(desk, 2)
    children = await desk.db.fetch("SELECT id FROM jobs WHERE parent_id = $1 ORDER BY position", parent)
    for child in children:
        await desk.move(child["id"], JobStatus.PROCESSING)
    await desk.move(children[0]["id"], JobStatus.COMPLETED)
    await desk.move(children[1]["id"], JobStatus.FAILED)

    assert await events(desk) == ["job.completed", "job.failed", "batch.completed"]
    assert await events(desk, job_id=parent) == ["batch.completed"]


async def test_canceled_batch_owes_one_cancellation_for_each_job_and_one_of_its_own(desk: Desk) -> None:
    await desk.endpoint(URL)
    parent = await batch(desk, 3)

    await desk.jobs.cancel(ENV, parent)

    owed = await desk.deliveries()
    assert [each.event_type for each in owed] == ["job.canceled"] * 4
    assert len({each.job_id for each in owed}) == 4
    assert len({each.message_id for each in owed}) == 4


async def test_only_what_was_asked_for_is_owed_to_enabled_endpoints_of_the_environment(
    desk: Desk, other: Desk
) -> None:
    asked = await desk.endpoint(URL, EventType.JOB_CANCELED)
    await desk.endpoint(URL, EventType.JOB_COMPLETED)
    deleted = await desk.endpoint(URL, EventType.JOB_CANCELED)
    await desk.webhooks.delete(ENV, deleted.id)
    await other.endpoint(URL, EventType.JOB_CANCELED)

    await desk.jobs.cancel(ENV, await desk.job())

    assert [each.endpoint_id for each in await desk.deliveries()] == [asked.id]
    assert await other.deliveries() == []


async def test_webhook_of_a_submission_is_told_of_the_end_alone(desk: Desk) -> None:
    job_id = await desk.completed_job(webhook=WebhookRef("https://caller.example/done?token=1"))

    (owed,) = await desk.deliveries()
    assert (owed.event_type, owed.job_id, owed.endpoint_id) == ("job.completed", job_id, None)
    assert owed.origin == "https://caller.example", "paths and queries may be secrets"


async def test_webhook_of_a_batch_is_told_of_the_end_of_the_batch(desk: Desk) -> None:
    parent = await batch(desk, 1, webhook=WebhookRef("https://caller.example/done"))
    (child,) = await desk.db.fetch("SELECT id FROM jobs WHERE parent_id = $1", parent)
    await desk.move(child["id"], JobStatus.PROCESSING)
    await desk.move(child["id"], JobStatus.COMPLETED)

    assert await events(desk) == ["batch.completed"]


async def test_retry_tells_the_same_webhook_with_the_same_secret(desk: Desk, receiver: Receiver) -> None:
    own = WebhookRef(receiver.url(), "whsec_" + "A" * 43 + "=")
    job_id = await desk.job(webhook=own)
    await desk.move(job_id, JobStatus.CANCELED)
    await desk.db.fetch(
        "UPDATE jobs SET document_id = NULL, source = $1 WHERE id = $2", {"type": "url", "url": URL}, job_id
    )

    again = (await desk.jobs.retry(ENV, job_id, None)).job.id
    await desk.jobs.cancel(ENV, again)
    await desk.send_all()

    signatures = [message.headers["webhook-signature"] for message in receiver.messages]
    assert [message.json["data"]["job_id"] for message in receiver.messages] == [job_id, again]
    assert all(len(signature.split(" ")) == 1 for signature in signatures)
    assert {each.status for each in await desk.deliveries()} == {"delivered"}


async def test_progress_that_nobody_has_seen_is_replaced_by_newer_progress(desk: Desk) -> None:
    await desk.endpoint(URL, EventType.JOB_PROGRESS)
    job_id = await desk.job()
    await desk.move(job_id, JobStatus.PROCESSING)
    for percent in (10, 20, 30):
        await progress(desk, job_id, percent)

    (owed,) = await desk.deliveries()
    said = json.loads((await desk.delivery(owed.id)).payload or b"")
    assert said["type"] == "job.progress"
    assert said["data"]["progress"]["percent"] == 30
    assert said["data"]["sequence"] == 2


async def test_progress_on_its_way_keeps_its_bytes_and_newer_progress_follows(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [answer(204)]
    await desk.endpoint(receiver.url(), EventType.JOB_PROGRESS)
    job_id = await desk.job()
    await desk.move(job_id, JobStatus.PROCESSING)
    await progress(desk, job_id, 10)
    await desk.send_all()
    await progress(desk, job_id, 20)
    await progress(desk, job_id, 30)
    await desk.send_all()

    assert [message.json["data"]["progress"]["percent"] for message in receiver.messages] == [10, 30]
    assert len(set(receiver.ids)) == 2


async def test_progress_that_failed_is_not_tried_again_once_there_is_newer_news(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [answer(500), answer(204)]
    await desk.endpoint(receiver.url(), EventType.JOB_PROGRESS, EventType.JOB_COMPLETED)
    job_id = await desk.job()
    await desk.move(job_id, JobStatus.PROCESSING)
    await progress(desk, job_id, 10)
    await desk.sender(hurried()).send_due()
    await desk.move(job_id, JobStatus.COMPLETED)
    receiver.script = [answer(500), answer(204)]

    await desk.send_all()

    assert [(each.event_type, each.status, each.last_error) for each in await desk.deliveries()] == [
        ("job.progress", "canceled", "superseded"),
        ("job.completed", "delivered", None),
    ]


async def test_progress_is_not_owed_to_those_who_did_not_ask(desk: Desk) -> None:
    await desk.endpoint(URL)
    job_id = await desk.job(webhook=WebhookRef(URL))
    await desk.move(job_id, JobStatus.PROCESSING)
    await progress(desk, job_id, 10)

    assert await desk.deliveries() == []


async def test_message_stays_below_twenty_kilobytes_whatever_the_labels(desk: Desk) -> None:
    await desk.endpoint(URL)
    labels = {f"k{n}": "\u2028" * 500 for n in range(50)}

    await desk.completed_job(metadata=labels)

    (owed,) = await desk.deliveries()
    payload = (await desk.delivery(owed.id)).payload or b""
    assert len(payload) < 20_000
    assert json.loads(payload)["data"]["metadata"] is None


async def test_bytes_are_those_of_the_moment_of_the_event(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url(), EventType.JOB_QUEUED)
    job_id = await desk.job()
    await desk.move(job_id, JobStatus.PROCESSING)

    await desk.send_all()

    assert receiver.messages[0].json["data"]["status"] == "queued"


async def test_ids_of_the_trigger_sort_with_those_of_the_service(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    await asyncio.sleep(0.002)  # ids of two makers sort by the millisecond
    made = await desk.webhooks.send_test(ENV, endpoint.id)

    assert [each.event_type for each in await desk.deliveries()] == ["job.completed", "webhook.test"]
    assert re.fullmatch(r"dlv_[0-7][0-9a-hjkmnp-tv-z]{25}", (await desk.deliveries())[0].id)
    assert made.view.event_type == "webhook.test"


def test_trigger_tells_submissions_of_the_same_ends_as_endpoints_by_default() -> None:
    migration = (Path(ROOT) / "migrations/versions/0003_webhooks.py").read_text()
    listed = re.search(r"told IN \(([^)]*)\)", migration)

    assert listed is not None
    assert set(re.findall(r"'([^']+)'", listed[1])) == set(ENDS)


async def batch(desk: Desk, size: int, webhook: WebhookRef | None = None) -> str:
    items = [
        Submission(Operation.PARSE, Upload("a" * 64, 10, "application/pdf", f"{n}.pdf")) for n in range(size)
    ]
    accepted = await desk.jobs.submit_batch(ENV, items, {}, Priority.NORMAL, webhook=webhook)
    return accepted.job.id


async def progress(desk: Desk, job_id: str, percent: int) -> None:
    async with desk.db.begin(SYSTEM) as session:
        await session.execute(update(Job).where(Job.id == job_id).values(percent=percent, stage="ocr"))
