"""Bundles looked into over HTTP: verified, cited and compared, by walled children that really run."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from affidavit.bundle import merkle
from affidavit.evidence.manifest import Relation
from affidavit.evidence.sealing import SealedBundle
from tests.api.bundles import CHUNKS, Sealer, extraction
from tests.api.conftest import Api
from tests.conftest import execute

REVIEWED = {
    "decision": "approved",
    "reviewer": "ada",
    "key_id": "key_1",
    "decided_at": "2026-03-14T10:00:00.000000Z",
    "actions": [],
    "extraction": extraction(2299.45),
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def sealer(tenant: Api) -> Sealer:
    return Sealer(tenant)


async def verified(tenant: Api, sealed: SealedBundle, query: str = "") -> dict[str, Any]:
    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/verify{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def failed(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(check["name"], check["entry"]) for check in found["checks"] if check["status"] == "failed"}


async def test_verification_lists_each_check_one_by_one(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal()

    found = await verified(tenant, sealed)

    passed = {(each["name"], each["entry"]) for each in found["checks"] if each["status"] == "passed"}
    assert {("artifact", each.name) for each in sealed.contents.artifacts} <= passed
    assert {("citation", "c1"), ("citation", "c2")} <= passed
    assert {name for name, _ in passed} >= {"record", "container", "manifest", "signature", "chunks"}
    assert (found["verdict"], found["mode"], found["damaged"]) == ("passed", "full", [])
    assert found["not_proven"]


async def test_quick_verification_reads_no_file_and_says_what_it_left_out(
    tenant: Api, sealer: Sealer
) -> None:
    sealed = await sealer.seal()

    found = await verified(tenant, sealed, "?quick=true")

    left_out = {each["name"] for each in found["checks"] if each["code"] == "QUICK"}
    assert left_out >= {"artifact", "chunks", "citation"}
    assert {each["name"] for each in found["checks"] if each["status"] == "passed"} == {
        "record",
        "entries",
        "signature",
        "storage",
    }
    assert (found["verdict"], found["mode"]) == ("not_checked", "quick")


async def test_files_exchanged_in_the_store_are_named(
    tenant: Api, sealer: Sealer, module_database_url: str
) -> None:
    """Their blobs are others, and the rows say so: only the manifest knows better."""
    for n in range(7):
        sealed = await sealer.seal()
        artifact = sealed.contents.artifacts[n]
        blob = await tenant.services.blobs.put_bytes(await sealer.environment(), bytes(artifact.size_bytes))
        await execute(
            module_database_url,
            f"UPDATE bundle_artifacts SET blob_sha256 = '{blob}', encoding = 'identity' "
            f"WHERE bundle_id = '{sealed.contents.bundle_id}' AND name = '{artifact.name}'",
        )

        found = await verified(tenant, sealed)

        assert found["verdict"] == "failed"
        assert ("artifact", artifact.name) in failed(found)
        assert found["damaged"] == [artifact.name]


@pytest.mark.parametrize("damage", ["lost", "altered"])
async def test_file_that_is_lost_or_damaged_in_the_store_is_named(
    tenant: Api, sealer: Sealer, damage: str
) -> None:
    sealed = await sealer.seal()
    artifact = sealed.contents.artifacts[-1]
    environment = await sealer.environment()
    if damage == "lost":
        await tenant.services.blobs.delete(environment, artifact.blob_sha256)
    else:
        stored = tenant.app.state.settings.data_dir / "blobs" / "env" / environment / artifact.blob_sha256
        stored.chmod(0o600)
        stored.write_bytes(b"RIFF another picture")

    full, quick = await verified(tenant, sealed), await verified(tenant, sealed, "?quick=true")

    assert full["verdict"] == "failed"
    assert ("storage", artifact.name) in failed(full)
    assert full["damaged"] == [artifact.name]
    assert quick["damaged"] == ([artifact.name] if damage == "lost" else [])


async def test_manifest_altered_in_the_database_is_found(
    tenant: Api, sealer: Sealer, module_database_url: str
) -> None:
    sealed = await sealer.seal()
    forged = sealed.manifest.replace(b'"attempt":1', b'"attempt":2')
    await execute(
        module_database_url,
        "SET session_replication_role = replica; "
        f"UPDATE bundles SET manifest = '\\x{forged.hex()}' WHERE id = '{sealed.contents.bundle_id}'",
    )

    full, quick = await verified(tenant, sealed), await verified(tenant, sealed, "?quick=true")

    assert {name for name, _ in failed(full)} >= {"record", "statement"}
    assert {name for name, _ in failed(quick)} == {"record", "signature"}


async def test_manifest_and_record_altered_together_do_not_pass_the_signature(
    tenant: Api, sealer: Sealer, module_database_url: str
) -> None:
    sealed = await sealer.seal()
    forged = sealed.manifest.replace(b'"attempt":1', b'"attempt":2')
    await execute(
        module_database_url,
        "SET session_replication_role = replica; "
        f"UPDATE bundles SET manifest = '\\x{forged.hex()}', "
        f"manifest_sha256 = '{hashlib.sha256(forged).hexdigest()}' WHERE id = '{sealed.contents.bundle_id}'",
    )

    full, quick = await verified(tenant, sealed), await verified(tenant, sealed, "?quick=true")

    assert {name for name, _ in failed(full)} == {"statement"}
    assert {name for name, _ in failed(quick)} == {"signature"}


async def test_each_verification_and_download_gets_a_receipt_that_anyone_can_check(
    tenant: Api, house: Api, sealer: Sealer
) -> None:
    sealed = await sealer.seal()
    bundle_id = sealed.contents.bundle_id

    receipts = [(await verified(tenant, sealed))["receipt_id"]]
    receipts.append((await verified(tenant, sealed, "?quick=true"))["receipt_id"])
    download = await tenant.get(f"/v1/bundles/{bundle_id}/download")
    receipts.append(download.headers["affidavit-receipt"])

    events = (await tenant.get(f"/v1/bundles/{bundle_id}/history")).json()["items"]
    assert [(each["type"], each["receipt_id"]) for each in events] == [
        ("sealed", None),
        ("verified", receipts[0]),
        ("verified", receipts[1]),
        ("downloaded", receipts[2]),
    ]
    assert events[1]["detail"] == {"mode": "full", "verdict": "passed", "damaged": []}
    for receipt in receipts:
        checked = await house.get(f"/v1/receipts/{receipt}")
        assert (checked.status_code, checked.json()["valid"]) == (200, True), checked.text


async def test_receipt_says_for_whom_it_was_done_and_what_was_found(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal()
    path = f"/v1/bundles/{sealed.contents.bundle_id}"

    found = await verified(tenant, sealed, "?agent_id=agent:audit&quick=true")
    saved = await tenant.get(f"{path}/download?agent_id=agent:audit", headers={"Range": "bytes=0-9"})

    envelopes = [
        (await tenant.get(f"/v1/receipts/{receipt}/envelope")).json()
        for receipt in (found["receipt_id"], saved.headers["affidavit-receipt"])
    ]
    signed = [json.loads(base64.b64decode(each["payload"]))["predicate"] for each in envelopes]
    assert [each["agent_id"] for each in signed] == ["agent:audit"] * 2
    assert (signed[0]["mode"], signed[0]["verdict"]) == ("quick", "not_checked")
    assert signed[1]["format"] == "zip"
    events = (await tenant.get(f"{path}/history")).json()["items"]
    assert (events[2]["agent_id"], events[2]["detail"]) == ("agent:audit", {"format": "zip", "bytes": "0-9"})


async def test_head_and_unchanged_downloads_are_no_downloads(tenant: Api, sealer: Sealer) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}"
    etag = (await tenant.send("HEAD", f"{path}/download")).headers["etag"]
    await tenant.get(f"{path}/download", headers={"If-None-Match": etag})

    events = (await tenant.get(f"{path}/history")).json()["items"]

    assert [each["type"] for each in events] == ["sealed"]


async def test_citations_come_in_the_order_of_the_extraction_and_by_pages(
    tenant: Api, sealer: Sealer
) -> None:
    sealed = await sealer.seal(files={"reviewed.json": json.dumps(REVIEWED).encode()})
    path = f"/v1/bundles/{sealed.contents.bundle_id}/citations"

    everything = (await tenant.get(path)).json()
    first = (await tenant.get(f"{path}?limit=3")).json()
    rest = (await tenant.get(f"{path}?limit=3&after={first['next_after']}")).json()

    assert [(each["id"], each["field"], each["quote"]) for each in everything["items"]] == [
        ("c1", "number", "4711"),
        ("c2", "total", "2,290.45"),
        ("r1", "number", "4711"),
        ("r2", "total", "2,290.45"),
    ]
    assert (everything["total"], everything["next_after"]) == (4, None)
    assert first["items"] + rest["items"] == everything["items"]


async def test_citation_comes_with_its_words_and_a_proof_that_needs_nothing_else(
    tenant: Api, sealer: Sealer
) -> None:
    sealed = await sealer.seal()

    found = (await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/citations/c2")).json()

    assert {(each["name"], each["status"]) for each in found["checks"]} == {
        ("citation", "passed"),
        ("chunks", "passed"),
    }
    assert [(each["id"], each["text"]) for each in found["words"]] == [("p1.w5", "2,290.45")]
    (chunk,) = found["chunks"]
    assert json.loads(chunk["line"])["text"] == CHUNKS[1]["text"]
    leaf = hashlib.sha256(b"\x00" + chunk["line"].encode()).digest()
    proof = [bytes.fromhex(each) for each in chunk["proof"]]
    root = bytes.fromhex(json.loads(sealed.manifest)["chunks"]["root"])
    assert merkle.is_included(leaf, chunk["index"], found["tree"]["size"], proof, root)
    assert found["manifest_sha256"] == hashlib.sha256(sealed.manifest).hexdigest()


async def test_citation_that_does_not_hold_says_why(tenant: Api, sealer: Sealer) -> None:
    wrong = extraction()
    wrong["fields"]["total"]["citations"] = [
        {**wrong["fields"]["total"]["citations"][0], "quote": "9,999.00"}
    ]
    sealed = await sealer.seal(extracted=wrong)

    found = (await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/citations/c2")).json()
    whole = await verified(tenant, sealed)

    assert (found["checks"][0]["status"], found["checks"][0]["code"]) == ("failed", "QUOTE_WRONG")
    assert failed(whole) == {("citation", "c2")}


async def test_place_that_a_person_pointed_at_is_said_to_be_one(tenant: Api, sealer: Sealer) -> None:
    pointed = {
        "page": 1,
        "box": [1.0, 2.0, 3.0, 4.0],
        "words": [],
        "range": None,
        "quote": "",
        "match": "exact",
    }
    extracted = extraction()
    extracted["fields"]["total"]["citations"] = [pointed]
    sealed = await sealer.seal(extracted=extracted)

    found = (await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/citations/c2")).json()

    assert (found["checks"][0]["status"], found["checks"][0]["code"]) == ("not_checked", "PLACED_BY_HAND")


@pytest.mark.parametrize("name", ["c3", "r1", "c0", "total", "c" + "9" * 40])
async def test_citation_that_is_not_there_is_not_found(tenant: Api, sealer: Sealer, name: str) -> None:
    answer = await tenant.get(f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/citations/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_diff_shows_field_by_field_what_a_review_changed(tenant: Api, sealer: Sealer) -> None:
    machine = await sealer.seal()
    reviewed = await sealer.seal(
        parent=machine, relation=Relation.REVIEW, files={"reviewed.json": json.dumps(REVIEWED).encode()}
    )

    found = (await tenant.get(f"/v1/bundles/{reviewed.contents.bundle_id}/diff")).json()

    assert (found["against"], found["relation"]) == (machine.contents.bundle_id, "review")
    assert [(each["path"], each["change"]) for each in found["fields"]] == [("total", "changed")]
    assert found["fields"][0]["before"]["value"] == 2290.45
    assert found["fields"][0]["after"]["value"] == 2299.45
    assert (found["unchanged_fields"], found["same_source"], found["same_text"]) == (1, True, True)


async def test_diff_of_a_rerun_goes_both_ways_along_the_chain(tenant: Api, sealer: Sealer) -> None:
    first = await sealer.seal()
    second = await sealer.seal(parent=first, extracted=extraction(1.0))
    third = await sealer.seal(parent=second, extracted=extraction(2.0, warnings=["late"]))

    forth = (
        await tenant.get(f"/v1/bundles/{third.contents.bundle_id}/diff?against={first.contents.bundle_id}")
    ).json()
    back = (
        await tenant.get(f"/v1/bundles/{first.contents.bundle_id}/diff?against={third.contents.bundle_id}")
    ).json()

    assert (forth["fields"][0]["before"]["value"], forth["fields"][0]["after"]["value"]) == (2290.45, 2.0)
    assert forth["members"] == [
        {"pointer": "/warnings/0", "change": "added", "before": None, "after": "late"}
    ]
    assert (back["fields"][0]["before"]["value"], back["fields"][0]["after"]["value"]) == (2.0, 2290.45)
    assert forth["relation"] is None


async def test_bundles_of_different_chains_are_not_compared(
    tenant: Api, neighbour: Api, sealer: Sealer
) -> None:
    one, stranger = await sealer.seal(), await sealer.seal()
    foreign = await Sealer(neighbour).seal()
    path = f"/v1/bundles/{one.contents.bundle_id}/diff"

    alone = await tenant.get(path)
    unrelated = await tenant.get(f"{path}?against={stranger.contents.bundle_id}")
    unseen = await tenant.get(f"{path}?against={foreign.contents.bundle_id}")

    assert (alone.status_code, alone.json()["code"]) == (409, "BUNDLE_HAS_NO_PARENT")
    assert (unrelated.status_code, unrelated.json()["code"]) == (409, "BUNDLES_UNRELATED")
    assert unseen.status_code == 404


@pytest.mark.parametrize(
    "hostile",
    [b"{" * 100_000, b'{"fields":' * 5_000 + b"1" + b"}" * 5_000, b"\xff\xfe", b'{"a":1,"a":2}', b""],
    ids=["open", "deep", "no text", "twice", "empty"],
)
async def test_extraction_that_is_no_json_is_an_error_that_says_so(
    tenant: Api, sealer: Sealer, hostile: bytes
) -> None:
    sealed = await sealer.seal(raw={"extraction.json": hostile})

    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/citations")

    assert (answer.status_code, answer.json()["code"]) == (500, "STORED_BYTES_DAMAGED")
    assert {name for name, _ in failed(await verified(tenant, sealed))} == {"citation"}


async def test_bundle_that_is_not_there_is_not_looked_into(
    tenant: Api, neighbour: Api, sealer: Sealer
) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}"

    for suffix in ("/verify", "/verify?quick=true", "/citations", "/citations/c1", "/diff"):
        assert (await neighbour.get(path + suffix)).status_code == 404, suffix
        assert (await tenant.get(f"/v1/bundles/ev_0000{suffix}")).status_code == 404, suffix


async def test_diff_leaves_out_what_a_review_says_of_itself(tenant: Api, sealer: Sealer) -> None:
    machine = await sealer.seal()
    said = {**REVIEWED, "extraction": {**extraction(), "review": {"corrected": {"total": {"value": 1}}}}}
    reviewed = await sealer.seal(
        parent=machine, relation=Relation.REVIEW, files={"reviewed.json": json.dumps(said).encode()}
    )

    found = (await tenant.get(f"/v1/bundles/{reviewed.contents.bundle_id}/diff")).json()

    assert (found["fields"], found["members"]) == ([], [])


async def test_citation_of_a_text_that_was_exchanged_is_not_proven(
    tenant: Api, sealer: Sealer, module_database_url: str
) -> None:
    """Row and blob agree with each other, and not with what was signed."""
    sealed = await sealer.seal()
    artifact = next(each for each in sealed.contents.artifacts if each.name == "chunks.ndjson")
    forged = bytes(artifact.size_bytes)
    digest = await tenant.services.blobs.put_bytes(await sealer.environment(), forged)
    await execute(
        module_database_url,
        "SET session_replication_role = replica; "
        f"UPDATE bundle_artifacts SET blob_sha256 = '{digest}', sha256 = '{digest}', encoding = 'identity' "
        f"WHERE bundle_id = '{sealed.contents.bundle_id}' AND name = 'chunks.ndjson'",
    )

    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/citations/c1")

    assert (answer.status_code, answer.json()["code"]) == (500, "STORED_BYTES_DAMAGED")
