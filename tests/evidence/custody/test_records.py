"""What callers write of a bundle: kept in order, once for each key, for their environment alone."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from affidavit.accounts.principal import Scope
from affidavit.evidence import deletion
from tests.api.conftest import Api
from tests.conftest import execute
from tests.evidence.custody.conftest import Case

RECORD = {"agent_id": "agent:a", "action": "read", "query": "total?", "result_summary": "119.00"}
HAND_OFF = {"from_agent": "agent:a", "to_agent": "agent:b", "note": "Yours now."}


async def history(case: Case) -> list[dict]:
    answer = await case.api.get(f"{case.path}/history")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_record_is_kept_with_who_and_when(case: Case) -> None:
    answer = await case.api.post(f"{case.path}/history", RECORD)

    assert answer.status_code == 201, answer.text
    event = answer.json()
    assert event == (await history(case))[-1]
    assert event["id"].startswith("prov_")
    assert (event["seq"], event["type"]) == (2, "recorded")
    assert (event["key_id"], event["agent_id"]) == (case.key_id, "agent:a")
    assert event["detail"] == {"action": "read", "query": "total?", "result_summary": "119.00"}


async def test_hand_off_is_kept_with_a_receipt_that_both_can_show(case: Case, anybody: Api) -> None:
    answer = await case.api.post(f"{case.path}/handoffs", HAND_OFF)

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["id"].startswith("hand_")
    assert (made["from_agent"], made["to_agent"], made["note"]) == ("agent:a", "agent:b", "Yours now.")
    checked = (await anybody.get(f"/v1/receipts/{made['receipt_id']}")).json()
    assert (checked["valid"], checked["action"], checked["agent_id"]) == (True, "hand_off", "agent:a")
    assert checked["claims"] == {"from_agent": "agent:a", "to_agent": "agent:b"}
    envelope = (await anybody.get(f"/v1/receipts/{made['receipt_id']}/envelope")).text
    assert "Yours now." not in envelope
    listed = (await case.api.get(f"{case.path}/handoffs")).json()
    assert listed == {"items": [made], "next_cursor": None}


async def test_hand_offs_are_a_chain_in_their_order(case: Case) -> None:
    agents = ["agent:a", "agent:b", "agent:c", "agent:d"]
    for giver, taker in pairwise(agents):
        body = {"from_agent": giver, "to_agent": taker}
        assert (await case.api.post(f"{case.path}/handoffs", body)).status_code == 201

    first = (await case.api.get(f"{case.path}/handoffs", params={"limit": 2})).json()
    rest = (await case.api.get(f"{case.path}/handoffs", params={"cursor": first["next_cursor"]})).json()

    assert [each["to_agent"] for each in first["items"] + rest["items"]] == agents[1:]


async def test_events_of_many_at_once_are_counted_without_a_gap(case: Case) -> None:
    writes = [case.api.post(f"{case.path}/history", {**RECORD, "note": str(n)}) for n in range(12)]
    writes += [case.api.post(f"{case.path}/handoffs", HAND_OFF) for _ in range(6)]

    answers = await asyncio.gather(*writes)

    assert {answer.status_code for answer in answers} == {201}
    assert [event["seq"] for event in await history(case)] == list(range(1, 20))


async def test_repeated_request_writes_nothing_twice(case: Case) -> None:
    for way, body in (("history", RECORD), ("handoffs", HAND_OFF)):
        key = {"Idempotency-Key": f"once-{way}"}

        answers = await asyncio.gather(
            *(case.api.post(f"{case.path}/{way}", body, headers=key) for _ in range(4))
        )
        other = await case.api.post(f"{case.path}/{way}", {**body, "note": "another"}, headers=key)

        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
        assert len({answer.content for answer in answers}) == 1
        assert {answer.headers.get("idempotent-replayed") for answer in answers} == {None, "true"}
        assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert [event["type"] for event in await history(case)] == ["sealed", "recorded", "handed_off"]


UNFIT = [
    ("history", {**RECORD, "agent_id": "two words"}, "/agent_id"),
    ("history", {**RECORD, "agent_id": ""}, "/agent_id"),
    ("history", {**RECORD, "agent_id": "ä"}, "/agent_id"),
    ("history", {**RECORD, "action": "<script>"}, "/action"),
    ("history", {**RECORD, "note": "x" * 2001}, "/note"),
    ("history", {**RECORD, "type": "sealed"}, "/type"),
    ("history", {"action": "read"}, "/agent_id"),
    ("handoffs", {**HAND_OFF, "to_agent": None}, "/to_agent"),
    ("handoffs", {"from_agent": "a"}, "/to_agent"),
]


async def test_what_cannot_be_kept_is_refused_by_name(case: Case) -> None:
    for way, body, pointer in UNFIT:
        answer = await case.api.post(f"{case.path}/{way}", body)

        assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_INVALID")
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert len(await history(case)) == 1


async def test_other_environments_neither_read_nor_write(case: Case, other: Api) -> None:
    answers = [
        await other.post(f"{case.path}/history", RECORD),
        await other.post(f"{case.path}/handoffs", HAND_OFF),
        await other.get(f"{case.path}/handoffs"),
        await other.get(f"{case.path}/receipts"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len(await history(case)) == 1


async def test_a_reading_key_writes_nothing(case: Case, anybody: Api) -> None:
    reader = await anybody.as_key("one", Scope.BUNDLES_READ)

    assert (await reader.post(f"{case.path}/history", RECORD)).status_code == 403
    assert (await reader.post(f"{case.path}/handoffs", HAND_OFF)).status_code == 403
    assert (await reader.get(f"{case.path}/handoffs")).status_code == 200


async def test_deleted_bundle_takes_no_record_and_forgets_what_was_written(case: Case) -> None:
    await case.api.post(f"{case.path}/history", RECORD)
    await case.api.post(f"{case.path}/handoffs", HAND_OFF)
    used = case.api.services
    async with used.db.begin(case.environment_id) as session:
        await deletion.bury(session, case.environment_id, [case.id], used.keyring.current(), by=case.key_id)

    refused = await case.api.post(f"{case.path}/history", RECORD)
    handed = (await case.api.get(f"{case.path}/handoffs")).json()["items"]

    assert (refused.status_code, refused.json()["code"]) == (410, "BUNDLE_DELETED")
    assert [(each["from_agent"], each["to_agent"], each["note"]) for each in handed] == [(None, None, None)]
    assert [event["type"] for event in await history(case)] == [
        "sealed", "recorded", "handed_off", "deleted",
    ]  # fmt: skip
    assert all(event["detail"] == {} for event in await history(case))


REWRITES = [
    "UPDATE bundle_events SET type = 'held'",
    "UPDATE bundle_events SET created_at = now()",
    "UPDATE bundle_events SET seq = seq + 10",
    "DELETE FROM bundle_events",
    "DELETE FROM receipts",
]


async def test_the_application_can_rewrite_no_history(case: Case, database_url: str) -> None:
    await case.api.post(f"{case.path}/handoffs", HAND_OFF)
    scoped = f"SELECT set_config('affidavit.environment_id', '{case.environment_id}', false)"

    for statement in REWRITES:
        with pytest.raises(Exception, match="permission denied"):
            await execute(database_url, f"SET ROLE affidavit_app; {scoped}; {statement}")
