"""Bring the files of a bundle into the store while a child writes them.

They come from behind the walls: they are hashed as they are copied, and not one of them is parsed.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
import zlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, TypeVar

from affidavit.documents import references
from affidavit.engine import media
from affidavit.engine.spec import TEXT_BYTES, structure_bytes
from affidavit.evidence.manifest import CHUNKS, Artifact, Chunks, Encoding
from affidavit.infra.blobs import BlobStore
from affidavit.infra.blobs_port import CHUNK_BYTES
from affidavit.infra.db import Database
from affidavit.jobs.claim import Claim, Fenced
from affidavit.jobs.digest import Digest, LineTree, Passing
from affidavit.jobs.redaction import request_of
from affidavit.jobs.workspace import OutputRejected, Workspace

# What a child writes, in the order of the bundle.
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "document.md": "text/markdown; charset=utf-8",
    "document.json": "application/json",
    CHUNKS: "application/x-ndjson",
    "extraction.json": "application/json",
}
REQUEST: Final = "request.json"
NAME_LENGTH: Final = 100
SMALL_BYTES: Final = 32 << 10  # hashed and compressed in 0.1 ms

EXTENSIONS: Final[Mapping[str, str]] = {
    media.PDF: ".pdf",
    media.PNG: ".png",
    media.JPEG: ".jpg",
    media.TIFF: ".tif",
    media.WEBP: ".webp",
    media.TEXT: ".txt",
}
NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")
SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,10}$")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that lies in the store; `lines` is the tree over its lines, where one was asked for."""

    artifact: Artifact
    lines: LineTree | None = None


@dataclass(slots=True)
class Gathering:
    """The files of one bundle on their way. Leaving it stops what is still under way.

    When the task went to another worker, what was put already is left to the collector.
    """

    db: Database
    blobs: BlobStore
    held: Claim
    workspace: Workspace
    output_bytes: int
    _coming: dict[str, asyncio.Task[Taken]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._coming.values():
            task.cancel()
        ends = await asyncio.gather(*self._coming.values(), return_exceptions=True)
        if kind is not None and issubclass(kind, Fenced):
            put = [end.artifact.blob_sha256 for end in ends if isinstance(end, Taken)]
            await references.expect_all(self.db, self.held.environment_id, put)

    def take(self, name: str, size_bytes: int) -> None:
        """Begin to copy a file that the child has left. Raises OutputRejected for one not expected."""
        structured = name in ("document.json", CHUNKS)
        limit = structure_bytes(self.output_bytes) if structured else TEXT_BYTES
        if name not in MEDIA_TYPES or name in self._coming or size_bytes > limit:
            raise OutputRejected
        if not self._coming:  # only now: most tasks that fail have failed before
            self._begin_ours()
        self._begin(name, self._copy_left(name, size_bytes))

    async def files(self) -> tuple[list[Artifact], Chunks]:
        """Wait for all; return them in the order of the bundle. Raises OutputRejected when one is missing."""
        if self._coming.keys() & MEDIA_TYPES.keys() != MEDIA_TYPES.keys():
            raise OutputRejected
        taken = dict(zip(self._coming, await asyncio.gather(*self._coming.values()), strict=True))
        names = ["source", *MEDIA_TYPES, REQUEST]
        lines = taken[CHUNKS].lines
        assert lines is not None
        found = [taken[name].artifact for name in names if name in taken]
        return found, Chunks(lines.count, lines.root())

    def _begin_ours(self) -> None:
        request = request_of(self.held)
        self._begin(REQUEST, self._copy(REQUEST, "application/json", BytesIO(request), len(request)))
        if self.held.document is not None:
            self._begin("source", self._source())

    def _begin(self, name: str, coming: Coroutine[Any, Any, Taken]) -> None:
        self._coming[name] = asyncio.create_task(coming)

    async def _copy_left(self, name: str, size_bytes: int) -> Taken:
        file = self.workspace.open_left(name)
        return await self._copy(name, MEDIA_TYPES[name], file, size_bytes)

    async def _copy(self, name: str, media_type: str, file: BinaryIO, size_bytes: int) -> Taken:
        lines = LineTree() if name == CHUNKS else None
        with file:
            passing = Passing(file, size_bytes, lines)
            async with self.blobs.staging() as upload:
                while not passing.is_done:
                    await upload.write(await done(passing.next, small=size_bytes <= SMALL_BYTES))
                blob = await upload.commit(self.held.environment_id)
        digest = passing.digest
        artifact = Artifact(
            name, media_type, size_bytes, digest.sha256, digest.crc32, blob.sha256, Encoding.ZSTD
        )
        return Taken(artifact, lines)

    async def _source(self) -> Taken:
        """Count the CRC-32 of the document, which lies in the store already."""
        document = self.held.document
        assert document is not None
        if self.workspace.document.exists():
            path, small = self.workspace.document, document.size_bytes <= SMALL_BYTES
            crc32 = await done(lambda: _crc32_of_file(path), small=small)
        else:
            crc32 = await crc32_of(self.blobs, self.held.environment_id, document.sha256)
        name = f"source/{plain_name(document.filename, document.media_type)}"
        sha256 = document.sha256
        return Taken(
            Artifact(name, document.media_type, document.size_bytes, sha256, crc32, sha256, Encoding.IDENTITY)
        )


def plain_name(filename: str | None, media_type: str) -> str:
    """Return the name of a document as a bundle can have it: ASCII letters, digits, `.`, `_` and `-`."""
    letters = unicodedata.normalize("NFKD", filename or "").encode("ascii", "ignore").decode()
    plain = NOT_PLAIN.sub("-", letters)
    suffix = "".join(SUFFIX.findall(plain))
    stem = plain.removesuffix(suffix).lstrip("._-")
    if not stem:
        return f"document{EXTENSIONS.get(media_type, '')}"
    return stem[: NAME_LENGTH - len(suffix)] + suffix


async def done(work: Callable[[], T], *, small: bool) -> T:
    """Do it here if it takes less than the way to a thread and back, which is about 0.2 ms."""
    return work() if small else await asyncio.to_thread(work)


async def crc32_of(blobs: BlobStore, environment_id: str, sha256: str) -> int:
    """Return the CRC-32 of a blob. Raises what the store raises."""
    crc32 = 0
    async for chunk in await blobs.open(environment_id, sha256):
        crc32 = zlib.crc32(chunk, crc32)
    return crc32


def _crc32_of_file(path: Path) -> int:
    digest = Digest()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
    return digest.crc32
