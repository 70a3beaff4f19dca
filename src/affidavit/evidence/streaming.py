"""Send the bytes of a bundle from the store, in flat memory whatever it holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from affidavit.evidence.manifest import Artifact
from affidavit.evidence.packing import Package, Part, part_size
from affidavit.infra.blobs import BlobCorrupt, BlobStore
from affidavit.infra.compression import stream_decompressed

IDENTITY: Final = "identity"


async def stream_artifact(blobs: BlobStore, environment_id: str, artifact: Artifact) -> AsyncIterator[bytes]:
    """Yield exactly the bytes of a file of a bundle. Raises BlobMissing, BlobCorrupt, StoreUnavailable."""
    if artifact.encoding == IDENTITY:
        chunks = (await blobs.open(environment_id, artifact.blob_sha256)).chunks
    else:
        chunks = stream_decompressed(blobs, environment_id, artifact.blob_sha256)
    left = artifact.size_bytes
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left != 0:
        raise BlobCorrupt(artifact.blob_sha256, "bytes of another size")


async def stream_package(
    blobs: BlobStore, environment_id: str, package: Package, start: int = 0, stop: int | None = None
) -> AsyncIterator[bytes]:
    """Yield the bytes of a package from `start` to `stop`, exclusive. Raises as `stream_artifact`."""
    stop = package.size_bytes if stop is None else stop
    place = 0
    for part in package.parts:
        size = part_size(part)
        if place < stop and place + size > start:
            async with aclosing(_sliced(blobs, environment_id, part, start - place, stop - place)) as chunks:
                async for chunk in chunks:
                    yield chunk
        place += size


async def _sliced(
    blobs: BlobStore, environment_id: str, part: Part, start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """Yield a part's bytes from `start` to `stop`, each of which may lie outside of it.

    A blob is read from its beginning, since only a whole one can be held against its hash.
    """
    if isinstance(part, bytes):
        yield part[max(0, start) : max(0, stop)]
        return
    place = 0
    async for chunk in stream_artifact(blobs, environment_id, part):
        wanted = chunk[max(0, start - place) : max(0, stop - place)]
        place += len(chunk)
        if wanted:
            yield wanted
        if place >= stop:
            return
