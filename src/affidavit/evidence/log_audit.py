"""Read the whole log and make its tree anew: whether it is what was signed, from its first entry on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from affidavit.bundle.checkpoint import Checkpoint, CheckpointError, read_note
from affidavit.bundle.merkle import Frontier, leaf_hash
from affidavit.evidence import signing_keys
from affidavit.infra.db import Database

SLICE: Final = 2000
MOST_TOLD: Final = 100  # a tree that is wrong at its beginning is wrong everywhere

_ENTRIES: Final = "SELECT n, entry FROM log_entries WHERE n >= $1 ORDER BY n LIMIT $2"
_CHECKPOINTS: Final = "SELECT size, root, note FROM log_checkpoints WHERE size >= $1 AND size <= $2"
_NODES: Final = """
SELECT count(*) AS sound FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS w(level, n, hash)
JOIN log_nodes l ON l.level = w.level AND l.n = w.n AND l.hash = w.hash
"""
_END: Final = "SELECT max(size) AS size FROM log_checkpoints"
_MISPLACED: Final = """
SELECT b.id FROM bundles b LEFT JOIN log_entries m ON m.n = b.log_index
    LEFT JOIN log_entries t ON t.n = b.tombstone_log_index
WHERE (b.log_index IS NOT NULL AND m.entry IS DISTINCT FROM decode(b.manifest_sha256, 'hex'))
   OR (b.tombstone_log_index IS NOT NULL AND t.entry IS DISTINCT FROM sha256(b.tombstone))
ORDER BY b.id LIMIT $1
"""


@dataclass(slots=True)
class Audit:
    """What was found: how many entries and checkpoints there are, and what is wrong, in words."""

    entries: int = 0
    checkpoints: int = 0
    wrong: list[str] = field(default_factory=list)

    def tell(self, what: str) -> None:
        if len(self.wrong) < MOST_TOLD:
            self.wrong.append(what)


async def audit(db: Database) -> Audit:
    """Read all of the log. It may grow meanwhile; memory does not grow with it."""
    published = await signing_keys.published(db)
    keys = [Ed25519PublicKey.from_public_bytes(key.public[-32:]) for key in published]
    reading = _Reading(db, keys, await signing_keys.log_origin(db))
    await reading.read((await db.fetch(_END))[0]["size"] or 0)
    for row in await db.fetch(_MISPLACED, MOST_TOLD):
        reading.found.tell(f"{row['id']} has a place at which the log has something else")
    return reading.found


@dataclass(slots=True)
class _Reading:
    """One walk along the log."""

    db: Database
    keys: list[Ed25519PublicKey]
    origin: str | None
    found: Audit = field(default_factory=Audit)
    tree: Frontier = field(default_factory=Frontier)

    async def read(self, end: int) -> None:
        """Make the tree of the first `end` entries anew."""
        await self._hold_checkpoints({0: self.tree.root()})
        async for entries in _slices(self.db, end):
            if any(n != at for at, (n, _) in enumerate(entries, self.tree.size)):
                break
            roots = await self._grow(entries)
            await self._hold_checkpoints(roots)
        self.found.entries = self.tree.size
        if self.tree.size < end:
            self.found.tell(f"of {end} entries that were signed, some from {self.tree.size} on are missing")

    async def _grow(self, entries: Sequence[tuple[int, bytes]]) -> dict[int, bytes]:
        """Add entries, hold the nodes over them against those that are kept, and return the roots."""
        roots, nodes = {}, []
        for n, entry in entries:
            nodes += [
                (level, n >> level, each) for level, each in enumerate(self.tree.append(leaf_hash(entry)))
            ]
            roots[self.tree.size] = self.tree.root()
        columns = [list(column) for column in zip(*nodes, strict=True)]
        sound = (await self.db.fetch(_NODES, *columns))[0]["sound"]
        if sound < len(nodes):
            span = f"{entries[0][0]} to {entries[-1][0]}"
            self.found.tell(f"of the nodes over entries {span}, {len(nodes) - sound} are wrong")
        return roots

    async def _hold_checkpoints(self, roots: Mapping[int, bytes]) -> None:
        """Hold the checkpoints of these sizes against the roots that were made anew."""
        for row in await self.db.fetch(_CHECKPOINTS, min(roots), max(roots)):
            self.found.checkpoints += 1
            size, root = row["size"], roots[row["size"]]
            try:
                note = read_note(row["note"].encode())
                note.signer(self.keys)
            except CheckpointError as error:
                self.found.tell(f"checkpoint {size}: {error}")
                continue
            if note.checkpoint != Checkpoint(self.origin or "", size, root) or row["root"] != root:
                self.found.tell(f"checkpoint {size} is of another log than the entries make")


async def _slices(db: Database, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Yield the entries that the newest checkpoint covers, in their order."""
    at = 0
    while at < end:
        rows = await db.fetch(_ENTRIES, at, min(SLICE, end - at))
        if not rows:
            return
        yield [(row["n"], row["entry"]) for row in rows]
        at = rows[-1]["n"] + 1
