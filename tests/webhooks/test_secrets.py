"""Signatures that the libraries of receivers accept, secrets that are shown once, and rotation."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
import standardwebhooks
import structlog
import svix.webhooks

from affidavit.errors import Conflict, NotFound
from affidavit.infra.idempotency import Fingerprint
from affidavit.infra.secrets import Vault
from affidavit.jobs.submission import WebhookRef
from affidavit.webhooks import expiry
from affidavit.webhooks.sending import Sender
from affidavit.webhooks.signing import SecretInvalid, check_secret, new_secret
from tests.webhooks.conftest import ENV, POLICY, Desk, loopback
from tests.webhooks.receiver import Message, Receiver, answer

HOUR = timedelta(hours=1)
KEY = Fingerprint("POST /here", "key-1", {"url": "digest"})


def verifies(message: Message, secret: str) -> bool:
    """Ask both libraries, which must agree."""
    said = set()
    for library, refusal in (
        (standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError),
        (svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
    ):
        try:
            library(secret).verify(message.body, message.headers)
            said.add(True)
        except refusal:
            said.add(False)
    assert len(said) == 1
    return said.pop()


async def test_both_libraries_accept_the_signature_of_every_attempt(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(500), answer(500), answer(204)]
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()

    await desk.send_all()

    assert len(receiver.messages) == 3
    assert all(verifies(message, desk.secrets[endpoint.id]) for message in receiver.messages)
    assert not verifies(receiver.messages[0], new_secret())


async def test_altered_body_is_refused(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    await desk.send_all()
    (message,) = receiver.messages

    message.body = message.body.replace(b"completed", b"failed", 1)

    assert not verifies(message, desk.secrets[endpoint.id])


async def test_while_rotating_both_secrets_sign_and_afterwards_the_new_one(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint = await desk.endpoint(receiver.url())
    old = desk.secrets[endpoint.id]
    made = await desk.webhooks.rotate_secret(ENV, endpoint.id, HOUR)
    new = made.secret or ""
    await desk.completed_job()
    await desk.send_all()
    await desk.db.fetch("UPDATE webhook_endpoints SET previous_until = now() - interval '1 s'")
    await desk.completed_job()
    await desk.send_all()

    during, after = receiver.messages
    assert made.view.previous_secret_until is not None
    assert (verifies(during, old), verifies(during, new)) == (True, True)
    assert (verifies(after, old), verifies(after, new)) == (False, True)
    assert (await desk.webhooks.get(ENV, endpoint.id)).previous_secret_until is None


async def test_rotation_without_overlap_ends_the_old_secret_at_once(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.completed_job()
    made = await desk.webhooks.rotate_secret(ENV, endpoint.id, timedelta(0))

    await desk.send_all()

    (message,) = receiver.messages
    assert not verifies(message, desk.secrets[endpoint.id])
    assert verifies(message, made.secret or "")


async def test_sweep_forgets_secrets_past_their_overlap(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    await desk.webhooks.rotate_secret(ENV, endpoint.id, HOUR)
    await desk.db.fetch("UPDATE webhook_endpoints SET previous_until = now() - interval '1 s'")

    await expiry.sweep(desk.db, timedelta(days=30))

    (row,) = await desk.db.fetch("SELECT sealed_previous FROM webhook_endpoints")
    assert row["sealed_previous"] is None


async def test_own_secret_of_a_submission_signs_and_the_default_does_not(
    desk: Desk, receiver: Receiver
) -> None:
    own = new_secret()
    await desk.completed_job(webhook=WebhookRef(receiver.url(), own))
    default = await desk.webhooks.default_secrets.reveal(ENV)

    await desk.send_all()

    (message,) = receiver.messages
    assert verifies(message, own)
    assert not verifies(message, default.secret or "")


async def test_default_secret_is_made_at_first_use_and_can_be_shown_once(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.completed_job(webhook=WebhookRef(receiver.url()))
    await desk.send_all()

    shown = await desk.webhooks.default_secrets.reveal(ENV)

    assert verifies(receiver.messages[0], shown.secret or "")
    with pytest.raises(Conflict) as refusal:
        await desk.webhooks.default_secrets.reveal(ENV)
    assert refusal.value.specific_code == "WEBHOOK_SECRET_SHOWN"


async def test_default_secret_rotates_with_an_overlap(desk: Desk, receiver: Receiver) -> None:
    old = (await desk.webhooks.default_secrets.reveal(ENV)).secret or ""
    made = await desk.webhooks.default_secrets.rotate(ENV, HOUR)
    await desk.completed_job(webhook=WebhookRef(receiver.url()))

    await desk.send_all()

    (message,) = receiver.messages
    assert verifies(message, old)
    assert verifies(message, made.secret or "")


async def test_default_secrets_of_environments_are_their_own(desk: Desk, other: Desk) -> None:
    mine = await desk.webhooks.default_secrets.reveal(desk.environment_id)

    with pytest.raises(NotFound):
        await other.webhooks.default_secrets.get(other.environment_id)
    theirs = await other.webhooks.default_secrets.reveal(other.environment_id)

    assert mine.secret != theirs.secret


async def test_replay_shows_no_secret(desk: Desk, receiver: Receiver) -> None:
    first = await desk.webhooks.create(ENV, receiver.url(), "", (), KEY)

    again = await desk.webhooks.create(ENV, receiver.url(), "", (), KEY)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.view.id == first.view.id
    assert (first.secret is None, again.secret) == (False, None)


async def test_replayed_rotation_rotates_nothing(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url())
    new = (await desk.webhooks.rotate_secret(ENV, endpoint.id, timedelta(0), KEY)).secret or ""

    again = await desk.webhooks.rotate_secret(ENV, endpoint.id, timedelta(0), KEY)
    await desk.completed_job()
    await desk.send_all()

    assert (again.replayed, again.secret) == (True, None)
    assert verifies(receiver.messages[0], new)


async def test_secrets_lie_in_the_database_sealed_and_never_in_logs(desk: Desk, receiver: Receiver) -> None:
    receiver.script = [answer(500), answer(204)]
    own = new_secret()
    with structlog.testing.capture_logs() as lines:
        endpoint = await desk.endpoint(receiver.url("/path-token?query-token=1"))
        await desk.completed_job(webhook=WebhookRef(receiver.url("/other-token"), own))
        await desk.send_all()

    tables = ("webhook_endpoints", "webhook_secrets", "webhook_deliveries", "webhook_attempts", "jobs")
    rows = str([await desk.db.fetch(f"SELECT t.* FROM {table} t") for table in tables])
    for secret in (own, desk.secrets[endpoint.id]):
        for spelling in (secret, secret[6:], base64.b64decode(secret[6:]).hex(), secret.encode().hex()):
            assert spelling not in rows
            assert spelling not in str(lines)
    assert any(line["event"] == "webhook.attempted" for line in lines)
    assert "token" not in str(lines)


async def test_secret_that_cannot_be_opened_is_a_failed_attempt_and_nothing_is_sent(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint(receiver.url())
    await desk.completed_job()
    stranger = Sender(desk.db, Vault("another-secret-key-of-another-installation"), POLICY, resolver=loopback)

    await stranger.send_due()

    (owed,) = await desk.deliveries()
    assert (owed.status, owed.last_error) == ("pending", "secret_unreadable")
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "plain",
        "whsec_not base64",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsk_" + base64.b64encode(b"x" * 32).decode(),
    ],
)
def test_weak_and_malformed_secrets_are_refused(text: str) -> None:
    with pytest.raises(SecretInvalid):
        check_secret(text)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_the_specified_lengths_are_taken(size: int) -> None:
    check_secret("whsec_" + base64.b64encode(b"x" * size).decode())


def test_made_secrets_are_such_secrets_and_differ() -> None:
    made = {new_secret() for _ in range(50)}

    assert len(made) == 50
    for secret in made:
        check_secret(secret)
