"""Put a bundle together from what the store really has, to be verified: damage and all.

Where a download would break off, this goes on: what cannot be had is left out or ends early, and the
container is spelled around it, so that the verification names the file that is damaged.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from affidavit.bundle.container import Entry, Plan
from affidavit.bundle.manifest import ENVELOPE, MANIFEST
from affidavit.bundle.report import Check, Status
from affidavit.evidence.manifest import Artifact
from affidavit.evidence.streaming import stream_artifact
from affidavit.evidence.views import SealedView
from affidavit.infra.blobs import BlobCorrupt, BlobMissing, BlobStore

HEAD_BYTES = 30  # of a local header, without the name


@dataclass(slots=True)
class _Writer:
    """Writes contents and leaves room for the headers, which tell what was written."""

    file: BinaryIO
    entries: list[Entry] = field(default_factory=list)

    async def add(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write an entry. Raises what the chunks raise; what came before stays."""
        await asyncio.to_thread(self.file.write, bytes(HEAD_BYTES + len(name)))
        size, crc32 = 0, 0
        try:
            async for chunk in chunks:
                await asyncio.to_thread(self.file.write, chunk)
                size, crc32 = size + len(chunk), zlib.crc32(chunk, crc32)
        finally:
            self.entries.append(Entry(name, size, crc32))

    def finish(self) -> None:
        """Write the headers and the directory. Raises ContainerError for names that no bundle has."""
        plan = Plan(self.entries)
        self.file.write(plan.tail())
        for n in range(len(plan.entries)):
            head = plan.head(n)
            self.file.seek(plan.offset(n) - len(head))
            self.file.write(head)


async def rebuild(
    blobs: BlobStore, environment_id: str, sealed: SealedView, proofs: Mapping[str, bytes], target: Path
) -> list[Check]:
    """Write the container to `target`, and return a failed check for each file that is lost or damaged.

    Raises ContainerError, StoreUnavailable.
    """
    failed: list[Check] = []
    with target.open("xb") as file:
        writer = _Writer(file)
        await writer.add(MANIFEST, _one(sealed.manifest))
        await writer.add(ENVELOPE, _one(sealed.envelope))
        for artifact in sealed.artifacts:
            problem = await _add(writer, blobs, environment_id, artifact)
            failed += [] if problem is None else [problem]
        for name in sorted(proofs):
            await writer.add(name, _one(proofs[name]))
        await asyncio.to_thread(writer.finish)
    return failed


async def _add(writer: _Writer, blobs: BlobStore, environment_id: str, artifact: Artifact) -> Check | None:
    if not await blobs.exists(environment_id, artifact.blob_sha256):
        return _failed("STORED_BYTES_MISSING", "It is no longer in the store.", artifact)
    try:
        await writer.add(artifact.name, stream_artifact(blobs, environment_id, artifact))
    except BlobMissing:
        return _failed("STORED_BYTES_MISSING", "It is no longer in the store.", artifact)
    except BlobCorrupt:
        return _failed("STORED_BYTES_DAMAGED", "Its stored bytes are not those that were stored.", artifact)
    if writer.entries[-1].crc32 != artifact.crc32:  # a download takes it from the record
        return _failed("RECORD_WRONG", "It has another CRC-32 than the one on record.", artifact)
    return None


def _failed(code: str, detail: str, artifact: Artifact) -> Check:
    return Check("storage", Status.FAILED, code, detail, artifact.name)


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content
