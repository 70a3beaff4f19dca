"""Bundles that were sealed by hand: real rows, real blobs, signed by the key of the application."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

import asyncpg
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from affidavit.api.services import Services
from affidavit.documents import references
from affidavit.evidence import repository
from affidavit.evidence.manifest import Artifact, Chunks, Contents, Encoding, Pages, Parent, SourceFile
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.ids import new_id

SOURCE = "Sesquipedalian"
TEXT = "Rutabaga"


async def put_artifact(services: Services, environment_id: str, name: str, content: bytes) -> Artifact:
    """Store a file of a bundle as a worker does: the source as it is, all else compressed."""
    is_source = name.startswith("source/")
    stored = content if is_source else zstandard.compress(content)
    return Artifact(
        name=name,
        media_type="text/plain" if is_source else "application/json",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        crc32=zlib.crc32(content),
        blob_sha256=await services.blobs.put_bytes(environment_id, stored),
        encoding=Encoding.IDENTITY if is_source else Encoding.ZSTD,
    )


async def seal_by_hand(
    services: Services,
    environment_id: str,
    job_id: str,
    files: Mapping[str, bytes] | None = None,
    parent: Parent | None = None,
) -> SealedBundle:
    """Seal what a worker would for a job: its blobs lie in the store, and there is no row yet."""
    given = files or {"source/a.txt": SOURCE.encode(), "document.md": TEXT.encode()}
    artifacts = [await put_artifact(services, environment_id, *each) for each in given.items()]
    at = datetime.now(UTC)
    contents = Contents(
        bundle_id=new_id("ev"),
        environment_id=environment_id,
        job_id=job_id,
        operation="extract",
        attempt=1,
        parent=parent,
        submitted_at=at,
        sealed_at=at,
        source=SourceFile("zanzibar-ledger.txt", None, "text/plain", 14, hashlib.sha256(b"").hexdigest()),
        pages=Pages(1, "1"),
        options={},
        engine={"version": "1"},
        chunks=Chunks(0, hashlib.sha256(b"").hexdigest()),
        artifacts=artifacts,
        log_origin="example.com/log/of-tests",
    )
    return seal(contents, services.keyring.current())


async def sealed_bundle(
    services: Services,
    environment_id: str,
    job_id: str,
    files: Mapping[str, bytes] | None = None,
    parent: Parent | None = None,
) -> SealedBundle:
    """Seal a bundle for a job and write its row."""
    sealed = await seal_by_hand(services, environment_id, job_id, files, parent)
    async with services.db.begin(SYSTEM) as session:
        await repository.add(session, sealed)
        blobs = [artifact.blob_sha256 for artifact in sealed.contents.artifacts]
        await references.add(session, environment_id, sealed.contents.bundle_id, blobs)
    return sealed


def public_keys(services: Services) -> dict[str, Ed25519PublicKey]:
    """Return the key of the application as a verifier is given it."""
    key = services.keyring.current()
    return {key.key_id: Ed25519PublicKey.from_public_bytes(key.public[-32:])}


async def age(url: str, bundle_id: str, days: int) -> None:
    """Let a bundle have been sealed so many days ago, past the guard that keeps it as it was sealed."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE bundles SET sealed_at = sealed_at - $2 * interval '1 day' WHERE id = $1", bundle_id, days
        )
    finally:
        await connection.close()


async def blob_owners(db: Database) -> set[str]:
    return {row["owner"] for row in await db.fetch("SELECT owner FROM blob_refs")}
