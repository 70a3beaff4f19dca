"""Endpoints and the log: filters, pages, switching off and on, deletion, retention, environments."""

from __future__ import annotations

from datetime import timedelta

import pytest

from affidavit.errors import Conflict, NotFound, RequestInvalid
from affidavit.infra.idempotency import Fingerprint
from affidavit.infra.ids import new_id
from affidavit.infra.retry_after import read_retry_after
from affidavit.webhooks import expiry
from affidavit.webhooks.event import EndpointStatus, EventType
from affidavit.webhooks.judgement import read_head
from affidavit.webhooks.schedule import DELAYS, JITTER, Schedule
from affidavit.webhooks.service import Change, WebhookPolicy, Webhooks
from affidavit.webhooks.views import DeliveryFilter
from tests.webhooks.conftest import ENV, TTL, Desk
from tests.webhooks.receiver import Receiver, answer

URL = "https://hooks.example/in"


async def test_endpoints_are_listed_newest_first_in_pages(desk: Desk) -> None:
    made = [(await desk.endpoint(URL)).id for _ in range(3)]

    first = await desk.webhooks.list(ENV, 2, None)
    second = await desk.webhooks.list(ENV, 2, first.next_cursor)

    assert [view.id for view in (*first.items, *second.items)] == made[::-1]
    assert second.next_cursor is None


async def test_cursor_that_is_not_ours_is_refused(desk: Desk) -> None:
    for cursor in ("x", "am9iXzAx", "====", "\u00e9"):
        with pytest.raises(RequestInvalid) as refusal:
            await desk.webhooks.list(ENV, 2, cursor)
        assert refusal.value.specific_code == "CURSOR_INVALID"


async def test_endpoint_changes_only_in_what_is_said(desk: Desk) -> None:
    endpoint = await desk.endpoint(URL, EventType.JOB_FAILED)

    changed = await desk.webhooks.change(ENV, endpoint.id, Change(description="new"))

    assert changed.description == "new"
    assert (changed.url, changed.events, changed.status) == (endpoint.url, endpoint.events, "enabled")


async def test_pending_messages_go_to_the_new_url(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(URL)
    await desk.completed_job()

    await desk.webhooks.change(ENV, endpoint.id, Change(url=receiver.url("/new")))
    await desk.send_all()

    assert [message.path for message in receiver.messages] == ["/new"]


async def test_disabling_makes_dead_letters_that_can_be_sent_once_it_is_enabled(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    off = await desk.webhooks.change(ENV, endpoint.id, Change(status=EndpointStatus.DISABLED))
    (dead,) = await desk.deliveries()
    assert (off.disabled_reason, dead.status, dead.last_error) == (
        "request",
        "exhausted",
        "endpoint_disabled",
    )
    for refused in (desk.webhooks.redeliver(ENV, dead.id), desk.webhooks.send_test(ENV, endpoint.id)):
        with pytest.raises(Conflict) as refusal:
            await refused
        assert refusal.value.specific_code == "WEBHOOK_DISABLED"

    on = await desk.webhooks.change(ENV, endpoint.id, Change(status=EndpointStatus.ENABLED))
    await desk.webhooks.redeliver(ENV, dead.id)
    await desk.send_all()

    assert (on.status, on.disabled_reason, on.disabled_at) == ("enabled", None, None)
    assert receiver.ids == [dead.message_id]


async def test_deleting_cancels_what_is_pending_and_keeps_the_log(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.send_all()
    await desk.completed_job()

    await desk.webhooks.delete(ENV, endpoint.id)

    with pytest.raises(NotFound):
        await desk.webhooks.get(ENV, endpoint.id)
    log = await desk.deliveries(endpoint_id=endpoint.id)
    assert [(each.status, each.last_error) for each in log] == [
        ("delivered", None),
        ("canceled", "endpoint_deleted"),
    ]
    assert await desk.sender().send_due() == 0
    with pytest.raises(Conflict):
        await desk.webhooks.redeliver(ENV, log[0].id)


async def test_test_event_takes_the_same_path(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(500), answer(204)]
    endpoint = await desk.endpoint(receiver.url(), EventType.JOB_FAILED)

    made = await desk.webhooks.send_test(ENV, endpoint.id)
    await desk.send_all()

    delivery = await desk.delivery(made.view.id)
    assert [attempt.status_code for attempt in delivery.log] == [500, 204]
    assert receiver.messages[0].json["type"] == "webhook.test"
    assert receiver.messages[0].json["data"] == {"endpoint_id": endpoint.id}


async def test_replayed_test_sends_no_second_event(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    key = Fingerprint("POST /test", "key", {})

    first = await desk.webhooks.send_test(ENV, endpoint.id, key)
    again = await desk.webhooks.send_test(ENV, endpoint.id, key)

    assert (again.view.id, again.replayed) == (first.view.id, True)
    assert len(await desk.deliveries()) == 1


async def test_replayed_redelivery_sends_no_third_message(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.send_all()
    (first,) = await desk.deliveries()
    key = Fingerprint("POST /redeliver", "key", {})

    for _ in range(2):
        await desk.webhooks.redeliver(ENV, first.id, None, key)
    await desk.send_all()

    assert len(receiver.messages) == 2


async def test_deliveries_are_filtered_and_paged(desk: Desk) -> None:
    endpoint = await desk.endpoint(URL, EventType.JOB_QUEUED, EventType.JOB_CANCELED)
    jobs = [await desk.job() for _ in range(3)]
    await desk.jobs.cancel(ENV, jobs[0])

    async def found(**wanted: object) -> int:
        return len(await desk.deliveries(**wanted))

    assert await found() == 4
    assert await found(job_id=jobs[0]) == 2
    assert await found(event_type="job.canceled") == 1
    assert await found(status="pending", endpoint_id=endpoint.id) == 4
    assert await found(status="exhausted") == 0
    (newest,) = await desk.deliveries(event_type="job.canceled")
    assert await found(created_after=newest.created_at) == 1
    assert await found(created_before=newest.created_at) == 3
    first = await desk.webhooks.deliveries(ENV, DeliveryFilter(), 3, None)
    second = await desk.webhooks.deliveries(ENV, DeliveryFilter(), 3, first.next_cursor)
    ids = [view.id for view in (*first.items, *second.items)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 4


async def test_another_environment_sees_nothing_and_changes_nothing(desk: Desk, other: Desk) -> None:
    endpoint = await desk.endpoint(URL)
    await desk.completed_job()
    (owed,) = await desk.deliveries()
    theirs, webhooks = other.environment_id, other.webhooks

    for refused in (
        webhooks.get(theirs, endpoint.id),
        webhooks.change(theirs, endpoint.id, Change(url="https://evil.example/")),
        webhooks.delete(theirs, endpoint.id),
        webhooks.rotate_secret(theirs, endpoint.id, timedelta(0)),
        webhooks.send_test(theirs, endpoint.id),
        webhooks.delivery(theirs, owed.id),
        webhooks.redeliver(theirs, owed.id),
    ):
        with pytest.raises(NotFound):
            await refused
    assert (await webhooks.list(theirs, 20, None)).items == ()
    assert await other.deliveries(endpoint_id=endpoint.id) == []
    assert (await desk.webhooks.get(ENV, endpoint.id)).url == URL
    assert len(await desk.deliveries()) == 1


async def test_delivery_to_one_endpoint_is_not_found_under_another(desk: Desk) -> None:
    endpoint = await desk.endpoint(URL)
    await desk.completed_job()
    (owed,) = await desk.deliveries()

    with pytest.raises(NotFound):
        await desk.webhooks.delivery(ENV, owed.id, new_id("wh"))
    assert (await desk.webhooks.delivery(ENV, owed.id, endpoint.id)).id == owed.id


async def test_endpoints_of_one_environment_are_limited(desk: Desk) -> None:
    few = Webhooks(desk.db, desk.vault, WebhookPolicy(1, TTL))
    await few.create(ENV, URL, "", ())

    with pytest.raises(Conflict) as refusal:
        await few.create(ENV, URL, "", ())

    assert refusal.value.specific_code == "WEBHOOK_LIMIT"


async def test_log_is_kept_for_thirty_days_after_the_end(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.send_all()
    await desk.completed_job()
    for days, left in ((29, 2), (31, 1)):
        await desk.db.fetch(
            "UPDATE webhook_deliveries SET ended_at = now() - $1::interval WHERE ended_at IS NOT NULL",
            timedelta(days=days),
        )
        await expiry.sweep(desk.db, timedelta(days=30))
        assert len(await desk.deliveries()) == left
    (kept,) = await desk.deliveries()
    assert kept.status == "pending"
    assert await desk.db.fetch("SELECT FROM webhook_attempts") == []


def test_schedule_is_the_published_one_with_jitter_upwards() -> None:
    schedule = Schedule()

    for attempts in range(1, len(DELAYS)):
        delay = schedule.delay_after(attempts)
        assert delay is not None
        assert DELAYS[attempts] <= delay <= DELAYS[attempts] * (1 + JITTER)
    assert schedule.delay_after(len(DELAYS)) is None
    assert sum(DELAYS, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)


def test_retry_after_lengthens_a_wait_and_never_shortens_it() -> None:
    schedule = Schedule()

    assert schedule.delay_after(1, timedelta(minutes=3)) == timedelta(minutes=3)
    assert (schedule.delay_after(4, timedelta(seconds=1)) or timedelta(0)) >= DELAYS[4]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),  # has passed
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("9" * 30, None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_nonsense_as_nothing(
    said: str | None, seconds: int | None
) -> None:
    read = read_retry_after(said)

    assert read == (None if seconds is None else timedelta(seconds=seconds))


def test_head_of_an_answer_is_text_that_the_database_holds() -> None:
    head = read_head(b"\x00\xff ok \x1b[31m" + "é".encode() * 2000)

    assert "\x00" not in head
    assert "\x1b" not in head
    assert len(head) <= 1024
    assert "ok" in head
