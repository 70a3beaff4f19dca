"""What becomes of a message, for everything that a receiver may do to it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from affidavit.infra.db import Database
from affidavit.jobs.submission import WebhookRef
from affidavit.webhooks import leasing
from affidavit.webhooks.event import EventType
from affidavit.webhooks.leasing import Limits
from affidavit.webhooks.schedule import DELAYS, Schedule
from tests.webhooks.conftest import ENV, POLICY, Desk, hurried
from tests.webhooks.receiver import (
    Behaviour,
    Receiver,
    answer,
    babble,
    drip,
    drop,
    flood,
    hang,
    receiving,
    reset,
)

OK = answer(204)
IMPATIENT = hurried(total_seconds=0.5, read_seconds=0.5)


async def test_message_that_is_accepted_is_delivered_once(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(200, body=b"thanks")]
    await desk.endpoint(receiver.url())
    job_id = await desk.completed_job()

    await desk.send_all()

    (owed,) = await desk.deliveries()
    delivery = await desk.delivery(owed.id)
    assert delivery.status == "delivered"
    assert delivery.payload == receiver.messages[0].body
    assert receiver.ids == [f"msg_{job_id.removeprefix('job_')}_3"]
    (attempt,) = delivery.log
    assert (attempt.n, attempt.status_code, attempt.error, attempt.response_head) == (1, 200, None, "thanks")
    assert attempt.latency_ms >= 0


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        pytest.param(answer(500, body=b"oops"), 500, "status", id="500"),
        pytest.param(answer(404), 404, "status", id="404"),
        pytest.param(answer(429, "Retry-After: 0"), 429, "status", id="429"),
        pytest.param(answer(503), 503, "status", id="503"),
        pytest.param(answer(301, "Location: /elsewhere"), 301, "redirect", id="301"),
        pytest.param(answer(307, "Location: http://169.254.169.254/"), 307, "redirect", id="307"),
        pytest.param(answer(304), 304, "redirect", id="304"),
        pytest.param(hang, None, "timeout", id="hang"),
        pytest.param(drip, None, "timeout", id="slow drip"),
        pytest.param(reset, None, "broken", id="reset"),
        pytest.param(drop, None, "broken", id="dropped answer"),
        pytest.param(babble, None, "broken", id="not HTTP"),
    ],
)
async def test_message_that_fails_is_tried_again_under_the_same_id_until_it_is_accepted(
    desk: Desk, receiver: Receiver, fault: Behaviour, status: int | None, error: str
) -> None:
    receiver.script = [fault, fault, OK]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all(desk.sender(IMPATIENT))

    (owed,) = await desk.deliveries()
    delivery = await desk.delivery(owed.id)
    assert delivery.status == "delivered"
    assert [(attempt.status_code, attempt.error) for attempt in delivery.log] == [
        (status, error),
        (status, error),
        (204, None),
    ]
    assert receiver.ids == [delivery.message_id] * 3
    assert {message.body for message in receiver.messages} == {delivery.payload}
    assert {message.path for message in receiver.messages} == {"/hook"}


async def test_message_that_is_never_accepted_becomes_a_dead_letter_after_ten_attempts(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [answer(500)]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all()

    (dead,) = await desk.deliveries(status="exhausted")
    assert dead.attempts == len(DELAYS) == 10
    assert len(receiver.messages) == 10
    assert len(set(receiver.ids)) == 1


async def test_dead_letter_can_be_sent_again_under_its_id_with_its_bytes(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [answer(500)]
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.send_all()
    (dead,) = await desk.deliveries()
    receiver.script = [OK]

    made = await desk.webhooks.redeliver(ENV, dead.id)
    await desk.send_all()

    again = await desk.delivery(made.view.id)
    assert again.status == "delivered"
    assert again.redelivery_of == dead.id
    assert len(set(receiver.ids)) == 1
    assert receiver.messages[-1].body == receiver.messages[0].body
    assert (await desk.delivery(dead.id)).status == "exhausted"


async def test_pending_delivery_gives_way_to_its_redelivery(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    (first,) = await desk.deliveries()

    await desk.webhooks.redeliver(ENV, first.id)
    await desk.send_all()

    assert len(receiver.messages) == 1
    replaced = await desk.delivery(first.id)
    assert (replaced.status, replaced.last_error) == ("canceled", "redelivered")


async def test_endless_answer_is_read_to_its_first_bytes_only(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [flood]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all()

    (owed,) = await desk.deliveries()
    (attempt,) = (await desk.delivery(owed.id)).log
    assert attempt.status_code == 200
    assert attempt.response_head == "x" * 1024


async def test_410_disables_the_endpoint_and_tells_those_who_asked(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(410), OK]
    gone = await desk.endpoint(receiver.url("/gone"))
    await desk.completed_job()
    watching = await desk.endpoint(receiver.url("/watch"), EventType.ENDPOINT_DISABLED)

    await desk.send_all()

    view = await desk.webhooks.get(ENV, gone.id)
    assert (view.status, view.disabled_reason) == ("disabled", "gone")
    (dead,) = await desk.deliveries(endpoint_id=gone.id)
    assert (dead.status, dead.attempts) == ("exhausted", 1)
    notice = receiver.messages[-1]
    assert notice.path == "/watch"
    assert notice.json["type"] == "endpoint.disabled"
    assert notice.json["data"]["endpoint_id"] == gone.id
    assert notice.json["data"]["reason"] == "gone"
    assert "/gone" not in notice.body.decode(), "the notice shows a path, which may be a secret"
    assert (await desk.webhooks.get(ENV, watching.id)).status == "enabled"


async def test_endpoint_that_fails_for_five_days_is_disabled_and_its_backlog_listed(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [answer(500)]
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.completed_job()
    patient = replace(POLICY, schedule=Schedule(delays=(timedelta(0), *[timedelta(0)] * 50)))
    sender = desk.sender(replace(patient, disable_failures=4))
    for _ in range(2):
        await sender.send_due()
    assert (await desk.webhooks.get(ENV, endpoint.id)).status == "enabled"

    await desk.db.fetch("UPDATE webhook_lanes SET failing_since = failing_since - interval '121 hours'")
    await sender.send_due()

    view = await desk.webhooks.get(ENV, endpoint.id)
    assert (view.status, view.disabled_reason) == ("disabled", "failing")
    assert [each.status for each in await desk.deliveries()] == ["exhausted", "exhausted"]
    await desk.completed_job()
    assert len(await desk.deliveries()) == 2, "a disabled endpoint is owed nothing new"


async def test_one_success_starts_the_count_of_failures_anew(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(500), answer(500), OK]
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all()

    assert (await desk.webhooks.get(ENV, endpoint.id)).failing_since is None
    assert await desk.db.fetch("SELECT FROM webhook_lanes") == []


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(desk: Desk, receiver: Receiver, status: int) -> None:
    receiver.script = [answer(status, "Retry-After: 600")]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.sender().send_due()

    assert 590 < await seconds_until_due(desk) <= 600


async def test_retry_after_may_be_a_date(desk: Desk, receiver: Receiver) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    receiver.script = [answer(503, f"Retry-After: {later}")]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.sender().send_due()

    assert 500 < await seconds_until_due(desk) <= 600


async def test_retry_after_is_bounded(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(429, "Retry-After: 99999999")]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.sender().send_due()

    assert 86000 < await seconds_until_due(desk) <= 86400


async def test_certificate_that_nobody_vouches_for_is_refused(desk: Desk) -> None:
    strange, ours = trustme.CA(), trustme.CA()
    async with receiving(serving_tls(strange)) as receiver:
        await desk.endpoint(receiver.url())
        await desk.completed_job()

        await desk.sender(tls=trusting(ours)).send_due()

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.last_error) == ("pending", "tls")
    assert receiver.messages == []


async def test_message_goes_over_tls_to_the_name_of_the_url(desk: Desk) -> None:
    authority = trustme.CA()
    async with receiving(serving_tls(authority)) as receiver:
        await desk.endpoint(receiver.url())
        await desk.completed_job()

        await desk.send_all(desk.sender(tls=trusting(authority)))

    assert receiver.messages[0].headers["host"] == f"hooks.example:{receiver.port}"


async def test_public_name_that_leads_inside_is_refused_at_every_attempt(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint("https://hooks.example/hook")
    await desk.completed_job()

    await desk.send_all(desk.sender(hurried(allowed_networks=())))

    (owed,) = await desk.deliveries()
    delivery = await desk.delivery(owed.id)
    assert delivery.status == "exhausted"
    assert [attempt.error for attempt in delivery.log] == ["address_forbidden"] * 10
    assert receiver.connections == 0


async def test_name_that_moves_inside_after_the_first_attempt_is_refused_then(
    desk: Desk, receiver: Receiver
) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    receiver.script = [answer(500), OK]
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all(desk.sender(resolver=rebinding))

    (owed,) = await desk.deliveries()
    assert [attempt.error for attempt in (await desk.delivery(owed.id)).log] == [
        "status",
        "address_forbidden",
        None,
    ]


async def test_url_that_is_no_longer_allowed_is_a_failed_attempt(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.sender(hurried(allow_http=False)).send_due()

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.last_error, receiver.connections) == ("pending", "url_invalid", 0)


async def test_error_of_our_own_counts_as_an_attempt_so_that_no_message_is_leased_for_ever(
    desk: Desk, receiver: Receiver
) -> None:
    async def broken(_host: str, _port: int) -> list[str]:
        raise NotImplementedError

    await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all(desk.sender(resolver=broken))

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.attempts, owed.last_error) == ("exhausted", 10, "broken")


async def test_receiver_that_is_not_there_is_a_failed_attempt(desk: Desk) -> None:
    async with receiving() as receiver:
        url = receiver.url()
    await desk.endpoint(url)
    await desk.completed_job()

    await desk.sender().send_due()

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.last_error, owed.attempts) == ("pending", "unreachable", 1)


async def test_sender_that_dies_between_post_and_mark_causes_a_duplicate_with_the_same_id(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [hang, OK]
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    dying = asyncio.create_task(desk.sender().run(asyncio.Event()))
    await receiver.arrived(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await desk.sender().send_due() == 0, "the lease of the dead still holds"

    await end_leases(desk.db)
    await desk.send_all()

    assert len(receiver.messages) == 2
    assert len(set(receiver.ids)) == 1
    assert receiver.messages[0].body == receiver.messages[1].body


async def test_sender_that_lost_its_lease_marks_nothing(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    (stale,) = await leasing.lease(desk.db, 10, POLICY.lease, POLICY.limits)
    await end_leases(desk.db)
    await desk.send_all()

    assert await leasing.settle(desk.db, stale, failed(stale), POLICY.limits) is None

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.attempts) == ("delivered", 1)


async def test_several_senders_send_each_message_once(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url())
    jobs = [await desk.completed_job() for _ in range(20)]
    senders = [desk.sender() for _ in range(4)]

    await asyncio.gather(*(desk.send_all(sender) for sender in senders))

    assert len(receiver.messages) == len(set(receiver.ids)) == len(jobs)


async def test_slow_receiver_fills_its_own_slots_and_no_others(desk: Desk, receiver: Receiver) -> None:
    limits = Limits(lane_concurrency=2)
    async with receiving() as slow:
        slow.script = [hang]
        await desk.endpoint(slow.url(), EventType.JOB_QUEUED)
        for _ in range(10):
            await desk.job()
        await desk.endpoint(receiver.url(), EventType.JOB_QUEUED)
        for _ in range(5):
            await desk.job()
        stop = asyncio.Event()
        policy = replace(POLICY, limits=limits, concurrency=4, poll=timedelta(milliseconds=10))
        sending = asyncio.create_task(desk.sender(policy).run(stop))

        await receiver.arrived(5)

        assert slow.connections == 2
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_receiver_that_keeps_failing_gets_one_attempt_at_a_time_after_pauses(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.script = [answer(500)]
    await desk.endpoint(receiver.url(), EventType.JOB_QUEUED)
    for _ in range(10):
        await desk.job()
    limits = Limits(
        breaker_failures=5, breaker_pause=timedelta(hours=1), breaker_max_pause=timedelta(hours=4)
    )
    sender = desk.sender(replace(POLICY, limits=limits))
    await sender.send_due()
    assert len(receiver.messages) == 8, "the cap of one endpoint"
    assert await sender.send_due() == 0, "the breaker is open"

    await desk.db.fetch("UPDATE webhook_lanes SET open_until = now()")

    assert await sender.send_due() == 1
    assert await sender.send_due() == 0


async def test_accepted_probe_closes_the_breaker(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [*[answer(500)] * 8, OK]
    await desk.endpoint(receiver.url(), EventType.JOB_QUEUED)
    for _ in range(10):
        await desk.job()
    limits = Limits(
        breaker_failures=5, breaker_pause=timedelta(hours=1), breaker_max_pause=timedelta(hours=4)
    )
    sender = desk.sender(replace(POLICY, limits=limits))
    await sender.send_due()
    await desk.db.fetch("UPDATE webhook_lanes SET open_until = now()")
    await sender.send_due()

    await desk.send_all(sender)

    assert {each.status for each in await desk.deliveries()} == {"delivered"}


async def test_submissions_to_one_dead_origin_share_a_breaker_and_others_do_not(
    desk: Desk, receiver: Receiver
) -> None:
    async with receiving() as dead:
        url = dead.url()
    for path in ("/a", "/b"):
        await desk.completed_job(webhook=WebhookRef(url + path))
    await desk.completed_job(webhook=WebhookRef(receiver.url("/c")))

    await desk.sender().send_due()

    lanes = await desk.db.fetch("SELECT failures FROM webhook_lanes")
    assert [row["failures"] for row in lanes] == [2]
    assert len(receiver.messages) == 1


async def test_event_that_raced_with_the_end_of_its_endpoint_is_a_dead_letter(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.db.fetch(
        "UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = 'request' WHERE id = $1",
        endpoint.id,
    )

    await desk.sender().send_due()

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.last_error) == ("exhausted", "endpoint_disabled")
    assert receiver.messages == []


async def test_running_sender_delivers_soon_after_the_commit_and_stops_when_told(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint(receiver.url())
    stop = asyncio.Event()
    sending = asyncio.create_task(desk.sender().run(stop))
    await desk.completed_job()

    await receiver.arrived(1)

    stop.set()
    async with asyncio.timeout(60):
        await sending
    (owed,) = await desk.deliveries()
    assert owed.status == "delivered"


async def seconds_until_due(desk: Desk) -> float:
    row = await desk.db.fetch_row("SELECT extract(epoch FROM due_at - now()) AS s FROM webhook_deliveries")
    assert row is not None
    return float(row["s"])


async def end_leases(db: Database) -> None:
    await db.fetch(
        "UPDATE webhook_deliveries SET due_at = now(), leased_until = now() WHERE leased_until IS NOT NULL"
    )


def failed(held: leasing.Leased) -> leasing.Outcome:
    return leasing.Outcome(held.leased_at, 1, 500, leasing.Failure.STATUS, None)


def serving_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
