"""Blobs that nobody names are collected, and never one that somebody needs."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from affidavit.documents import orphans, patrol, references
from affidavit.documents.orphans import find_orphans
from affidavit.infra.blobs import BlobStore, LocalBlobs
from affidavit.infra.db import SYSTEM, Database
from affidavit.jobs import retention
from tests.conftest import execute
from tests.infra.test_blobs import local_directory, obstore_directory
from tests.retention.conftest import blobs_below, make_blobs_old

ENV = "env_one"
NOW = timedelta(0)


async def put(store: BlobStore, db: Database, data: bytes, owner: str | None) -> str:
    """Put a blob, and reference it as its owner's transaction would."""
    digest = await store.put_bytes(ENV, data)
    if owner is not None:
        async with db.begin(SYSTEM) as session:
            await references.add(session, ENV, owner, [digest])
    return digest


async def test_old_blobs_without_a_reference_are_collected_and_no_others(
    db: Database, blobs: LocalBlobs, tmp_path: Path
) -> None:
    orphan = await put(blobs, db, b"left by a crash", None)
    needed = await put(blobs, db, b"needed", "file_1")
    make_blobs_old(tmp_path)
    young = await put(blobs, db, b"its reference is on the way", None)

    assert await find_orphans(db, blobs, "worker", every=NOW) == 1
    assert await retention.collect(db, blobs) == 1

    assert not await blobs.exists(ENV, orphan)
    assert await blobs.exists(ENV, needed)
    assert await blobs.exists(ENV, young)


async def test_orphan_that_was_put_again_after_it_was_found_stays(
    db: Database, blobs: LocalBlobs, tmp_path: Path
) -> None:
    orphan = await put(blobs, db, b"again", None)
    make_blobs_old(tmp_path)
    await find_orphans(db, blobs, "worker", every=NOW)

    await put(blobs, db, b"again", None)
    collected = await retention.collect(db, blobs)

    assert collected == 0
    assert await blobs.exists(ENV, orphan)
    assert len(await db.fetch("SELECT FROM blob_garbage WHERE erase_at > now()")) == 1


async def test_store_of_another_database_is_not_emptied(
    db: Database, blobs: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "CREDIBLE", 5)
    for n in range(12):
        await put(blobs, db, b"of another database %d" % n, None)
    make_blobs_old(tmp_path)

    assert await find_orphans(db, blobs, "worker", every=NOW) == 0
    await retention.collect(db, blobs)

    assert len(blobs_below(tmp_path)) == 12


async def test_one_worker_lists_at_a_time_and_a_dead_ones_turn_passes(
    db: Database, database_url: str, blobs: LocalBlobs, tmp_path: Path
) -> None:
    await put(blobs, db, b"orphan", None)
    make_blobs_old(tmp_path)
    turn = await patrol.take(db, orphans.NAME, "dies", every=NOW)
    assert turn is not None

    assert await find_orphans(db, blobs, "other", every=NOW) == 0
    await execute(database_url, "UPDATE patrols SET lease_until = now() - interval '1 second'")
    assert await find_orphans(db, blobs, "other", every=NOW) == 1
    assert not await patrol.advance(db, turn, "", 1), "the dead one is back, and its turn is over"


async def test_store_is_listed_when_that_is_due_and_not_before(db: Database, blobs: LocalBlobs) -> None:
    assert await patrol.take(db, "walk", "a", every=timedelta(hours=1)) is not None
    await patrol.leave(db, patrol.Turn("walk", "a", "", 0, 0, NOW), finished=True)

    assert await patrol.take(db, "walk", "b", every=timedelta(hours=1)) is None
    assert await patrol.take(db, "walk", "b", every=NOW) is not None


@pytest.mark.parametrize("make", [local_directory, obstore_directory])
async def test_no_collector_ever_takes_a_blob_whose_reference_is_committed(
    db: Database, tmp_path: Path, make: Callable[[Path], BlobStore]
) -> None:
    """Owners come and go over a few contents, while two workers list and collect all the time.

    Whenever an owner's reference is committed, its blob must be there, until the owner drops it. Blobs
    that nobody is putting are made old, so that only the order of steps protects them.
    """
    store, dice = make(tmp_path), random.Random(7)
    contents = [b"content %d" % n for n in range(3)]
    busy = dict.fromkeys(contents, 0)
    done = asyncio.Event()
    taken = 0

    async def own(name: str) -> None:
        for _ in range(25):
            data = dice.choice(contents)
            busy[data] += 1
            digest = await put(store, db, data, name)
            busy[data] -= 1
            assert await store.exists(ENV, digest), "a referenced blob was collected"
            async with db.begin(SYSTEM) as session:
                await references.drop(session, ENV, name, grace=NOW)

    async def age() -> None:
        while not done.is_set():
            for data in contents:
                if not busy[data]:
                    make_old(tmp_path, sha256(data).hexdigest())
            await asyncio.sleep(0)

    async def sweep(name: str) -> None:
        nonlocal taken
        while not done.is_set():
            await find_orphans(db, store, name, every=NOW)
            taken += await retention.collect(db, store)

    helpers = [asyncio.create_task(each) for each in (age(), sweep("a"), sweep("b"))]
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(own(f"file_{n}") for n in range(3)))
    finally:
        done.set()
        await asyncio.gather(*helpers)
    assert taken, "nothing was ever collected, so the test proves nothing"


def make_old(root: Path, digest: str) -> None:
    for path in root.glob(f"*/env/{ENV}/{digest}"):
        with suppress(FileNotFoundError):
            os.utime(path, (1, 1))
