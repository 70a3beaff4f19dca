"""Read stored blobs again and compare their hashes: damage is found before someone needs the bytes.

The walk follows the references, not the store, so that what is missing is found too. A page that was read
can be read again, so a damaged one is dropped; documents and results are reported, and what reads them
gets an error instead of wrong bytes.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from affidavit.documents import patrol
from affidavit.documents.patrol import Turn
from affidavit.infra import metrics
from affidavit.infra.blobs import BlobCorrupt, BlobMissing, BlobStore
from affidavit.infra.db import Database

log = structlog.get_logger()

NAME: Final = "scrub"
SLICE: Final = 100
AT_ONCE: Final = 1000  # blobs of one round; the next comes within a minute

_NEXT: Final = """
SELECT DISTINCT environment_id, sha256 FROM blob_refs
WHERE (environment_id, sha256) > ($1, $2) ORDER BY environment_id, sha256 LIMIT $3
"""

# An estimate is enough: it sets the pace. One that was never made is counted, while that is cheap.
_COUNT: Final = """
SELECT greatest(
    (SELECT reltuples::bigint FROM pg_class WHERE oid = 'blob_refs'::regclass),
    (SELECT count(*) FROM (SELECT FROM blob_refs LIMIT 10000) AS first)) AS blobs
"""

_RECORD: Final = """
INSERT INTO blob_scrubs AS s (environment_id, sha256, state)
SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM blob_refs r WHERE r.environment_id = $1 AND r.sha256 = $2)
ON CONFLICT (environment_id, sha256) DO UPDATE SET state = EXCLUDED.state, checked_at = now()
RETURNING state
"""

_CLEAR: Final = "DELETE FROM blob_scrubs WHERE environment_id = $1 AND sha256 = $2"

_CLEAR_UNNEEDED: Final = """
DELETE FROM blob_scrubs s WHERE NOT EXISTS (
    SELECT FROM blob_refs r WHERE r.environment_id = s.environment_id AND r.sha256 = s.sha256)
"""

# An owner of pages is `pages:<document>:<reading key>`, and the key may have colons of its own.
_FORGET_PAGES: Final = """
WITH mine AS (
    SELECT owner, split_part(owner, ':', 2) AS document_sha256,
        substr(owner, length('pages::') + length(split_part(owner, ':', 2)) + 1) AS reading_key
    FROM blob_refs WHERE environment_id = $1 AND sha256 = $2 AND owner LIKE 'pages:%'
), forgotten AS (
    DELETE FROM page_checkpoints p USING mine m
    WHERE p.environment_id = $1 AND p.document_sha256 = m.document_sha256
      AND p.reading_key = m.reading_key AND $2 IN (p.sha256, p.image_sha256)
    RETURNING p.page
)
SELECT count(*) AS pages FROM forgotten
"""

_OWNER: Final = """
SELECT (regexp_match(owner, '^[a-z]+'))[1] AS kind FROM blob_refs
WHERE environment_id = $1 AND sha256 = $2 ORDER BY owner LIMIT 1
"""

_BAD: Final = """
SELECT s.environment_id, s.sha256, s.state, s.found_at, s.checked_at, (
    SELECT array_agg(r.owner) FROM blob_refs r
    WHERE r.environment_id = s.environment_id AND r.sha256 = s.sha256) AS owners
FROM blob_scrubs s ORDER BY s.found_at LIMIT $1
"""

_WALK: Final = "SELECT started_at, finished_at, looked_at, size_bytes FROM patrols WHERE name = $1"


class State(StrEnum):
    """What a check of a blob found."""

    SOUND = "sound"
    DAMAGED = "damaged"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Pace:
    """All blobs within `period`, reading at most so many bytes a second."""

    period: timedelta
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What one walk, or a part of one, has checked."""

    blobs: int = 0
    size_bytes: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class BadBlob:
    """A blob that is damaged or missing, and who needs it."""

    environment_id: str
    sha256: str
    state: State
    found_at: datetime
    checked_at: datetime
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How the scrub stands: the walk under way or the last one, and what it found."""

    started_at: datetime | None
    finished_at: datetime | None
    blobs: int
    size_bytes: int
    bad: tuple[BadBlob, ...]


async def scrub(db: Database, blobs: BlobStore, worker: str, pace: Pace) -> Scrubbed:
    """Check as many blobs as the pace asks for by now. Another worker may be at it: then none."""
    turn = await patrol.take(db, NAME, worker, every=pace.period)
    if turn is None:
        return Scrubbed()
    seen, is_over = Scrubbed(), False
    try:
        due = min(await _due(db, turn, pace), AT_ONCE)
        position = turn.position
        while seen.blobs < due and not is_over:
            names = await _next(db, position, min(SLICE, due - seen.blobs))
            is_over = not names
            for environment_id, sha256 in names:
                size_bytes, is_bad = await _check_slowly(db, blobs, environment_id, sha256, pace)
                seen = Scrubbed(seen.blobs + 1, seen.size_bytes + size_bytes, seen.bad + is_bad)
                position = f"{environment_id}/{sha256}"
                if not await patrol.advance(db, turn, position, 1, size_bytes):
                    return seen
        if is_over:
            await db.fetch(_CLEAR_UNNEEDED)
            log.info("scrub.finished", blobs=turn.looked_at + seen.blobs)
    finally:
        await patrol.leave(db, turn, finished=is_over)
    return seen


async def scrub_all(db: Database, blobs: BlobStore) -> Scrubbed:
    """Check every blob now, as fast as the store gives it, beside the walk of the workers."""
    seen, position = Scrubbed(), ""
    while names := await _next(db, position, SLICE):
        for environment_id, sha256 in names:
            size_bytes, is_bad = await _check(db, blobs, environment_id, sha256)
            seen = Scrubbed(seen.blobs + 1, seen.size_bytes + size_bytes, seen.bad + is_bad)
            position = f"{environment_id}/{sha256}"
    await db.fetch(_CLEAR_UNNEEDED)
    return seen


async def standing(db: Database, *, limit: int = 100) -> Standing:
    """Say how the scrub stands, with up to `limit` of the bad blobs."""
    bad = tuple(
        BadBlob(
            row["environment_id"],
            row["sha256"],
            State(row["state"]),
            row["found_at"],
            row["checked_at"],
            tuple(row["owners"] or ()),
        )
        for row in await db.fetch(_BAD, limit)
    )
    walk = await db.fetch_row(_WALK, NAME)
    if walk is None:
        return Standing(None, None, 0, 0, bad)
    return Standing(walk["started_at"], walk["finished_at"], walk["looked_at"], walk["size_bytes"], bad)


async def _due(db: Database, turn: Turn, pace: Pace) -> int:
    """Return how many blobs the walk is behind an even pace; all of them when its time is over."""
    row = await db.fetch_row(_COUNT)
    total = 0 if row is None else row["blobs"]
    if turn.age >= pace.period:
        return AT_ONCE
    return int(total * (turn.age / pace.period)) + 1 - turn.looked_at


async def _next(db: Database, position: str, limit: int) -> list[tuple[str, str]]:
    environment_id, _, sha256 = position.partition("/")
    rows = await db.fetch(_NEXT, environment_id, sha256, limit)
    return [(row["environment_id"], row["sha256"]) for row in rows]


async def _check_slowly(
    db: Database, blobs: BlobStore, environment_id: str, sha256: str, pace: Pace
) -> tuple[int, bool]:
    began = time.monotonic()
    size_bytes, is_bad = await _check(db, blobs, environment_id, sha256)
    await asyncio.sleep(max(0.0, size_bytes / pace.bytes_per_second - (time.monotonic() - began)))
    return size_bytes, is_bad


async def _check(db: Database, blobs: BlobStore, environment_id: str, sha256: str) -> tuple[int, bool]:
    """Check one blob and record what was found; return its size, and whether it is bad."""
    state, size_bytes = await _read(blobs, environment_id, sha256)
    metrics.BLOBS_SCRUBBED.inc()
    if state is State.SOUND:
        await db.fetch(_CLEAR, environment_id, sha256)
        return size_bytes, False
    if await db.fetch_row(_RECORD, environment_id, sha256, state) is None:
        return size_bytes, False  # given up meanwhile, so nobody misses it
    metrics.BLOB_MISMATCHES.inc()
    owner = await db.fetch_row(_OWNER, environment_id, sha256)
    forgotten = await db.fetch_row(_FORGET_PAGES, environment_id, sha256)
    pages = 0 if forgotten is None else forgotten["pages"]
    log.error(
        "blob.damaged",
        environment_id=environment_id,
        sha256=sha256,
        state=state,
        kind=None if owner is None else owner["kind"],
        pages=pages,
    )
    return size_bytes, True


async def _read(blobs: BlobStore, environment_id: str, sha256: str) -> tuple[State, int]:
    size_bytes = 0
    try:
        async for chunk in await blobs.open(environment_id, sha256):
            size_bytes += len(chunk)
    except BlobMissing:
        return State.MISSING, 0
    except BlobCorrupt:
        return State.DAMAGED, size_bytes
    return State.SOUND, size_bytes
