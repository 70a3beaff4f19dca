"""What anyone can see of the log: enough to check it without trusting us, and nothing but hashes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from affidavit.accounts.principal import Scope
from affidavit.bundle import merkle
from affidavit.bundle.checkpoint import Checkpoint, read_note
from affidavit.bundle.log_proof import read_log_proof
from affidavit.evidence import log
from affidavit.infra.db import Database
from affidavit.infra.keyring import SigningKey
from tests.api.conftest import Api, running, settings_for
from tests.conftest import as_service
from tests.evidence.log_rows import ORIGIN, Rows, bundle_id, manifest_hash, public, tombstone_hash

KEY = SigningKey.generate()
MISSING = "ev_00000000000000000000000000"


@pytest.fixture
async def anybody(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(settings_for(database_url, redis_url, tmp_path)) as api:
        yield api


@pytest.fixture
async def rows(database_url: str) -> Rows:
    return Rows(database_url)


@pytest.fixture
async def db(database_url: str, rows: Rows) -> AsyncIterator[Database]:
    database = Database(as_service(database_url), pool_size=2)
    await log.origin(database, ORIGIN)
    yield database
    await database.close()


async def grow(db: Database, rows: Rows, *names: str) -> None:
    await rows.seal(*names)
    await log.append_due(db, lambda: KEY)


async def newest(api: Api) -> Checkpoint:
    note = read_note((await api.get("/v1/log/checkpoint")).content)
    note.signer([public(KEY)])
    return note.checkpoint


async def own(rows: Rows, name: str) -> str:
    """Make the bundle that of environment one, and return the path of its proof."""
    await rows.run("UPDATE bundles SET environment_id = (SELECT id FROM environments WHERE name = 'one')")
    return f"/v1/bundles/{bundle_id(name)}/proof"


async def test_the_checkpoint_is_served_as_a_signed_note(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, "a", "b")

    answer = await anybody.get("/v1/log/checkpoint")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert await newest(anybody) == Checkpoint(
        ORIGIN, 2, merkle.root(map(merkle.leaf_hash, await rows.entries()))
    )


async def test_before_the_first_worker_there_is_no_log(anybody: Api) -> None:
    for path in ("checkpoint", "tile/0/000", "tile/entries/000", "consistency?first=0", "inclusion?index=0"):
        assert (await anybody.get(f"/v1/log/{path}")).status_code == 404


async def test_a_monitor_rebuilds_the_log_from_its_tiles(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, *(f"{n:04}" for n in range(300)))
    checkpoint = await newest(anybody)
    assert checkpoint.size == 300

    full, part = [await anybody.get(f"/v1/log/tile/0/{name}") for name in ("000", "001.p/44")]
    [above] = [await anybody.get("/v1/log/tile/1/000.p/1")]

    leaves = [each[n : n + 32] for each in (full.content, part.content) for n in range(0, len(each), 32)]
    assert merkle.root(leaves) == checkpoint.root
    assert above.content == merkle.root(leaves[:256])
    assert full.headers["content-type"] == "application/octet-stream"
    assert "immutable" in full.headers["cache-control"]


async def test_entries_hash_to_the_leaves_of_their_tile(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, "a", "b", "c")

    entries = (await anybody.get("/v1/log/tile/entries/000.p/3")).content
    tile = (await anybody.get("/v1/log/tile/0/000.p/3")).content

    lengths = [int.from_bytes(entries[n : n + 2]) for n in range(0, len(entries), 34)]
    found = [entries[n + 2 : n + 34] for n in range(0, len(entries), 34)]
    assert lengths == [32, 32, 32]
    assert found == [manifest_hash(name) for name in "abc"]
    assert b"".join(map(merkle.leaf_hash, found)) == tile


NO_TILES = [
    "0/000",  # not full yet
    "0/000.p/4",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/01",
    "0/000.p/x",
    "0/001.p/1",
    "0/x000/000.p/1/2",
    "0/0",
    "0/x00/000.p/1",
    "00/000.p/1",
    "64/000.p/1",
    "-1/000.p/1",
    "63/x999/999.p/255",
    "other/000.p/1",
    "1/000.p/1",
]


async def test_a_tile_that_is_not_there_is_not_found(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, "a", "b", "c")

    for path in NO_TILES:
        answer = await anybody.get(f"/v1/log/tile/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), path


async def test_inclusion_is_proven_by_hash_and_by_index(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, "a", "b", "c")
    await grow(db, rows, "d")

    for query, size in (({"entry": manifest_hash("b").hex()}, 4), ({"index": 1, "size": 3}, 3)):
        found = (await anybody.get("/v1/log/inclusion", params=query)).json()
        proof = [bytes.fromhex(each) for each in found["hashes"]]
        leaf, root = bytes.fromhex(found["leaf_hash"]), bytes.fromhex(found["root"])
        assert (found["index"], found["size"], found["entry"]) == (1, size, manifest_hash("b").hex())
        assert leaf == merkle.leaf_hash(manifest_hash("b"))
        assert merkle.is_included(leaf, 1, size, proof, root)


async def test_growth_is_proven_from_a_checkpoint_that_one_kept(
    anybody: Api, db: Database, rows: Rows
) -> None:
    await grow(db, rows, "a", "b", "c")
    kept = await newest(anybody)
    await grow(db, rows, "d", "e", "f", "g")
    now = await newest(anybody)

    found = (await anybody.get("/v1/log/consistency", params={"first": kept.size})).json()

    proof = [bytes.fromhex(each) for each in found["hashes"]]
    assert merkle.is_consistent(kept.size, kept.root, now.size, now.root, proof)
    assert (found["first_root"], found["second_root"]) == (kept.root.hex(), now.root.hex())


REFUSALS = [
    ("inclusion", 422),
    ("inclusion?index=0&entry=" + "0" * 64, 422),
    ("inclusion?entry=" + "0" * 64, 404),
    ("inclusion?entry=" + "A" * 64, 422),
    ("inclusion?index=3", 404),
    ("inclusion?index=-1", 422),
    ("inclusion?index=1&size=1", 422),
    ("inclusion?index=1&size=4", 422),
    ("inclusion?index=9007199254740992", 422),
    ("consistency", 422),
    ("consistency?first=4", 422),
    ("consistency?first=2&second=1", 422),
    ("consistency?first=1&second=4", 422),
]


async def test_what_cannot_be_proven_is_refused(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, "a", "b", "c")

    for query, status in REFUSALS:
        assert (await anybody.get(f"/v1/log/{query}")).status_code == status, query


async def test_the_proof_of_a_bundle_is_a_file_that_verifies(anybody: Api, db: Database, rows: Rows) -> None:
    api = await anybody.as_key("one")
    await grow(db, rows, "a", "b")

    answer = await api.get(await own(rows, "b"))

    proof = read_log_proof(answer.content)
    proof.require(manifest_hash("b"), ORIGIN)
    proof.require_signed([public(KEY)])


async def test_a_deleted_bundle_has_a_proof_and_its_tombstone_too(
    anybody: Api, db: Database, rows: Rows
) -> None:
    api = await anybody.as_key("one")
    await grow(db, rows, "a")
    await rows.bury("a")
    await grow(db, rows, "b")
    path = await own(rows, "a")

    for query, entry in (("", manifest_hash("a")), ("?of=tombstone", tombstone_hash("a"))):
        read_log_proof((await api.get(path + query)).content).require(entry, ORIGIN)


async def test_what_waits_for_the_log_says_when_to_ask_again(anybody: Api, db: Database, rows: Rows) -> None:
    api = await anybody.as_key("one")
    await rows.seal("a")
    path = await own(rows, "a")

    waiting = await api.get(path)
    undeleted = await api.get(f"{path}?of=tombstone")

    assert (waiting.status_code, waiting.json()["code"]) == (409, "BUNDLE_NOT_LOGGED")
    assert waiting.json()["retryable"]
    assert waiting.headers["retry-after"] == "1"
    assert undeleted.json()["code"] == "BUNDLE_NOT_DELETED"


async def test_the_proof_of_a_bundle_is_for_its_environment_alone(
    anybody: Api, db: Database, rows: Rows
) -> None:
    one, two = await anybody.as_key("one"), await anybody.as_key("two")
    await grow(db, rows, "a")
    path = await own(rows, "a")
    blind = await anybody.as_key("one", Scope.JOBS_READ)

    assert (await one.get(path)).status_code == 200
    assert (await two.get(path)).json()["detail"] == (await one.get(f"/v1/bundles/{MISSING}/proof")).json()[
        "detail"
    ]
    assert (await anybody.get(path)).status_code == 401
    assert (await blind.get(path)).status_code == 403


async def test_the_public_part_says_nothing_but_hashes(anybody: Api, db: Database, rows: Rows) -> None:
    await grow(db, rows, "a", "b")
    known = {hashlib.sha256(b"").hexdigest()}

    inclusion = (await anybody.get("/v1/log/inclusion?index=0")).json()
    note = (await anybody.get("/v1/log/checkpoint")).text

    assert set(inclusion) == {"index", "size", "entry", "leaf_hash", "root", "hashes"}
    assert "ev_" not in note + str(inclusion)
    assert known.isdisjoint(inclusion["hashes"])
