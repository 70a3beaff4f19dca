"""Append what was sealed and what was deleted to the log: whoever holds the lock, in one transaction.

Entries, nodes, the checkpoint over them and the places of the bundles are written together or not at all. So
a process that dies leaves nothing half done, and nobody but the tables knows how long the log is.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog
from sqlalchemy import BigInteger, LargeBinary, SmallInteger, Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.checkpoint import Checkpoint, is_origin, sign
from affidavit.bundle.envelope import Signer
from affidavit.bundle.merkle import Frontier, leaf_hash
from affidavit.evidence import log_tree
from affidavit.evidence.events import BundleEventType, note
from affidavit.evidence.log_memory import LogMemory
from affidavit.evidence.log_tree import LogDamaged
from affidavit.evidence.models import Installation, LogCheckpoint
from affidavit.infra.db import SYSTEM, Database

log = structlog.get_logger()

BATCH: Final = (
    100  # entries of one transaction: their bundles are locked for as long, some 0.3 s on a busy machine
)
ROUNDS: Final = 20  # transactions of one sweep; the next sweep comes a second later
PUBLIC_KEY_BYTES: Final = 32  # at the end of the DER SubjectPublicKeyInfo of Ed25519, RFC 8410
LOCK: Final = 0x61666C6F67  # any number that no other lock of this database has

_TAKE_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(:lock)")

# A row that somebody holds is passed over: it is looked at again in a second.
_DUE_BUNDLES: Final = text("""
SELECT id, manifest_sha256 FROM bundles WHERE log_index IS NULL
ORDER BY sealed_at, id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_DUE_TOMBSTONES: Final = text("""
SELECT id, tombstone FROM bundles
WHERE tombstone IS NOT NULL AND tombstone_log_index IS NULL AND log_index IS NOT NULL
ORDER BY deleted_at, id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_PLACE: Final = (
    "UPDATE bundles b SET {column} = p.n{more} FROM unnest(:ids, :ns) AS p(id, n) WHERE b.id = p.id"
)
_DUE_FOR_TIME: Final = """, timestamp_due_at = CASE
    WHEN :timestamped AND b.envelope IS NOT NULL AND b.timestamp_token IS NULL THEN now()
    ELSE b.timestamp_due_at END"""

_IDS: Final = bindparam("ids", type_=ARRAY(Text))
_NS: Final = bindparam("ns", type_=ARRAY(BigInteger))
_HASHES: Final = bindparam("hashes", type_=ARRAY(LargeBinary))
_PLACE_BUNDLES: Final = text(_PLACE.format(column="log_index", more=_DUE_FOR_TIME)).bindparams(_IDS, _NS)
_PLACE_TOMBSTONES: Final = text(_PLACE.format(column="tombstone_log_index", more="")).bindparams(_IDS, _NS)
_ADD_ENTRIES: Final = text("""
INSERT INTO log_entries (n, entry) SELECT * FROM unnest(:ns, :hashes) AS e(n, entry) ORDER BY n
""").bindparams(_NS, _HASHES)
_ADD_NODES: Final = text("""
INSERT INTO log_nodes (level, n, hash) SELECT * FROM unnest(:levels, :ns, :hashes)
""").bindparams(bindparam("levels", type_=ARRAY(SmallInteger)), _NS, _HASHES)
_ADD_CHECKPOINT: Final = text("INSERT INTO log_checkpoints (size, root, note) VALUES (:size, :root, :note)")
_NAME: Final = text("""
INSERT INTO installation (id, log_origin) VALUES (1, :origin) ON CONFLICT (id) DO NOTHING
""")


class LogSigner(Signer, Protocol):
    """A key that signs checkpoints; `public` is its DER SubjectPublicKeyInfo."""

    @property
    def public(self) -> bytes: ...


@dataclass(slots=True)
class _Growth:
    """What one transaction adds to the tree, and the checkpoint over it."""

    tree: Frontier
    note: str | None = None
    entries: dict[int, bytes] = field(default_factory=dict)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)

    def append(self, entry: bytes) -> int:
        """Add an entry of 32 bytes and return its index."""
        index = self.tree.size
        self.entries[index] = entry
        for level, found in enumerate(self.tree.append(leaf_hash(entry))):
            self.nodes.append((level, index >> level, found))
        return index


def propose_origin(given: str, public_url: str) -> str:
    """Return the name that was given for the log, or make one that no other has."""
    return given or f"{urlsplit(public_url).hostname}/log/{secrets.token_hex(5)}"


async def origin(db: Database, proposed: str) -> str:
    """Return the name of this installation's log. The first that asks gives it; it never changes.

    Raises ValueError when what is proposed is no name for a log.
    """
    if not is_origin(proposed):
        raise ValueError("a log's name has no spaces, no plus and at most 255 bytes")
    async with db.begin(SYSTEM) as session:
        found = await _name(session)
        if found is None:
            await session.execute(_NAME, {"origin": proposed})
            found = await _name(session)
    assert found is not None
    return found


async def append_due(
    db: Database,
    signer: Callable[[], LogSigner],
    memory: LogMemory | None = None,
    *,
    timestamped: bool = False,
) -> int:
    """Append what is not in the log yet, and return how many entries that were.

    Returns 0 when another process is at it. `memory` is of what was signed before; `timestamped` says whether
    an authority is to be asked for a timestamp of what was appended. Raises LogDamaged.
    """
    total = 0
    for _ in range(ROUNDS):
        key = signer()  # before the transaction: it may read a file
        known = None if memory is None else await asyncio.to_thread(memory.recall)
        async with db.begin(SYSTEM) as session:
            growth = await _append(session, key, known, timestamped=timestamped)
        if memory is not None and growth.note is not None:
            await asyncio.to_thread(memory.keep, growth.note)
        total += len(growth.entries)
        if len(growth.entries) < BATCH:
            break
    if total:
        log.info("log.appended", count=total)
    return total


async def _name(session: AsyncSession) -> str | None:
    return await session.scalar(select(Installation.log_origin))


async def _append(
    session: AsyncSession, key: LogSigner, known: Checkpoint | None, *, timestamped: bool
) -> _Growth:
    if not await session.scalar(_TAKE_LOCK, {"lock": LOCK}):
        return _Growth(Frontier())
    name = await _name(session)
    if name is None:
        raise LogDamaged("the log has no name")
    last = await log_tree.newest(session)
    if known is not None and known.origin == name:
        await _require_continues(session, known, 0 if last is None else last.size)
    growth = _Growth(await _signed_tree(session, last))
    bundles = await _place_bundles(session, growth, timestamped=timestamped)
    tombstones = await _place_tombstones(session, growth, BATCH - len(bundles))
    if growth.entries or last is None:
        await _write(session, growth, name, key)
    for is_tombstone, placed in ((False, bundles), (True, tombstones)):
        for bundle_id, index in placed.items():
            detail = {"index": index, "of": "tombstone" if is_tombstone else "manifest"}
            await note(session, bundle_id, BundleEventType.LOGGED, detail=detail)
    return growth


async def _require_continues(session: AsyncSession, known: Checkpoint, size: int) -> None:
    if size < known.size or await log_tree.root(session, known.size) != known.root:
        raise LogDamaged(
            f"a longer log was signed here, of {known.size} entries: the database is older than that, or "
            "another one. docs/operations.md says what to do after a restore"
        )


async def _signed_tree(session: AsyncSession, last: LogCheckpoint | None) -> Frontier:
    """Return the tree that the newest checkpoint is of, if that is what the tables hold."""
    tree = Frontier() if last is None else await log_tree.frontier(session, last.size)
    if last is not None and tree.root() != last.root:
        raise LogDamaged("the nodes do not lead to the root that was signed")
    if await log_tree.entry_count(session) != tree.size:
        raise LogDamaged("there are entries beyond the newest checkpoint, or some are missing")
    return tree


async def _place_bundles(session: AsyncSession, growth: _Growth, *, timestamped: bool) -> dict[str, int]:
    rows = (await session.execute(_DUE_BUNDLES, {"most": BATCH})).all()
    places = {row.id: growth.append(bytes.fromhex(row.manifest_sha256)) for row in rows}
    await _place(session, _PLACE_BUNDLES, places, timestamped=timestamped)
    return places


async def _place_tombstones(session: AsyncSession, growth: _Growth, most: int) -> dict[str, int]:
    rows = (await session.execute(_DUE_TOMBSTONES, {"most": most})).all()
    places = {row.id: growth.append(hashlib.sha256(row.tombstone).digest()) for row in rows}
    await _place(session, _PLACE_TOMBSTONES, places)
    return places


async def _place(session: AsyncSession, statement: Any, places: Mapping[str, int], **given: Any) -> None:
    if places:
        await session.execute(statement, {"ids": list(places), "ns": list(places.values()), **given})


async def _write(session: AsyncSession, growth: _Growth, name: str, key: LogSigner) -> None:
    if growth.entries:
        columns = {"ns": list(growth.entries), "hashes": list(growth.entries.values())}
        await session.execute(_ADD_ENTRIES, columns)
        await session.execute(_ADD_NODES, _columns(growth.nodes))
    checkpoint = Checkpoint(name, growth.tree.size, growth.tree.root())
    growth.note = sign(checkpoint, key.public[-PUBLIC_KEY_BYTES:], key)
    given = {"size": checkpoint.size, "root": checkpoint.root, "note": growth.note}
    await session.execute(_ADD_CHECKPOINT, given)


def _columns(nodes: Sequence[tuple[int, int, bytes]]) -> dict[str, list[Any]]:
    levels, places, hashes = zip(*nodes, strict=True)
    return {"levels": list(levels), "ns": list(places), "hashes": list(hashes)}
