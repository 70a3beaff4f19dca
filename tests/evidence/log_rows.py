"""What tests of the log need: bundles that were sealed, and a judge of the whole log by its tables alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from affidavit.bundle import merkle
from affidavit.bundle.checkpoint import read_note
from affidavit.infra.keyring import SigningKey

ENV = "one"
ORIGIN = "example.com/log/of-tests"

SEAL = """
INSERT INTO bundles (id, environment_id, job_id, operation, sealed_at, manifest, envelope, manifest_sha256,
    merkle_root, chunk_count, artifact_count, size_bytes, signing_key_id)
SELECT 'ev_' || lpad(n, 26, '0'), $2, 'job_' || n, 'extract', clock_timestamp(),
    convert_to('manifest ' || n, 'UTF8'), convert_to('envelope ' || n, 'UTF8'),
    encode(sha256(convert_to('manifest ' || n, 'UTF8')), 'hex'),
    '', 0, 0, 0, 'key'
FROM unnest($1::text[]) AS n
"""
BURY = """
UPDATE bundles SET manifest = NULL, envelope = NULL, deleted_at = now(),
    tombstone = convert_to('tombstone of ' || id, 'UTF8')
WHERE id = ANY ($1::text[])
"""


def bundle_id(name: str) -> str:
    return f"ev_{name.zfill(26)}"


def manifest_hash(name: str) -> bytes:
    return hashlib.sha256(f"manifest {name}".encode()).digest()


def tombstone_hash(name: str) -> bytes:
    return hashlib.sha256(f"tombstone of {bundle_id(name)}".encode()).digest()


def public(key: SigningKey) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(key.public[-32:])


@dataclass(frozen=True)
class Rows:
    """A database as its owner sees it."""

    url: str

    async def seal(self, *names: str) -> None:
        await self.run(SEAL, list(names), ENV)

    async def bury(self, *names: str) -> None:
        await self.run(BURY, [bundle_id(name) for name in names])

    async def run(self, statement: str, *args: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()

    async def force(self, statement: str) -> None:
        """Do what no code of ours does, past the guards."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(statement)
        finally:
            await connection.close()

    async def entries(self) -> list[bytes]:
        """Return the entries of the log, which have no gap."""
        rows = await self.run("SELECT n, entry FROM log_entries ORDER BY n")
        assert [row["n"] for row in rows] == list(range(len(rows)))
        return [row["entry"] for row in rows]

    async def judge(self, *keys: SigningKey) -> int:
        """Check the whole log, and return how many entries it has.

        No gap, nothing twice, each place as its bundle says it, every node as its leaves make it, every
        checkpoint signed and of the entries that are there.
        """
        entries = await self.entries()
        assert len(set(entries)) == len(entries)
        await self._judge_places(entries)
        await self._judge_nodes(entries)
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        rows = await self.run("SELECT size, root, note FROM log_checkpoints ORDER BY size")
        assert rows
        assert rows[-1]["size"] == len(entries)
        for row in rows:
            note = read_note(row["note"].encode())
            note.signer([public(key) for key in keys])
            found = note.checkpoint
            assert (found.origin, found.size, found.root) == (ORIGIN, row["size"], row["root"])
            assert found.root == merkle.root(leaves[: found.size])
        return len(entries)

    async def _judge_places(self, entries: Sequence[bytes]) -> None:
        rows = await self.run("SELECT log_index AS n, decode(manifest_sha256, 'hex') AS entry FROM bundles")
        rows += await self.run("SELECT tombstone_log_index AS n, sha256(tombstone) AS entry FROM bundles")
        placed = {row["n"]: row["entry"] for row in rows if row["n"] is not None}
        assert placed == dict(enumerate(entries))

    async def _judge_nodes(self, entries: Sequence[bytes]) -> None:
        frontier, made = merkle.Frontier(), {}
        for index, entry in enumerate(entries):
            for level, found in enumerate(frontier.append(merkle.leaf_hash(entry))):
                made[level, index >> level] = found
        rows = await self.run("SELECT level, n, hash FROM log_nodes")
        assert {(row["level"], row["n"]): row["hash"] for row in rows} == made
