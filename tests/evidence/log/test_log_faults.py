"""Sequencers are killed and their database is taken away: the log stays whole and gets everything."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from affidavit.evidence import log
from affidavit.infra.db import Database
from tests.conftest import as_service
from tests.evidence.log_rows import ORIGIN, Rows
from tests.evidence.sequencer import key_of

SEEDS = ("11" * 32, "22" * 32)
KEYS = [key_of(seed) for seed in SEEDS]
PATIENCE_SECONDS = 60
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def rows(database_url: str) -> Rows:
    db = Database(as_service(database_url), pool_size=1)
    await log.origin(db, ORIGIN)
    await db.close()
    return Rows(database_url)


@contextmanager
def sequencer(url: str, seed: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.evidence.sequencer", as_service(url), seed]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def sealing(rows: Rows, prefix: str, count: int) -> None:
    """Seal and bury, a few at a time, while others append."""
    for start in range(0, count, 5):
        names = [f"{prefix}{n:04}" for n in range(start, min(start + 5, count))]
        await rows.seal(*names)
        await rows.bury(*names[:2])


async def arrived(rows: Rows, more_than: int) -> None:
    """Wait until the log has more entries than that; each look is a round trip to the database."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await rows.entries()) <= more_than:
            pass


async def finished(rows: Rows, url: str) -> int:
    """Append what is left, and judge the whole."""
    db = Database(as_service(url), pool_size=2)
    while await log.append_due(db, lambda: KEYS[0]):
        pass
    await db.close()
    return await rows.judge(*KEYS)


async def test_sequencers_that_are_killed_leave_a_log_without_gap_or_double(
    rows: Rows, database_url: str
) -> None:
    chance = random.Random(7)
    for turn in range(3):
        before = len(await rows.entries())
        work = asyncio.create_task(sealing(rows, f"{turn}", 40))
        with sequencer(database_url, SEEDS[turn % 2]) as one, sequencer(database_url, SEEDS[1]) as other:
            await arrived(rows, before + chance.randrange(25))  # somewhere in the middle of it
            one.send_signal(signal.SIGKILL)
            other.send_signal(signal.SIGKILL)
            one.wait()
            other.wait()
        await work

    assert await finished(rows, database_url) == 3 * (40 + 16)


async def test_a_database_that_drops_every_connection_leaves_the_log_whole(
    rows: Rows, database_url: str
) -> None:
    owner = await asyncpg.connect(database_url.rpartition("/")[0] + "/postgres")
    cut = CUT.replace("current_database()", f"'{database_url.rpartition('/')[2]}'")
    with sequencer(database_url, SEEDS[0]), sequencer(database_url, SEEDS[1]):
        for turn in range(3):
            before = len(await rows.entries())
            await sealing(rows, f"{turn}", 20)
            await owner.execute(cut)
            await arrived(rows, before)  # they go on by themselves
    await owner.close()

    assert await finished(rows, database_url) == 3 * (20 + 8)


async def test_a_checkpoint_that_was_seen_is_always_one_of_the_same_log(
    rows: Rows, database_url: str
) -> None:
    """Whoever watches while sequencers are killed sees a log that only grows."""
    seen: dict[int, bytes] = {}
    watching = await asyncpg.connect(database_url)

    async def watch() -> None:
        found = await watching.fetchrow("SELECT size, root FROM log_checkpoints ORDER BY size DESC LIMIT 1")
        if found is not None:
            assert found["size"] >= max(seen, default=0)
            assert seen.setdefault(found["size"], found["root"]) == found["root"]

    for turn in range(3):
        work = asyncio.create_task(sealing(rows, f"{turn}", 30))
        with sequencer(database_url, SEEDS[turn % 2]):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not work.done() or len(seen) <= turn:
                    await watch()
        await work

    await finished(rows, database_url)
    kept = {row["size"]: row["root"] for row in await rows.run("SELECT size, root FROM log_checkpoints")}
    assert seen.items() <= kept.items()
    await watching.close()
