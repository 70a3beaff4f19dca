"""Webhooks over HTTP: endpoints, their log, secrets, and the webhook of a submission."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from affidavit.accounts.principal import Scope
from affidavit.infra.secrets import Vault
from affidavit.settings import Settings
from affidavit.webhooks.sending import Sender
from affidavit.worker import send_policy
from tests.api.conftest import SCHEMA, SECRET_KEY, TEXT, Api, Hand, running, settings_for
from tests.webhooks.conftest import loopback
from tests.webhooks.receiver import Receiver
from tests.webhooks.test_secrets import verifies

URL = "https://hooks.example/in"


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_for(
        database_url,
        redis_url,
        tmp_path,
        webhook_allow_http=True,
        webhook_allowed_networks="127.0.0.0/8",
        webhook_schedule_scale=1e-6,
        webhook_max_endpoints=3,
    )


@pytest.fixture
async def anybody(settings: Settings) -> AsyncIterator[Api]:
    async with running(settings) as api:
        yield api


@pytest.fixture
async def api(anybody: Api) -> Api:
    return await anybody.as_key("one")


@pytest.fixture
def hand(anybody: Api) -> Hand:
    return Hand(anybody.services)


@pytest.fixture
def sender(anybody: Api, settings: Settings) -> Sender:
    """Return the sender as the worker would make it, but for the name server."""
    return Sender(anybody.services.db, Vault(SECRET_KEY), send_policy(settings), resolver=loopback)


async def created(api: Api, **body: Any) -> dict[str, Any]:
    answer = await api.post("/v1/webhooks", {"url": URL, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refused(api: Api, method: str, path: str, body: object, status: int, code: str) -> dict[str, Any]:
    answer = await api.send(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()


async def test_endpoint_lives_from_creation_to_deletion(api: Api) -> None:
    made = await api.post("/v1/webhooks", {"url": URL, "description": "books"})
    endpoint = made.json()
    path = made.headers["location"]

    assert endpoint["secret"].startswith("whsec_")
    assert endpoint["events"] == ["batch.completed", "job.canceled", "job.completed", "job.failed"]
    shown = (await api.get(path)).json()
    assert "secret" not in shown
    assert shown == {name: value for name, value in endpoint.items() if name != "secret"}
    changed = await api.send("PATCH", path, json={"events": ["job.failed"], "status": "disabled"})
    assert changed.json()["events"] == ["job.failed"]
    assert changed.json()["disabled_reason"] == "request"
    assert [item["id"] for item in (await api.get("/v1/webhooks")).json()["items"]] == [endpoint["id"]]
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert (await api.get("/v1/webhooks")).json() == {"items": [], "next_cursor": None}


async def test_same_key_gives_the_same_endpoint_without_its_secret(api: Api) -> None:
    key = {"Idempotency-Key": "one"}
    first = await api.post("/v1/webhooks", {"url": URL}, headers=key)

    again = await api.post("/v1/webhooks", {"url": URL}, headers=key)
    different = await api.post("/v1/webhooks", {"url": URL + "/b"}, headers=key)

    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert (again.json()["id"], again.json()["secret"]) == (first.json()["id"], None)
    assert (different.status_code, different.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


FORBIDDEN = "WEBHOOK_ADDRESS_FORBIDDEN"
INVALID = "WEBHOOK_URL_INVALID"
BAD_URLS = {
    "http://10.0.0.1/": FORBIDDEN,
    "https://169.254.169.254/latest": FORBIDDEN,
    "https://2130706434/": FORBIDDEN,
    "https://[::1]/": FORBIDDEN,
    "ftp://hooks.example/": INVALID,
    "https://user:password@hooks.example/": INVALID,
    "hooks.example": INVALID,
    "https://hooks.example/a b": INVALID,
}


async def test_url_is_judged_at_the_door_wherever_it_is_said(api: Api) -> None:
    path = f"/v1/webhooks/{(await created(api))['id']}"
    parse = {**TEXT, "operation": "parse"}

    for url, code in BAD_URLS.items():
        for method, where, body, pointer in (
            ("POST", "/v1/webhooks", {"url": url}, "/url"),
            ("PATCH", path, {"url": url}, "/url"),
            ("POST", "/v1/parse", {**TEXT, "webhook": url}, "/webhook/url"),
            ("POST", "/v1/jobs", {"items": [{**parse, "webhook": {"url": url}}]}, "/items/0/webhook/url"),
            ("POST", "/v1/jobs", {"items": [parse], "webhook": url}, "/webhook/url"),
        ):
            said = await refused(api, method, where, body, 422, code)
            assert said["errors"][0]["pointer"] == pointer
    assert (await api.get("/v1/jobs")).json()["items"] == []


async def test_bad_fields_are_named(api: Api) -> None:
    for body, pointer in (
        ({"url": URL, "events": ["job.started"]}, "/events/0"),
        ({"url": URL, "events": []}, "/events"),
        ({"url": URL, "secret": "x"}, "/secret"),
        ({}, "/url"),
    ):
        said = await refused(api, "POST", "/v1/webhooks", body, 422, "REQUEST_INVALID")
        assert said["errors"][0]["pointer"] == pointer
    webhook = {"url": URL, "secret": "whsec_short"}
    said = await refused(
        api, "POST", "/v1/parse", {**TEXT, "webhook": webhook}, 422, "WEBHOOK_SECRET_INVALID"
    )
    assert said["errors"][0]["pointer"] == "/webhook/secret"


async def test_endpoints_are_limited(api: Api) -> None:
    for _ in range(3):
        await created(api)

    await refused(api, "POST", "/v1/webhooks", {"url": URL}, 409, "WEBHOOK_LIMIT")


async def test_key_needs_the_scope(anybody: Api) -> None:
    reader = await anybody.as_key("one", Scope.WEBHOOKS_READ)
    stranger = await anybody.as_key("one", Scope.JOBS_READ)

    assert (await reader.get("/v1/webhooks")).status_code == 200
    await refused(reader, "POST", "/v1/webhooks", {"url": URL}, 403, "FORBIDDEN")
    await refused(stranger, "GET", "/v1/webhooks", None, 403, "FORBIDDEN")


async def test_other_environment_finds_none_of_it(anybody: Api, api: Api) -> None:
    other = await anybody.as_key("two")
    endpoint = (await created(api))["id"]
    delivery = (await api.post(f"/v1/webhooks/{endpoint}/test")).json()["id"]

    for method, path in (
        ("GET", f"/v1/webhooks/{endpoint}"),
        ("PATCH", f"/v1/webhooks/{endpoint}"),
        ("DELETE", f"/v1/webhooks/{endpoint}"),
        ("POST", f"/v1/webhooks/{endpoint}/test"),
        ("POST", f"/v1/webhooks/{endpoint}/rotate-secret"),
        ("GET", f"/v1/webhooks/{endpoint}/deliveries"),
        ("GET", f"/v1/webhooks/deliveries/{delivery}"),
        ("POST", f"/v1/webhooks/deliveries/{delivery}/redeliver"),
        ("GET", f"/v1/webhooks/{endpoint}/deliveries/{delivery}"),
        ("POST", f"/v1/webhooks/{endpoint}/deliveries/{delivery}/redeliver"),
    ):
        given = {"json": {}} if method in ("PATCH", "POST") else {}
        assert (await other.send(method, path, **given)).status_code == 404, (method, path)
    assert (await other.get("/v1/webhooks/deliveries")).json()["items"] == []


async def test_log_shows_the_attempts_and_redelivers(
    api: Api, hand: Hand, sender: Sender, receiver: Receiver
) -> None:
    endpoint = await created(api, url=receiver.url())
    job = await api.submitted(metadata={"po": "4711"})
    await hand.complete({"markdown": ""})
    await sender.send_due()

    (item,) = (await api.get(f"/v1/webhooks/{endpoint['id']}/deliveries")).json()["items"]
    detail = (await api.get(f"/v1/webhooks/deliveries/{item['id']}")).json()
    again = await api.post(f"/v1/webhooks/{endpoint['id']}/deliveries/{item['id']}/redeliver")
    await sender.send_due()

    assert (item["status"], item["type"], item["job_id"]) == ("delivered", "job.completed", job["id"])
    assert item["origin"] == f"http://hooks.example:{receiver.port}"
    assert detail["payload"] == receiver.messages[0].json
    assert detail["payload"]["data"]["metadata"] == {"po": "4711"}
    assert detail["log"][0]["status_code"] == 204
    assert again.status_code == 202
    assert again.json()["redelivery_of"] == item["id"]
    assert len(receiver.messages) == 2
    assert len(set(receiver.ids)) == 1
    assert verifies(receiver.messages[1], endpoint["secret"])


async def test_webhook_of_a_submission_is_signed_with_the_default_secret(
    api: Api, hand: Hand, sender: Sender, receiver: Receiver
) -> None:
    secret = (await api.post("/v1/webhooks/default-secret")).json()["secret"]
    await api.submitted(webhook=receiver.url())
    await hand.complete({"markdown": ""})

    await sender.send_due()

    assert verifies(receiver.messages[0], secret)
    (item,) = (await api.get("/v1/webhooks/deliveries")).json()["items"]
    assert item["endpoint_id"] is None
    shown = (await api.get("/v1/webhooks/default-secret")).json()
    assert "secret" not in shown
    await refused(api, "POST", "/v1/webhooks/default-secret", {}, 409, "WEBHOOK_SECRET_SHOWN")
    rotated = (await api.post("/v1/webhooks/default-secret/rotate", {"overlap_seconds": 60})).json()
    assert rotated["secret"] not in (None, secret)
    assert rotated["previous_secret_expires_at"] is not None


@pytest.mark.parametrize("as_text", [False, True])
async def test_webhook_comes_in_a_form_too(
    api: Api, hand: Hand, sender: Sender, receiver: Receiver, as_text: bool
) -> None:
    secret = "whsec_" + "A" * 43 + "="
    webhook = receiver.url() if as_text else json.dumps({"url": receiver.url(), "secret": secret})
    answer = await api.send(
        "POST",
        "/v1/extract",
        files={"file": ("a.txt", b"Total 119.00")},
        data={"schema": json.dumps(SCHEMA), "webhook": webhook},
    )
    assert answer.status_code == 202, answer.text
    await hand.complete({"markdown": ""})

    await sender.send_due()

    assert verifies(receiver.messages[0], secret) is not as_text


async def test_webhooks_of_a_batch_and_of_its_items_are_told_of_their_ends(
    api: Api, hand: Hand, sender: Sender, receiver: Receiver
) -> None:
    items = [
        {**TEXT, "operation": "parse", "webhook": receiver.url("/item")},
        {**TEXT, "operation": "parse"},
    ]
    answer = await api.post("/v1/jobs", {"items": items, "webhook": receiver.url("/batch")})
    assert answer.status_code == 202, answer.text
    for _ in items:
        await hand.complete({"markdown": ""})

    await sender.send_due()

    told = {message.path: message.json["type"] for message in receiver.messages}
    assert told == {"/item": "job.completed", "/batch": "batch.completed"}
    assert len(receiver.messages) == 2


async def test_key_with_another_webhook_is_another_request(api: Api) -> None:
    key = {"Idempotency-Key": "one"}
    own = {"url": URL, "secret": "whsec_" + "A" * 43 + "="}
    first = await api.post("/v1/parse", {**TEXT, "webhook": own}, headers=key)

    again = await api.post("/v1/parse", {**TEXT, "webhook": own}, headers=key)
    other = await api.post("/v1/parse", {**TEXT, "webhook": URL}, headers=key)

    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/webhook")
    assert "whsec_" not in first.text
