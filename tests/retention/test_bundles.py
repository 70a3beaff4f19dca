"""Bundles are kept while somebody must keep them; what goes leaves a tombstone that anyone can check."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from sqlalchemy import text

from affidavit.bundle.envelope import TOMBSTONE, open_envelope
from affidavit.documents import orphans, scrub
from affidavit.evidence import log as transparency
from affidavit.evidence.events import BundleEventType, note
from affidavit.evidence.manifest import Parent, Relation
from affidavit.evidence.sealing import SealedBundle
from affidavit.infra.db import Database
from affidavit.jobs import burial, execution, retention
from affidavit.jobs.claim import Report
from tests.api.conftest import POLICY, Api, Hand
from tests.retention.bundles import SOURCE, TEXT, age, blob_owners, public_keys, seal_by_hand, sealed_bundle
from tests.retention.conftest import blobs_below, files_with, make_blobs_old, rows_with

YEAR = timedelta(days=365)
LABEL = "quokka-4711"
WORDS = (SOURCE, TEXT, "zanzibar-ledger", LABEL)
PLAIN_RECEIPT = """
INSERT INTO receipts (id, environment_id, bundle_id, action, manifest_sha256, envelope, signing_key_id)
SELECT 'rcpt_plain', environment_id, id, 'verify', manifest_sha256, '\x01', signing_key_id FROM bundles
"""
MACHINE = {
    "source/a.txt": SOURCE.encode(),
    "document.md": TEXT.encode(),
    "extraction.json": f'{{"data": "{TEXT}"}}'.encode(),
}
HOLD = {"reason": f"case {LABEL}"}


async def environment_of(api: Api) -> str:
    return (await api.services.accounts.authenticate(api.headers["Authorization"][7:])).environment_id


async def ended_job(api: Api, hand: Hand) -> str:
    job = await api.submitted()
    await hand.complete({"markdown": "text"})
    return str(job["id"])


async def of_ended_job(api: Api, hand: Hand, **given: Any) -> SealedBundle:
    """Seal a bundle of a job that has ended."""
    return await sealed_bundle(api.services, await environment_of(api), await ended_job(api, hand), **given)


async def job_in_review(api: Api, hand: Hand) -> str:
    """Bring a job to where a person decides, with the bundle of what the machine said."""
    files = {"file": ("zanzibar-ledger.txt", SOURCE.encode())}
    asked = {"schema": '{"total": "number"}', "review": '{"threshold": 100}'}
    answer = await api.send("POST", "/v1/extract", files=files, data=asked)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    held, blobs = await hand.take(), api.services.blobs
    result = zstandard.compress(b"{}")
    await execution.complete(
        api.services.db,
        held,
        news=Report(),
        reading_key="reading",
        result_sha256=await blobs.put_bytes(held.environment_id, result),
        result_size_bytes=len(result),
        pages=1,
        policy=POLICY,
        flagged=["total"],
        sealed=await seal_by_hand(api.services, held.environment_id, job["id"], MACHINE),
    )
    return str(job["id"])


async def review_of(api: Api, parent: SealedBundle) -> SealedBundle:
    """Seal what a review seals: another bundle of the same job."""
    contents = parent.contents
    return await sealed_bundle(
        api.services,
        contents.environment_id,
        contents.job_id,
        {"source/a.txt": SOURCE.encode(), "reviewed.json": f'"{LABEL}"'.encode()},
        Parent(contents.bundle_id, parent.manifest_sha256, Relation.REVIEW),
    )


async def write_about(api: Api, bundle: SealedBundle) -> None:
    """Say the label wherever a caller may say something of a bundle, and name it as an agent."""
    path = f"/v1/bundles/{bundle.contents.bundle_id}"
    await api.send("PUT", f"{path}/legal-hold", json=HOLD)
    await api.delete(f"{path}/legal-hold")
    agents = {"from_agent": LABEL, "to_agent": f"to:{LABEL}", "note": f"about {LABEL}"}
    handed = await api.post(f"{path}/handoffs", agents)
    assert handed.is_success, handed.text
    words = {"query": f"query {LABEL}", "result_summary": f"result {LABEL}", "note": f"note {LABEL}"}
    recorded = await api.post(f"{path}/history", {"action": LABEL, "agent_id": LABEL, **words})
    assert recorded.is_success, recorded.text


async def buried(api: Api, bundle: SealedBundle) -> bytes:
    answer = await api.delete(f"/v1/bundles/{bundle.contents.bundle_id}")
    assert answer.status_code == 200, answer.text
    return answer.content


async def tombstone(api: Api, bundle: SealedBundle) -> bytes:
    answer = await api.get(f"/v1/bundles/{bundle.contents.bundle_id}/tombstone")
    assert answer.status_code == 200, answer.text
    return answer.content


async def expired(api: Api, days: int = 365) -> int:
    return await burial.expire(api.services.db, timedelta(days=days), api.services.keyring.current())


async def columns(db: Database, bundle: SealedBundle) -> dict[str, Any]:
    row = await db.fetch_row("SELECT * FROM bundles WHERE id = $1", bundle.contents.bundle_id)
    assert row is not None
    return dict(row)


async def test_tombstone_is_signed_and_names_the_manifest_and_nothing_of_what_it_held(
    api: Api, hand: Hand
) -> None:
    bundle = await of_ended_job(api, hand)

    left = await buried(api, bundle)

    said = open_envelope(left, public_keys(api.services))
    principal = await api.services.accounts.authenticate(api.headers["Authorization"][7:])
    assert (said.predicate_type, said.manifest_sha256) == (TOMBSTONE, bundle.manifest_sha256)
    assert said.predicate["bundle_id"] == bundle.contents.bundle_id
    assert said.predicate["reason"] == "requested"
    assert said.predicate["deleted_by"] == principal.key_id
    assert said.predicate["artifacts"] == {"count": 2, "size_bytes": len(SOURCE) + len(TEXT)}
    digests = [artifact.sha256 for artifact in bundle.contents.artifacts]
    assert not [word for word in (*WORDS, *digests, "a.txt") if word in str(said.predicate)]
    assert await tombstone(api, bundle) == left


async def test_deleted_bundle_leaves_no_byte_of_its_content(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    bundle = await of_ended_job(api, hand)
    await write_about(api, bundle)
    before = await rows_with(db, WORDS) | files_with(tmp_path, WORDS)
    assert {place.rsplit(": ", 1)[1] for place in before} == set(WORDS), (
        "the search does not find what is there"
    )
    assert {"bundle_events: quokka-4711", "receipts: quokka-4711"} <= before

    await buried(api, bundle)
    make_blobs_old(tmp_path)
    await retention.collect(db, api.services.blobs)

    assert await rows_with(db, WORDS) == set()
    assert files_with(tmp_path, WORDS) == set()
    assert await db.fetch("SELECT FROM bundle_artifacts") == []


async def test_deletion_of_a_job_takes_all_its_bundles_and_each_leaves_a_tombstone(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    bundle = await of_ended_job(api, hand)
    review = await review_of(api, bundle)
    await write_about(api, review)

    gone = await api.delete(f"/v1/jobs/{bundle.contents.job_id}/content")
    make_blobs_old(tmp_path)
    await retention.collect(db, api.services.blobs)

    assert gone.status_code == 200, gone.text
    counted = next(each for each in gone.json()["purged"] if each["kind"] == "bundle")
    assert counted["sha256"] == sorted([bundle.manifest_sha256, review.manifest_sha256])
    for each in (bundle, review):
        said = open_envelope(await tombstone(api, each), public_keys(api.services))
        assert said.manifest_sha256 == each.manifest_sha256
    assert said.predicate["parent"] == {"bundle_id": bundle.contents.bundle_id, "relation": "review"}
    assert await rows_with(db, WORDS) == set()
    assert blobs_below(tmp_path) == []


async def test_deleting_a_bundle_again_gives_the_same_tombstone(api: Api, hand: Hand, db: Database) -> None:
    bundle = await of_ended_job(api, hand)
    first = await buried(api, bundle)

    assert await buried(api, bundle) == first
    again = await api.delete(f"/v1/jobs/{bundle.contents.job_id}/content")
    assert again.status_code == 200
    assert await tombstone(api, bundle) == first
    assert (await columns(db, bundle))["tombstone_sha256"] == hashlib.sha256(first).hexdigest()


async def test_deletions_at_once_of_a_bundle_and_its_job_leave_one_tombstone(
    api: Api, hand: Hand, db: Database
) -> None:
    bundle = await of_ended_job(api, hand)
    await review_of(api, bundle)
    keeping, ours = api.services.keeping, bundle.contents

    left = await asyncio.gather(
        *(keeping.delete_bundle(ours.environment_id, ours.bundle_id, f"key_{n}") for n in range(3)),
        *(keeping.delete_job(ours.environment_id, ours.job_id, f"key_{n}") for n in range(3, 6)),
        expired(api, days=0),
    )

    assert len({each for each in left if isinstance(each, bytes)}) == 1
    ends = await db.fetch("SELECT type FROM bundle_events WHERE type IN ('deleted', 'expired')")
    assert len(ends) == 2  # one of each bundle


async def test_deletion_that_meets_the_end_of_a_review_takes_what_the_review_seals_too(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    job_id = await job_in_review(api, hand)
    content = f"/v1/jobs/{job_id}/content"

    approving = asyncio.create_task(
        api.post(f"/v1/jobs/{job_id}/review", {"action": "approve", "version": 1, "reviewer": LABEL})
    )
    gone = await api.delete(content)
    while gone.status_code == 409 and not approving.done():
        gone = await api.delete(content)  # each try is a round trip, in which the review goes on
    approved = await approving
    if gone.status_code == 409:
        gone = await api.delete(content)
    make_blobs_old(tmp_path)
    await db.fetch("UPDATE blob_garbage SET erase_at = now()")
    await retention.collect(db, api.services.blobs)

    assert (approved.status_code, gone.status_code) == (200, 200), (approved.text, gone.text)
    bundles = await db.fetch("SELECT deleted_at, tombstone FROM bundles")
    assert [row["tombstone"] is not None for row in bundles] == [True, True]
    assert await blob_owners(db) == set()
    assert await rows_with(db, WORDS) == set()
    assert blobs_below(tmp_path) == []


async def test_bundle_that_is_there_has_no_tombstone(api: Api, hand: Hand) -> None:
    bundle = await of_ended_job(api, hand)

    answer = await api.get(f"/v1/bundles/{bundle.contents.bundle_id}/tombstone")

    assert (answer.status_code, answer.json()["code"]) == (409, "BUNDLE_NOT_DELETED")


async def test_bundle_of_a_job_in_review_is_not_deleted_and_does_not_expire(
    api: Api, hand: Hand, db: Database, database_url: str
) -> None:
    job = await api.submitted()
    bundle = await sealed_bundle(api.services, await environment_of(api), job["id"])
    await hand.take()
    await db.fetch("UPDATE jobs SET status = 'review_required'")
    await age(database_url, bundle.contents.bundle_id, 400)

    answer = await api.delete(f"/v1/bundles/{bundle.contents.bundle_id}")

    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_FINISHED")
    assert await expired(api) == 0


async def test_bundle_expires_with_a_tombstone_that_says_so(
    api: Api, hand: Hand, db: Database, database_url: str
) -> None:
    old, young = [await of_ended_job(api, hand) for _ in range(2)]
    await age(database_url, old.contents.bundle_id, 366)

    assert await expired(api) == 1

    said = open_envelope(await tombstone(api, old), public_keys(api.services))
    assert (said.predicate["reason"], said.predicate["deleted_by"]) == ("expired", None)
    assert (await columns(db, young))["deleted_at"] is None
    events = await db.fetch(
        "SELECT type FROM bundle_events WHERE bundle_id = $1 ORDER BY seq", old.contents.bundle_id
    )
    assert [event["type"] for event in events] == ["sealed", "expired"]


async def test_bundle_outlives_the_row_of_its_job_and_can_be_held_and_deleted_then(
    api: Api, hand: Hand, db: Database
) -> None:
    bundle = await of_ended_job(api, hand)
    await db.fetch("DELETE FROM jobs")

    held = await api.send("PUT", f"/v1/bundles/{bundle.contents.bundle_id}/legal-hold", json=HOLD)
    refused = await api.delete(f"/v1/bundles/{bundle.contents.bundle_id}")
    await api.delete(f"/v1/bundles/{bundle.contents.bundle_id}/legal-hold")

    assert held.status_code == 200, held.text
    assert refused.json()["code"] == "LEGAL_HOLD"
    assert (await buried(api, bundle)).startswith(b'{"payload":')


async def test_review_stays_whole_when_the_bundle_before_it_expires(
    api: Api, hand: Hand, db: Database, database_url: str, tmp_path: Path
) -> None:
    bundle = await of_ended_job(api, hand)
    review = await review_of(api, bundle)  # has the same source
    await age(database_url, bundle.contents.bundle_id, 366)

    assert await expired(api) == 1
    await db.fetch("UPDATE blob_garbage SET erase_at = now()")
    make_blobs_old(tmp_path)
    await retention.collect(db, api.services.blobs)

    assert await blob_owners(db) >= {review.contents.bundle_id}
    for artifact in review.contents.artifacts:
        assert await api.services.blobs.exists(review.contents.environment_id, artifact.blob_sha256)
    said = open_envelope(await tombstone(api, bundle), public_keys(api.services))
    assert said.manifest_sha256 == review.contents.parent.manifest_sha256


async def test_legal_hold_keeps_job_bundles_source_and_result(
    api: Api, hand: Hand, db: Database, database_url: str
) -> None:
    bundle = await of_ended_job(api, hand)
    review = await review_of(api, bundle)
    path = f"/v1/bundles/{review.contents.bundle_id}"

    held = await api.send("PUT", f"{path}/legal-hold", json=HOLD)
    refusals = [
        await api.delete(f"/v1/bundles/{bundle.contents.bundle_id}"),
        await api.delete(path),
        await api.delete(f"/v1/jobs/{bundle.contents.job_id}/content"),
    ]
    for each in (bundle, review):
        await age(database_url, each.contents.bundle_id, 5000)

    assert held.json()["bundles"] == sorted([bundle.contents.bundle_id, review.contents.bundle_id])
    assert (held.json()["legal_hold"], held.json()["reason"]) == (True, HOLD["reason"])
    assert [each.json()["code"] for each in refusals] == ["LEGAL_HOLD"] * 3
    assert await expired(api) == 0
    released = await api.delete(f"{path}/legal-hold")
    assert (released.json()["legal_hold"], released.json()["reason"]) == (False, None)
    assert await expired(api) == 2


async def test_hold_is_noted_once_for_each_reason(api: Api, hand: Hand, db: Database) -> None:
    bundle = await of_ended_job(api, hand)
    path = f"/v1/bundles/{bundle.contents.bundle_id}/legal-hold"

    for reason in ("first", "first", "second"):
        assert (await api.send("PUT", path, json={"reason": reason})).status_code == 200
    for _ in range(2):
        assert (await api.delete(path)).status_code == 200

    events = await db.fetch("SELECT type, detail FROM bundle_events WHERE type <> 'sealed' ORDER BY seq")
    assert [(event["type"], event["detail"].get("reason")) for event in events] == [
        ("held", "first"),
        ("held", "second"),
        ("released", None),
    ]


async def test_bundle_that_a_review_seals_under_hold_is_under_hold(
    api: Api, hand: Hand, db: Database
) -> None:
    bundle = await of_ended_job(api, hand)
    await api.send("PUT", f"/v1/bundles/{bundle.contents.bundle_id}/legal-hold", json=HOLD)

    review = await review_of(api, bundle)

    assert (await columns(db, review))["legal_hold"] is True


@pytest.mark.parametrize("first", ["hold", "deletion"])
async def test_of_a_hold_and_a_deletion_at_once_one_wins_and_the_other_is_told(
    api: Api, hand: Hand, db: Database, first: str
) -> None:
    bundle = await of_ended_job(api, hand)
    path = f"/v1/bundles/{bundle.contents.bundle_id}"
    hold = api.send("PUT", f"{path}/legal-hold", json=HOLD)
    deletion = api.delete(f"/v1/jobs/{bundle.contents.job_id}/content")

    if first == "hold":
        held, deleted = await asyncio.gather(hold, deletion)
    else:
        deleted, held = await asyncio.gather(deletion, hold)

    codes = {held.json().get("code"), deleted.json().get("code")} - {None}
    assert codes in ({"LEGAL_HOLD"}, {"BUNDLE_DELETED"})
    is_held = held.status_code == 200
    row = await columns(db, bundle)
    assert (row["legal_hold"], row["deleted_at"] is None) == (is_held, is_held)


async def test_deleted_bundle_cannot_be_held(api: Api, hand: Hand) -> None:
    bundle = await of_ended_job(api, hand)
    await buried(api, bundle)

    answer = await api.send("PUT", f"/v1/bundles/{bundle.contents.bundle_id}/legal-hold", json=HOLD)

    assert (answer.status_code, answer.json()["code"]) == (410, "BUNDLE_DELETED")


async def test_nothing_is_written_onto_a_bundle_that_is_deleted_meanwhile(
    api: Api, hand: Hand, db: Database
) -> None:
    bundle = await of_ended_job(api, hand)
    ours = bundle.contents
    async with db.begin(ours.environment_id) as session:
        # Somebody who looked at the bundle before the deletion, and writes after it.
        await session.execute(text("SELECT FROM bundles WHERE id = :id"), {"id": ours.bundle_id})
        await buried(api, bundle)
        with pytest.raises(LookupError):
            await note(session, ours.bundle_id, BundleEventType.RECORDED, detail={"said": LABEL})

    assert await rows_with(db, [LABEL]) == set()


async def test_receipt_that_names_nobody_outlives_its_bundle_and_one_that_names_somebody_does_not(
    api: Api, hand: Hand, db: Database
) -> None:
    bundle = await of_ended_job(api, hand)
    await write_about(api, bundle)
    ours = bundle.contents
    await db.fetch(PLAIN_RECEIPT)

    await buried(api, bundle)

    left = await db.fetch(
        "SELECT agent_id, envelope FROM receipts WHERE bundle_id = $1 ORDER BY envelope", ours.bundle_id
    )
    assert [tuple(row) for row in left] == [(None, b"\x01"), (None, None)]


async def test_deleted_bundle_is_logged_before_its_tombstone(api: Api, hand: Hand, db: Database) -> None:
    bundle = await of_ended_job(api, hand)
    left = await buried(api, bundle)
    await transparency.origin(db, "example.com/log/of-tests")

    for _ in range(2):
        await transparency.append_due(db, api.services.keyring.current)

    entries = [row["entry"] for row in await db.fetch("SELECT entry FROM log_entries ORDER BY n")]
    assert entries == [bytes.fromhex(bundle.manifest_sha256), hashlib.sha256(left).digest()]


async def test_deletion_while_the_log_is_written_neither_waits_for_ever_nor_is_lost(
    api: Api, hand: Hand, db: Database
) -> None:
    bundles = [await of_ended_job(api, hand) for _ in range(6)]
    await transparency.origin(db, "example.com/log/of-tests")
    keeping = api.services.keeping

    await asyncio.gather(
        *(
            keeping.delete_bundle(each.contents.environment_id, each.contents.bundle_id, "key_1")
            for each in reversed(bundles)
        ),
        *(transparency.append_due(db, api.services.keyring.current) for _ in range(4)),
    )
    for _ in range(2):
        await transparency.append_due(db, api.services.keyring.current)

    entries = {row["entry"].hex() for row in await db.fetch("SELECT entry FROM log_entries")}
    tombstones = {row["tombstone_sha256"] for row in await db.fetch("SELECT tombstone_sha256 FROM bundles")}
    assert entries == tombstones | {each.manifest_sha256 for each in bundles}


async def test_orphan_patrol_spares_what_bundles_hold_and_takes_what_no_seal_came_to_name(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    bundle = await of_ended_job(api, hand)
    ours = bundle.contents
    lost = await api.services.blobs.put_bytes(ours.environment_id, b"put by a worker that died")
    make_blobs_old(tmp_path)

    found = await orphans.find_orphans(db, api.services.blobs, "worker")
    await retention.collect(db, api.services.blobs)

    assert found == 1
    assert not await api.services.blobs.exists(ours.environment_id, lost)
    assert [
        await api.services.blobs.exists(ours.environment_id, each.blob_sha256) for each in ours.artifacts
    ] == [
        True,
        True,
    ]


async def test_scrub_finds_what_is_damaged_of_a_bundle_and_says_whose_it_is(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    bundle = await of_ended_job(api, hand)
    damaged = bundle.contents.artifacts[1].blob_sha256
    next(path for path in blobs_below(tmp_path) if path.name == damaged).write_bytes(b"flipped")

    await scrub.scrub_all(db, api.services.blobs)

    bad = (await scrub.standing(db)).bad
    assert [(each.sha256, each.owners) for each in bad] == [(damaged, (bundle.contents.bundle_id,))]


async def test_uploaded_file_that_is_deleted_stays_in_bundles_until_these_go(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    file = (await api.upload(SOURCE.encode(), "a.txt")).json()
    job = await api.submitted(source={"file_id": file["id"]})
    await hand.complete({"markdown": "text"})
    environment_id = await environment_of(api)
    bundle = await sealed_bundle(api.services, environment_id, job["id"])

    await api.delete(f"/v1/files/{file['id']}")
    make_blobs_old(tmp_path)
    await retention.collect(db, api.services.blobs)
    kept = await api.services.blobs.exists(environment_id, file["sha256"])
    await buried(api, bundle)
    make_blobs_old(tmp_path)
    await retention.collect(db, api.services.blobs)

    assert kept
    assert not await api.services.blobs.exists(environment_id, file["sha256"])


async def test_bundle_of_another_environment_is_not_found(api: Api, hand: Hand) -> None:
    bundle = await of_ended_job(api, hand)
    stranger = await api.as_key("another")
    path = f"/v1/bundles/{bundle.contents.bundle_id}"

    answers = [
        await stranger.delete(path),
        await stranger.get(f"{path}/tombstone"),
        await stranger.send("PUT", f"{path}/legal-hold", json=HOLD),
        await stranger.delete(f"{path}/legal-hold"),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "NOT_FOUND")] * 4


async def test_a_guard_refuses_a_deletion_without_a_date_and_a_bundle_that_comes_back(
    api: Api, hand: Hand, db: Database
) -> None:
    bundle = await of_ended_job(api, hand)
    with pytest.raises(Exception, match="bundles_stay_as_sealed"):
        await db.fetch("UPDATE bundles SET manifest = NULL")
    await buried(api, bundle)

    with pytest.raises(Exception, match="bundles_stay_as_sealed"):
        await db.fetch("UPDATE bundles SET manifest = 'other'")
    with pytest.raises(Exception, match="bundles_keep_their_place"):
        await db.fetch("UPDATE bundles SET tombstone = 'other'")
