"""The log has every bundle and every tombstone once, in an order that never changes, whatever dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from affidavit.bundle import merkle
from affidavit.bundle.checkpoint import Checkpoint, sign
from affidavit.bundle.log_proof import read_log_proof
from affidavit.evidence import log, log_tree
from affidavit.evidence.log_audit import Audit, audit
from affidavit.evidence.log_memory import LogMemory
from affidavit.evidence.log_tree import LogDamaged
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.keyring import SigningKey
from tests.conftest import as_service
from tests.evidence.log_rows import ENV, ORIGIN, Rows, bundle_id, manifest_hash, public, tombstone_hash

KEY = SigningKey.generate()
OTHER = SigningKey.generate()


@pytest.fixture
async def rows(db: Database, database_url: str) -> Rows:
    assert await log.origin(db, ORIGIN) == ORIGIN
    return Rows(database_url)


async def append(db: Database, key: SigningKey = KEY, **given: bool) -> int:
    return await log.append_due(db, lambda: key, **given)


async def proof_of(db: Database, index: int) -> bytes:
    async with db.begin(ENV) as session:
        found = await log_tree.proof(session, index)
    assert found is not None
    return found


async def test_a_new_log_is_empty_and_signed(db: Database, rows: Rows) -> None:
    assert await append(db) == 0

    assert await rows.judge(KEY) == 0


async def test_bundles_are_appended_in_the_order_they_were_sealed(db: Database, rows: Rows) -> None:
    for name in ("c", "a", "b"):
        await rows.seal(name)

    assert await append(db) == 3

    assert await rows.entries() == [manifest_hash(name) for name in ("c", "a", "b")]
    assert await rows.judge(KEY) == 3


async def test_what_was_appended_is_noted_with_its_place(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    await append(db)

    events = await rows.run("SELECT bundle_id, seq, type, detail ->> 'index' FROM bundle_events ORDER BY 1")

    assert [tuple(event) for event in events] == [
        (bundle_id("a"), 1, "logged", "0"),
        (bundle_id("b"), 1, "logged", "1"),
    ]


async def test_nothing_new_makes_no_checkpoint(db: Database, rows: Rows) -> None:
    await rows.seal("a")
    await append(db)

    assert await append(db) == 0

    assert len(await rows.run("SELECT FROM log_checkpoints")) == 1


async def test_a_tombstone_is_appended_after_its_bundle(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    await rows.bury("a")

    assert await append(db) == 3

    assert await rows.entries() == [manifest_hash("a"), manifest_hash("b"), tombstone_hash("a")]
    assert await rows.judge(KEY) == 3


async def test_more_than_a_batch_is_appended_at_once(db: Database, rows: Rows) -> None:
    await rows.seal(*(f"{n:04}" for n in range(log.BATCH + 50)))

    assert await append(db) == log.BATCH + 50

    assert await rows.judge(KEY) == log.BATCH + 50
    assert len(await rows.run("SELECT FROM log_checkpoints")) == 2


async def test_every_proof_leads_to_a_signed_root(db: Database, rows: Rows) -> None:
    names = [f"{n:02}" for n in range(23)]
    for start in (0, 1, 4, 11):
        await rows.seal(*names[start : {0: 1, 1: 4, 4: 11, 11: 23}[start]])
        await append(db)

    for index, entry in enumerate(await rows.entries()):
        proof = read_log_proof(await proof_of(db, index))
        proof.require(entry, ORIGIN)
        proof.require_signed([public(KEY)])


async def test_a_proof_never_changes_once_it_is_there(db: Database, rows: Rows) -> None:
    await rows.seal("a")
    await append(db)
    before = await proof_of(db, 0)
    await rows.seal("b", "c")
    await append(db)

    assert await proof_of(db, 0) == before


async def test_a_rotated_key_breaks_no_older_proof(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    await append(db, KEY)
    older = await proof_of(db, 1)
    await rows.seal("c", "d")
    await append(db, OTHER)

    assert await proof_of(db, 1) == older
    assert read_log_proof(older).require_signed([public(OTHER), public(KEY)]) == public(KEY)
    assert read_log_proof(await proof_of(db, 2)).require_signed([public(OTHER)]) == public(OTHER)
    assert await rows.judge(KEY, OTHER) == 4


async def test_the_log_of_one_key_grew_into_that_of_the_next(db: Database, rows: Rows) -> None:
    for key, names in ((KEY, ("a", "b", "c")), (OTHER, ("d", "e"))):
        await rows.seal(*names)
        await append(db, key)
    async with db.begin(SYSTEM) as session:
        proof = await log_tree.consistency(session, 3, 5)
        old, new = await log_tree.root(session, 3), await log_tree.root(session, 5)

    assert merkle.is_consistent(3, old, 5, new, proof)


async def test_many_sequencers_leave_no_gap_and_nothing_twice(
    db: Database, rows: Rows, database_url: str
) -> None:
    databases = [Database(as_service(database_url), pool_size=2, name=f"w{n}") for n in range(4)]
    names = [f"{n:03}" for n in range(120)]
    is_sealed = asyncio.Event()

    async def seal() -> None:
        for start in range(0, len(names), 8):
            await rows.seal(*names[start : start + 8])
            await rows.bury(*names[start : start + 3])
        is_sealed.set()

    async def work(database: Database) -> int:
        appended = 0
        while not is_sealed.is_set():
            appended += await append(database)
        return appended

    _, *counts = await asyncio.gather(seal(), *map(work, databases))
    counts.append(await append(db))

    assert sum(counts) == await rows.judge(KEY) == 120 + 45
    for database in databases:
        await database.close()


async def test_a_sequencer_that_finds_another_at_work_leaves_it_alone(db: Database, rows: Rows) -> None:
    await rows.seal("a")
    async with db.begin(SYSTEM) as session:
        await session.execute(log._TAKE_LOCK, {"lock": log.LOCK})
        assert await append(db) == 0

    assert await append(db) == 1


async def test_a_bundle_that_somebody_holds_is_appended_later(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    holder = await asyncpg.connect(rows.url)
    async with holder.transaction():
        await holder.execute("SELECT FROM bundles WHERE id LIKE '%a' FOR UPDATE")
        assert await append(db) == 1
    await holder.close()

    assert await append(db) == 1
    assert await rows.entries() == [manifest_hash("b"), manifest_hash("a")]
    assert await rows.judge(KEY) == 2


async def test_a_transaction_that_is_cut_off_leaves_nothing(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    await append(db)
    await rows.seal("c", "d")

    class Dying:
        key_id, public = KEY.key_id, KEY.public

        def sign(self, data: bytes) -> bytes:
            raise OSError

    with pytest.raises(OSError):
        await log.append_due(db, Dying)

    assert await rows.judge(KEY) == 2
    assert await append(db) == 2
    assert await rows.judge(KEY) == 4


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE log_nodes SET hash = sha256(hash) WHERE level = 1 AND n = 0",
        "DELETE FROM log_nodes WHERE level = 1 AND n = 0",
        "DELETE FROM log_entries WHERE n = 2",
        "INSERT INTO log_entries (n, entry) VALUES (3, sha256('x'))",
        "DELETE FROM log_checkpoints WHERE size = 3",
        "UPDATE log_checkpoints SET root = sha256(root) WHERE size = 3",
        "DELETE FROM installation",
    ],
)
async def test_nothing_is_signed_over_a_damaged_log(db: Database, rows: Rows, damage: str) -> None:
    for names in (("a", "b"), ("c",)):
        await rows.seal(*names)
        await append(db)
    await rows.seal("d")
    await rows.force(damage)
    before = await rows.run("SELECT size FROM log_checkpoints ORDER BY size")

    with pytest.raises(LogDamaged):
        await append(db)

    assert await rows.run("SELECT size FROM log_checkpoints ORDER BY size") == before


REWRITES = [
    "UPDATE log_entries SET entry = sha256('x') WHERE n = 0",
    "DELETE FROM log_entries",
    "INSERT INTO log_entries (n, entry) VALUES (5, sha256('x'))",
    "INSERT INTO log_entries (n, entry) VALUES (1, sha256('x'))",
    "INSERT INTO log_entries (n, entry) VALUES (2, 'short')",
    "UPDATE log_nodes SET hash = sha256('x')",
    "DELETE FROM log_nodes",
    "UPDATE log_checkpoints SET note = 'x'",
    "DELETE FROM log_checkpoints",
    "UPDATE bundles SET log_index = 7 WHERE id LIKE '%a'",
    "UPDATE bundles SET log_index = NULL WHERE id LIKE '%a'",
]


async def test_the_database_lets_nobody_rewrite_the_log(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    await append(db)

    for statement in REWRITES:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await rows.run(statement)

    assert await rows.judge(KEY) == 2


DAMAGE = {
    "UPDATE log_entries SET entry = sha256(entry) WHERE n = 1": "nodes over entries 0 to 3",
    "UPDATE log_nodes SET hash = sha256(hash) WHERE level = 1 AND n = 0": "1 are wrong",
    "DELETE FROM log_nodes WHERE level = 0 AND n = 3": "1 are wrong",
    "DELETE FROM log_entries WHERE n = 1": "some from 0 on are missing",
    "DELETE FROM log_entries WHERE n = 3": "some from 3 on are missing",
    "UPDATE log_checkpoints SET note = replace(note, '2', '3') WHERE size = 2": "checkpoint 2",
    "UPDATE log_checkpoints SET root = sha256(root) WHERE size = 2": "checkpoint 2 is of another log",
    "UPDATE bundles SET log_index = 9 WHERE log_index = 1": "has a place",
    "UPDATE bundles SET manifest_sha256 = repeat('0', 64) WHERE log_index = 1": "has a place",
    "UPDATE installation SET log_origin = 'other'": "of another log",
    "DELETE FROM signing_keys": "None of the given keys",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_check_of_the_whole_log_finds_what_was_altered(db: Database, rows: Rows, damage: str) -> None:
    await rows.run("INSERT INTO signing_keys (id, public_key) VALUES ($1, $2)", KEY.key_id, KEY.public)
    for names in (("a", "b"), ("c", "d")):
        await rows.seal(*names)
        await append(db)
    whole = await audit(db)
    await rows.force(damage)

    found = await audit(db)

    assert (whole.entries, whole.checkpoints, whole.wrong) == (4, 2, [])
    assert any(DAMAGE[damage] in each for each in found.wrong), found.wrong


async def test_a_check_of_a_log_that_nobody_began_finds_nothing(db: Database) -> None:
    assert await audit(db) == Audit()


async def test_a_database_older_than_what_was_signed_is_not_gone_on_with(
    db: Database, rows: Rows, tmp_path: Path
) -> None:
    memory = LogMemory(tmp_path)
    await rows.seal("a", "b", "c")
    await log.append_due(db, lambda: KEY, memory)
    for table in ("log_entries WHERE n > 0", "log_nodes WHERE n > 0 OR level > 0", "log_checkpoints"):
        await rows.force(f"DELETE FROM {table}")  # as an older copy has it
    await rows.force("UPDATE bundles SET log_index = NULL WHERE log_index > 0")
    root = merkle.leaf_hash(manifest_hash("a")).hex()
    await rows.force(f"INSERT INTO log_checkpoints (size, root, note) VALUES (1, '\\x{root}', '')")

    with pytest.raises(LogDamaged, match="a longer log was signed here"):
        await log.append_due(db, lambda: KEY, memory)

    memory.file.unlink()  # somebody has decided so
    assert await log.append_due(db, lambda: KEY, memory) == 2


async def test_another_log_of_the_same_keys_is_begun(db: Database, rows: Rows, tmp_path: Path) -> None:
    memory = LogMemory(tmp_path)
    memory.keep(sign(Checkpoint("example.com/log/of-before", 9, bytes(32)), KEY.public[-32:], KEY))
    await rows.seal("a")

    assert await log.append_due(db, lambda: KEY, memory) == 1

    assert memory.recall() == Checkpoint(ORIGIN, 1, merkle.leaf_hash(manifest_hash("a")))


async def test_a_folder_that_cannot_be_written_remembers_nothing(
    db: Database, rows: Rows, tmp_path: Path
) -> None:
    memory = LogMemory(tmp_path / "missing")
    await rows.seal("a")

    assert await log.append_due(db, lambda: KEY, memory) == 1
    assert memory.recall() is None


async def test_the_first_name_of_a_log_stays(db: Database, rows: Rows, database_url: str) -> None:
    found = await asyncio.gather(*(log.origin(db, f"example.com/{n}") for n in range(5)))

    assert set(found) == {ORIGIN}


async def test_processes_that_start_at_once_agree_on_a_name(db: Database) -> None:
    found = await asyncio.gather(
        *(log.origin(db, log.propose_origin("", "https://example.com")) for _ in range(5))
    )

    assert len(set(found)) == 1


async def test_a_bundle_is_due_for_a_timestamp_once_it_is_logged(db: Database, rows: Rows) -> None:
    await rows.seal("a", "b")
    await rows.bury("b")

    await append(db, timestamped=True)

    due = await rows.run("SELECT id FROM bundles WHERE timestamp_due_at IS NOT NULL")
    assert [row["id"] for row in due] == [bundle_id("a")]
