"""What anyone may ask of the log: its checkpoint, its tiles, and proofs. All of it is hashes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.errors import Conflict, FieldError, NotFound, RequestInvalid
from affidavit.evidence import log_tree
from affidavit.evidence.models import LogCheckpoint
from affidavit.infra.db import SYSTEM, Database, scoped

TILE_WIDTH: Final = 256  # hashes of a full tile, C2SP tlog-tiles
TILE_HEIGHT: Final = 8  # levels of the tree in one level of tiles

_TILE: Final = "SELECT hash FROM log_nodes WHERE level = $1 AND n >= $2 AND n < $2 + $3 ORDER BY n"
_ENTRIES: Final = "SELECT entry FROM log_entries WHERE n >= $1 AND n < $1 + $2 ORDER BY n"
_FIND: Final = text("SELECT min(n) FROM log_entries WHERE entry = :entry")
_ENTRY: Final = text("SELECT entry FROM log_entries WHERE n = :n")
_PLACES: Final = scoped("""
SELECT b.log_index, b.tombstone_log_index, b.tombstone IS NOT NULL AS has_tombstone
FROM bundles b WHERE b.environment_id = scope.id AND b.id = $2
""")


class NotLogged(Conflict):
    """It waits for the sequencer, which comes by every second."""

    code = "BUNDLE_NOT_LOGGED"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The log does not have it yet. Ask again in a second.", retry_after=1)


class NotDeleted(Conflict):
    code = "BUNDLE_NOT_DELETED"

    def __init__(self) -> None:
        super().__init__("The bundle was not deleted, so there is no tombstone.")


class Logged(StrEnum):
    """What of a bundle stands in the log."""

    MANIFEST = "manifest"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an entry stands in the tree of the first `size` entries."""

    index: int
    size: int
    entry: bytes
    root: bytes
    hashes: list[bytes]


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the tree of the first `old` entries is the beginning of that of the first `new`."""

    old: int
    new: int
    old_root: bytes
    new_root: bytes
    hashes: list[bytes]


async def checkpoint(db: Database) -> str:
    """Return the newest checkpoint, a signed note. Raises NotFound before the first."""
    async with db.begin(SYSTEM) as session:
        return (await _newest(session)).note


async def tile(db: Database, level: int, number: int, width: int = TILE_WIDTH) -> bytes:
    """Return `width` hashes of a tile, 32 bytes each. Raises NotFound while it has fewer."""
    rows = await db.fetch(_TILE, level * TILE_HEIGHT, number * TILE_WIDTH, width)
    return b"".join(_whole([row["hash"] for row in rows], width))


async def entries(db: Database, number: int, width: int = TILE_WIDTH) -> bytes:
    """Return the entries under a tile of level 0, each after its length in 2 bytes. Raises NotFound."""
    rows = await db.fetch(_ENTRIES, number * TILE_WIDTH, width)
    found = _whole([row["entry"] for row in rows], width)
    return b"".join(len(entry).to_bytes(2) + entry for entry in found)


async def inclusion(
    db: Database, *, entry: bytes | None = None, index: int | None = None, size: int | None = None
) -> Inclusion:
    """Prove an entry, which is given by its hash or its index, in a tree of `size` or in the newest.

    Raises NotFound and RequestInvalid.
    """
    async with db.begin(SYSTEM) as session:
        if entry is not None:
            index = await session.scalar(_FIND, {"entry": entry})
        found = None if index is None else await session.scalar(_ENTRY, {"n": index})
        if index is None or found is None:
            raise NotFound("entry in the log")
        size = await _size(session, size, "size")
        if index >= size:
            raise _invalid("size", "is of a tree that does not have the entry yet")
        hashes = await log_tree.inclusion(session, index, size)
        return Inclusion(index, size, found, await log_tree.root(session, size), hashes)


async def consistency(db: Database, old: int, new: int | None = None) -> Consistency:
    """Prove that the log grew from `old` entries to `new`, or to the newest size. Raises RequestInvalid."""
    async with db.begin(SYSTEM) as session:
        size = await _size(session, new, "second")
        if old > size:
            raise _invalid("first", "is larger than the second size")
        roots = await log_tree.root(session, old), await log_tree.root(session, size)
        return Consistency(old, size, *roots, await log_tree.consistency(session, old, size))


async def proof(db: Database, environment_id: str, bundle_id: str, of: Logged) -> bytes:
    """Return the proof of a bundle or its tombstone as C2SP tlog-proof.

    Raises NotFound, NotLogged, NotDeleted.
    """
    row = await db.fetch_row_in(environment_id, _PLACES, bundle_id)
    if row is None:
        raise NotFound("bundle")
    if of is Logged.TOMBSTONE and not row["has_tombstone"]:
        raise NotDeleted
    index = row["tombstone_log_index" if of is Logged.TOMBSTONE else "log_index"]
    if index is None:
        raise NotLogged
    async with db.begin(environment_id) as session:
        found = await log_tree.proof(session, index)
    assert found is not None, "a place is given together with a checkpoint that covers it"
    return found


async def _newest(session: AsyncSession) -> LogCheckpoint:
    found = await log_tree.newest(session)
    if found is None:
        raise NotFound("checkpoint")  # until the first worker comes
    return found


async def _size(session: AsyncSession, asked: int | None, name: str) -> int:
    newest = (await _newest(session)).size
    if asked is not None and asked > newest:
        raise _invalid(name, "is beyond the newest checkpoint")
    return newest if asked is None else asked


def _whole(found: list[Any], width: int) -> list[Any]:
    if len(found) < width:
        raise NotFound("tile")
    return found


def _invalid(name: str, message: str) -> RequestInvalid:
    return RequestInvalid(f"/{name}: {message}.", errors=[FieldError(f"/{name}", message)])
