"""Make bundles by hand: rows and blobs as a worker leaves them, without reading a document."""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, datetime

from affidavit.bundle.envelope import Signer
from affidavit.documents import references
from affidavit.evidence import repository
from affidavit.evidence.manifest import Artifact, Chunks, Contents, Encoding, Pages
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database
from affidavit.infra.ids import new_id

FILES = {
    "document.md": b"Total 119.00",
    "document.json": b'{"media_type":"text/plain","page_count":0,"pages":[],"tables":[]}',
    "chunks.ndjson": b"",
    "extraction.json": b'{"operation":"parse"}',
    "request.json": b"{}",
}
NO_CHUNKS = Chunks(0, hashlib.sha256(b"").hexdigest())


async def sealed_bundle(
    db: Database, blobs: BlobStore, environment_id: str, signer: Signer, **files: bytes
) -> SealedBundle:
    """Seal a bundle of a job that never was, and write it."""
    contents = Contents(
        bundle_id=new_id("ev"),
        environment_id=environment_id,
        job_id=new_id("job"),
        operation="parse",
        attempt=1,
        parent=None,
        submitted_at=datetime.now(UTC),
        sealed_at=datetime.now(UTC),
        source=None,
        pages=Pages(0, ""),
        options={},
        engine={},
        chunks=NO_CHUNKS,
        artifacts=[await _artifact(blobs, environment_id, *item) for item in (FILES | files).items()],
        log_origin="test.example/log",
    )
    sealed = seal(contents, signer)
    async with db.begin(environment_id) as session:
        digests = [each.blob_sha256 for each in contents.artifacts]
        await references.add(session, environment_id, contents.bundle_id, digests)
        await repository.add(session, sealed)
    return sealed


async def _artifact(blobs: BlobStore, environment_id: str, name: str, content: bytes) -> Artifact:
    digest = hashlib.sha256(content).hexdigest()
    await blobs.put_bytes(environment_id, content)
    return Artifact(name, "text/plain", len(content), digest, zlib.crc32(content), digest, Encoding.IDENTITY)
