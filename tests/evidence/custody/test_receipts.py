"""Receipts: signed, checked by anyone who knows the id, not valid once anything was altered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affidavit.accounts.principal import Scope
from affidavit.api.limits import neighbourhood
from affidavit.bundle.envelope import RECEIPT, open_envelope
from affidavit.bundle.keys import parse
from affidavit.errors import NotFound
from affidavit.evidence import deletion
from affidavit.evidence.receipts import Action, Deed, new_receipt_id
from affidavit.infra.ids import decode
from affidavit.verify import main as verify
from tests.api.conftest import Api, running, settings_for
from tests.conftest import execute
from tests.evidence.custody.conftest import Case

PAST_THE_GUARDS = "SET session_replication_role = replica;"


async def receipt(case: Case, action: Action = Action.VERIFY, agent: str | None = "agent:a") -> str:
    custody = case.api.services.custody
    issued = await custody.issue(case.environment_id, case.id, Deed(action, case.key_id, agent))
    return issued.receipt.id


async def found(anybody: Api, receipt_id: str) -> dict:
    answer = await anybody.get(f"/v1/receipts/{receipt_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(report: dict) -> dict[str, str | None]:
    return {check["name"]: check["code"] for check in report["checks"]}


async def test_receipt_of_each_action_is_valid_for_anyone(case: Case, anybody: Api) -> None:
    reports = {action: await found(anybody, await receipt(case, action)) for action in Action}

    for action, report in reports.items():
        assert report["valid"] is True
        assert {check["status"] for check in report["checks"]} == {"passed"}
        assert report["action"] == action
        assert (report["bundle_id"], report["agent_id"]) == (case.id, "agent:a")
        assert report["manifest_sha256"] == case.sealed.manifest_sha256


async def test_receipt_says_nothing_of_the_content(case: Case, anybody: Api) -> None:
    receipt_id = await receipt(case)
    report = await found(anybody, receipt_id)
    envelope = await anybody.get(f"/v1/receipts/{receipt_id}/envelope")

    assert set(report) == {
        "id", "bundle_id", "action", "agent_id", "key_id", "manifest_sha256", "signing_key_id",
        "issued_at", "valid", "claims", "bundle_deleted_at", "checks",
    }  # fmt: skip
    signed = open_envelope(envelope.content, trusted(await keys(anybody)))
    assert signed.predicate_type == RECEIPT
    assert signed.manifest_sha256 == case.sealed.manifest_sha256
    assert signed.predicate == {
        "bundle_id": case.id,
        "receipt_id": receipt_id,
        "action": "verify",
        "issued_at": report["issued_at"],
        "agent_id": "agent:a",
        "key_id": case.key_id,
    }


async def test_receipt_of_a_verification_that_failed_says_so(case: Case, anybody: Api) -> None:
    deed = Deed(Action.VERIFY, case.key_id, claims={"mode": "full", "verdict": "failed"})
    issued = await case.api.services.custody.issue(case.environment_id, case.id, deed)

    report = await found(anybody, issued.receipt.id)

    assert report["valid"] is True
    assert report["claims"] == {"mode": "full", "verdict": "failed"}


async def keys(anybody: Api) -> bytes:
    answer = await anybody.get("/v1/keys/signing")
    assert answer.status_code == 200, answer.text
    return answer.content


def trusted(listed: bytes) -> dict:
    return {name: key.public for name, key in parse(listed).items()}


async def test_saved_receipt_is_verified_offline_with_the_published_keys(
    case: Case, anybody: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, trust = tmp_path / "receipt.json", tmp_path / "keys.json"
    envelope = await anybody.get(f"/v1/receipts/{await receipt(case)}/envelope")
    saved.write_bytes(envelope.content)
    trust.write_bytes(await keys(anybody))

    assert verify([str(saved), "--key", str(trust)]) == 0
    saved.write_bytes(saved.read_bytes().replace(b'"sig":"', b'"sig":"A', 1))
    assert verify([str(saved), "--key", str(trust)]) in (1, 2)


def test_id_of_a_receipt_is_random_in_all_of_its_bits() -> None:
    numbers = [decode(new_receipt_id().removeprefix("rcpt_")).int for _ in range(2000)]

    assert len(set(numbers)) == 2000
    for bit in range(128):
        share = sum(number >> bit & 1 for number in numbers) / len(numbers)
        assert 0.4 < share < 0.6, f"bit {bit} is set in {share:.0%}"


ALTERED = [
    ("action = 'download'", "record", "RECORD_DIFFERS"),
    ("agent_id = 'agent:b'", "record", "RECORD_DIFFERS"),
    ("key_id = 'key_other'", "record", "RECORD_DIFFERS"),
    ("created_at = created_at - interval '1 second'", "record", "RECORD_DIFFERS"),
    ("manifest_sha256 = repeat('0', 64)", "record", "RECORD_DIFFERS"),
    ("bundle_id = 'ev_other'", "record", "RECORD_DIFFERS"),
    ("envelope = overlay(envelope PLACING 'X' FROM 20)", "signature", "ENVELOPE_INVALID"),
    ("signing_key_id = repeat('0', 64)", "signature", "KEY_UNKNOWN"),
]


async def test_receipt_whose_row_was_altered_is_not_valid(
    case: Case, anybody: Api, database_url: str
) -> None:
    for change, check, code in ALTERED:
        receipt_id = await receipt(case)
        await execute(
            database_url, f"{PAST_THE_GUARDS} UPDATE receipts SET {change} WHERE id = '{receipt_id}'"
        )

        report = await found(anybody, receipt_id)

        assert report["valid"] is False, change
        assert codes(report)[check] == code, change


async def test_receipt_that_was_moved_to_another_id_is_not_valid(
    case: Case, anybody: Api, database_url: str
) -> None:
    moved = new_receipt_id()
    await execute(
        database_url,
        f"{PAST_THE_GUARDS} UPDATE receipts SET id = '{moved}' WHERE id = '{await receipt(case)}'",
    )

    report = await found(anybody, moved)

    assert (report["valid"], codes(report)["record"]) == (False, "RECORD_DIFFERS")


async def test_receipt_of_a_bundle_that_was_altered_is_not_valid(
    case: Case, anybody: Api, database_url: str
) -> None:
    receipt_id = await receipt(case)
    await execute(database_url, f"{PAST_THE_GUARDS} UPDATE bundles SET manifest = '{{}}'")

    report = await found(anybody, receipt_id)

    assert (report["valid"], codes(report)["bundle"]) == (False, "MANIFEST_DIFFERS")


async def test_receipt_that_is_later_than_its_key_is_not_valid(
    case: Case, anybody: Api, database_url: str
) -> None:
    receipt_id = await receipt(case)
    await execute(database_url, "UPDATE signing_keys SET retired_at = now() - interval '1 hour'")

    report = await found(anybody, receipt_id)

    assert (report["valid"], codes(report)["key"]) == (False, "KEY_RETIRED")


async def test_guards_refuse_to_alter_a_receipt(case: Case, database_url: str) -> None:
    await receipt(case)

    with pytest.raises(Exception, match="receipts"):
        await execute(database_url, "UPDATE receipts SET action = 'download'")


@pytest.mark.parametrize("agent", [None, "agent:a"])
async def test_receipt_outlives_its_bundle_and_says_that_it_is_gone(
    case: Case, anybody: Api, agent: str | None
) -> None:
    receipt_id = await receipt(case, agent=agent)
    used = anybody.services
    async with used.db.begin(case.environment_id) as session:
        await deletion.bury(session, case.environment_id, [case.id], used.keyring.current(), by=case.key_id)

    report = await found(anybody, receipt_id)

    assert report["bundle_deleted_at"] is not None
    assert report["agent_id"] is None
    assert report["valid"] is (agent is None)  # a name was signed, so the signature went with it
    emptied = None if agent is None else "RECEIPT_EMPTIED"
    assert (codes(report)["signature"], codes(report)["bundle"]) == (emptied, "BUNDLE_DELETED")
    envelope = await anybody.get(f"/v1/receipts/{receipt_id}/envelope")
    assert envelope.status_code == (200 if agent is None else 404)


async def test_unknown_and_misspelled_ids_are_answered_alike(anybody: Api) -> None:
    for receipt_id in (new_receipt_id(), "rcpt_", "x", "ev_00000000000000000000000000", "%00"):
        for path in (f"/v1/receipts/{receipt_id}", f"/v1/receipts/{receipt_id}/envelope"):
            answer = await anybody.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_deleted_bundle_gets_no_receipt(case: Case, other: Api) -> None:
    used = case.api.services
    async with used.db.begin(case.environment_id) as session:
        await deletion.bury(session, case.environment_id, [case.id], used.keyring.current(), by=None)

    with pytest.raises(Exception, match="was deleted"):
        await receipt(case)


async def test_environments_get_no_receipt_of_others_bundles(case: Case, other: Api) -> None:
    principal = await other.services.accounts.authenticate(other.headers["Authorization"][7:])

    with pytest.raises(NotFound):
        await other.services.custody.issue(principal.environment_id, case.id, Deed(Action.VERIFY, "key"))
    assert (await other.get(f"{case.path}/receipts")).status_code == 404


async def test_receipts_of_a_bundle_are_listed_in_their_order(case: Case) -> None:
    made = [await receipt(case, action) for action in Action]

    first = (await case.api.get(f"{case.path}/receipts", params={"limit": 3})).json()
    rest = (await case.api.get(f"{case.path}/receipts", params={"cursor": first["next_cursor"]})).json()

    assert [each["id"] for each in first["items"] + rest["items"]] == made
    assert rest["next_cursor"] is None


async def test_every_receipt_stands_in_the_history(case: Case) -> None:
    made = [await receipt(case, action) for action in Action]

    history = (await case.api.get(f"{case.path}/history")).json()["items"]

    assert [(each["seq"], each["type"], each["receipt_id"]) for each in history] == [
        (1, "sealed", None),
        (2, "verified", made[0]),
        (3, "downloaded", made[1]),
        (4, "reviewed", made[2]),
        (5, "handed_off", made[3]),
    ]


async def test_callers_without_a_key_are_counted_by_their_address(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    few = settings_for(database_url, redis_url, tmp_path, public_rate_limit_per_second=3)
    async with running(few) as anybody:
        paths = ["/v1/keys/signing", f"/v1/receipts/{new_receipt_id()}", f"/v1/receipts/{new_receipt_id()}"]
        answers = [await anybody.get(path) for path in paths * 3]
        named = await anybody.as_key("one", Scope.BUNDLES_READ)
        allowed = await named.get("/v1/bundles")

    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 5
    assert refused[0].json()["code"] == "RATE_LIMITED"
    assert "This address" in refused[0].json()["detail"]
    assert int(refused[0].headers["retry-after"]) >= 1
    assert allowed.status_code == 200


@pytest.mark.parametrize(
    ("host", "counted_by"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("/run/affidavit.sock", "/run/affidavit.sock"),
        ("", ""),
    ],
)
def test_a_caller_is_counted_by_what_cannot_be_changed_at_will(host: str, counted_by: str) -> None:
    assert neighbourhood(host) == counted_by


async def test_published_keys_are_cacheable_and_say_all_that_a_verifier_needs(
    case: Case, anybody: Api
) -> None:
    answer = await anybody.get("/v1/keys/signing")
    again = await anybody.get("/v1/keys/signing", headers={"If-None-Match": answer.headers["etag"]})

    assert answer.headers["cache-control"] == "public, max-age=60"
    assert (again.status_code, again.content) == (304, b"")
    [key] = json.loads(answer.content)["keys"]
    assert key["key_id"] == case.sealed.signing_key_id
    assert (key["algorithm"], key["status"], key["retired_at"]) == ("Ed25519", "active", None)
    assert "PRIVATE" not in answer.text
    assert open_envelope(case.sealed.envelope, trusted(answer.content)).predicate["bundle_id"] == case.id


async def test_public_endpoints_take_no_query(anybody: Api) -> None:
    answer = await anybody.get("/v1/keys/signing", params={"limit": 1})

    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_INVALID")
