"""Find blobs that no reference names: what a crash left between the put and the commit.

A young one is normal, since bytes are put before their reference is committed. Old ones are handed to the
collector, which looks for references again and spares what was put meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from affidavit.documents import patrol
from affidavit.infra.blobs import BlobEntry, BlobStore
from affidavit.infra.db import Database

log = structlog.get_logger()

NAME: Final = "orphans"
EVERY: Final = timedelta(hours=12)
OLD: Final = timedelta(hours=24)  # far above any upload, and above what clocks of stores differ by
SLICE: Final = 500
# A database that was restored from an old copy, or another's, makes nearly all blobs look like orphans.
# Beyond this many, more orphans than other blobs are believed to be a mistake.
CREDIBLE: Final = 1000

_ORPHANS: Final = """
SELECT f.environment_id, f.sha256 FROM unnest($1::text[], $2::text[]) AS f(environment_id, sha256)
WHERE NOT EXISTS (
    SELECT FROM blob_refs r WHERE r.environment_id = f.environment_id AND r.sha256 = f.sha256)
AND NOT EXISTS (
    SELECT FROM blob_garbage g WHERE g.environment_id = f.environment_id AND g.sha256 = f.sha256)
"""

_HAND_OVER: Final = """
INSERT INTO blob_garbage (environment_id, sha256)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""


async def find_orphans(db: Database, blobs: BlobStore, worker: str, *, every: timedelta = EVERY) -> int:
    """List the store when that is due, and hand what nobody references to the collector; return how many."""
    turn = await patrol.take(db, NAME, worker, every=every)
    if turn is None:
        return 0
    found = looked_at = 0
    async for entries in _slices(blobs.entries()):
        looked_at += len(entries)
        orphans = await _orphans(db, [entry for entry in entries if _is_old(entry)])
        if found + len(orphans) > max(CREDIBLE, looked_at // 2):
            log.error("orphans.refused", count=found + len(orphans), blobs=looked_at)
            break
        await db.fetch(_HAND_OVER, *_columns(orphans))
        found += len(orphans)
        if not await patrol.advance(db, turn, "", len(entries), sum(entry.size_bytes for entry in entries)):
            return found  # we were too slow, and another lists
    await patrol.leave(db, turn, finished=True)
    log.info("orphans.found", count=found, blobs=looked_at)
    return found


async def _orphans(db: Database, entries: list[BlobEntry]) -> list[tuple[str, str]]:
    named = [(entry.environment_id, entry.sha256) for entry in entries]
    return [(row["environment_id"], row["sha256"]) for row in await db.fetch(_ORPHANS, *_columns(named))]


def _columns(names: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [environment_id for environment_id, _ in names], [sha256 for _, sha256 in names]


def _is_old(entry: BlobEntry) -> bool:
    return datetime.now(UTC) - entry.written_at > OLD


async def _slices(entries: AsyncIterator[BlobEntry]) -> AsyncIterator[list[BlobEntry]]:
    waiting: list[BlobEntry] = []
    async for entry in entries:
        waiting.append(entry)
        if len(waiting) >= SLICE:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
