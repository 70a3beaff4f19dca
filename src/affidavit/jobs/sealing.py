"""Bring the files of a bundle into the store while a child writes them, and seal it when all are there.

The files come from behind the walls: they are hashed as they are copied, and not one of them is parsed.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
import zlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self, TypeVar

from affidavit.bundle.container import MAX_ENTRIES, MAX_SIZE_BYTES
from affidavit.bundle.envelope import Signer
from affidavit.documents import references
from affidavit.engine import media
from affidavit.engine.evidence import STRUCTURE_SHARE, TEXT_BYTES
from affidavit.engine.spec import page_ranges
from affidavit.evidence.log import origin
from affidavit.evidence.manifest import (
    CHUNKS,
    Artifact,
    Chunks,
    Contents,
    Encoding,
    Pages,
    Parent,
    Relation,
    SourceFile,
)
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.infra.blobs import BlobStore
from affidavit.infra.blobs_port import CHUNK_BYTES
from affidavit.infra.db import Database
from affidavit.infra.ids import new_id
from affidavit.jobs.claim import Claim, Fenced, MadeFile, StoredImage
from affidavit.jobs.digest import Digest, LineTree, Passing
from affidavit.jobs.redaction import options_of, request_of, shown_url
from affidavit.jobs.workspace import OutputRejected, Workspace

# What a child writes, in the order of the bundle.
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "document.md": "text/markdown; charset=utf-8",
    "document.json": "application/json",
    CHUNKS: "application/x-ndjson",
    "extraction.json": "application/json",
}
REQUEST: Final = "request.json"
ROOM_BYTES: Final = 64 << 20  # of a container, for its manifest, envelope and proofs
MOST_ENTRIES: Final = MAX_ENTRIES - 4
ENTRY_BYTES: Final = 300  # what an entry takes beside its contents, at most: its name stands there twice
NAME_LENGTH: Final = 100
IMAGES_AT_ONCE: Final = 8
SMALL_BYTES: Final = 32 << 10  # hashed and compressed in 0.1 ms
FEW: Final = 20  # artifacts, of which a manifest is spelled in 0.2 ms

T = TypeVar("T")
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


class Signers(Protocol):
    """Who has the key of this moment."""

    def current(self) -> Signer: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that lies in the store; `lines` is the tree over its lines, where one was asked for."""

    artifact: Artifact
    lines: LineTree | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: of so many pages, these and those, with the images that there are."""

    total: int
    good: Sequence[int]
    failed: Sequence[int]
    images: Mapping[int, StoredImage]


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
        limit = STRUCTURE_SHARE * self.output_bytes if structured else TEXT_BYTES
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
                    await upload.write(await _done(passing.next, small=size_bytes <= SMALL_BYTES))
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
            crc32 = await _done(lambda: _crc32_of_file(path), small=small)
        else:
            crc32 = await crc32_of(self.blobs, self.held.environment_id, document.sha256)
        name = f"source/{plain_name(document.filename, document.media_type)}"
        sha256 = document.sha256
        return Taken(
            Artifact(name, document.media_type, document.size_bytes, sha256, crc32, sha256, Encoding.IDENTITY)
        )


@dataclass(slots=True)
class LogOrigin:
    """The name of the installation's log, asked of the database once. It never changes."""

    db: Database
    proposed: str
    _name: str | None = None

    async def get(self) -> str:
        """Return it. Raises what the database raises."""
        if self._name is None:
            self._name = await origin(self.db, self.proposed)
        return self._name


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals what was gathered. `components` are the versions of what reads documents here."""

    blobs: BlobStore
    signers: Signers
    origin: LogOrigin
    components: Mapping[str, str]

    async def seal(
        self,
        held: Claim,
        gathering: Gathering,
        read: Read,
        made: Sequence[MadeFile],
        engine: Mapping[str, Any],
    ) -> SealedBundle:
        """Seal the files and the images. Raises OutputRejected, and what the store raises."""
        files, chunks = await gathering.files()
        files += [_made(file) for file in made]
        images = await self._images(held, read)
        fitting = _fitting(files, images)
        contents = Contents(
            bundle_id=new_id("ev"),
            environment_id=held.environment_id,
            job_id=held.job_id,
            operation=held.operation,
            attempt=held.attempt,
            parent=_parent(held),
            submitted_at=held.submitted_at,
            sealed_at=held.now(),
            source=_source_of(held),
            pages=Pages(
                total=read.total,
                included=page_ranges(read.good),
                failed=read.failed,
                without_image=page_ranges(page for page in read.good if page not in fitting),
            ),
            options=options_of(held),
            engine={**engine, "components": {name: text for name, text in self.components.items() if text}},
            chunks=chunks,
            artifacts=[*files, *fitting.values()],
            log_origin=await self.origin.get(),
        )
        signer, small = self.signers.current(), len(contents.artifacts) <= FEW
        return await _done(lambda: seal(contents, signer), small=small)

    async def _images(self, held: Claim, read: Read) -> dict[int, Artifact]:
        gate = asyncio.Semaphore(IMAGES_AT_ONCE)

        async def counted(image: StoredImage) -> int:
            if image.crc32 is not None:
                return image.crc32
            async with gate:
                return await crc32_of(self.blobs, held.environment_id, image.sha256)

        found = [(page, read.images[page]) for page in read.good if page in read.images]
        sums = await asyncio.gather(*(counted(image) for _, image in found))
        return {page: _image(page, image, crc32) for (page, image), crc32 in zip(found, sums, strict=True)}


def plain_name(filename: str | None, media_type: str) -> str:
    """Return the name of a document as a bundle can have it: ASCII letters, digits, `.`, `_` and `-`."""
    letters = unicodedata.normalize("NFKD", filename or "").encode("ascii", "ignore").decode()
    plain = NOT_PLAIN.sub("-", letters)
    suffix = "".join(SUFFIX.findall(plain))
    stem = plain.removesuffix(suffix).lstrip("._-")
    if not stem:
        return f"document{EXTENSIONS.get(media_type, '')}"
    return stem[: NAME_LENGTH - len(suffix)] + suffix


async def _done(work: Callable[[], T], *, small: bool) -> T:
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


def _parent(held: Claim) -> Parent | None:
    earlier = held.earlier
    return None if earlier is None else Parent(earlier.bundle_id, earlier.manifest_sha256, Relation.RERUN)


def _source_of(held: Claim) -> SourceFile | None:
    document = held.document
    if document is None:
        return None
    url = held.source.get("url")
    return SourceFile(
        name=document.filename,
        url=None if url is None else shown_url(url),
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        sha256=document.sha256,
    )


def _made(file: MadeFile) -> Artifact:
    return Artifact(
        name=f"files/{file.name}",
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        crc32=file.crc32,
        blob_sha256=file.sha256,
        encoding=Encoding.IDENTITY,
    )


def _image(page: int, image: StoredImage, crc32: int) -> Artifact:
    return Artifact(
        name=f"pages/{page:04d}.webp",
        media_type="image/webp",
        size_bytes=image.size_bytes,
        sha256=image.sha256,
        crc32=crc32,
        blob_sha256=image.sha256,
        encoding=Encoding.IDENTITY,
    )


def _fitting(files: Collection[Artifact], images: Mapping[int, Artifact]) -> dict[int, Artifact]:
    """Return the images, from the first on, that a container has room for beside the files."""
    room = MAX_SIZE_BYTES - ROOM_BYTES - sum(file.size_bytes + ENTRY_BYTES for file in files)
    fitting: dict[int, Artifact] = {}
    for page, image in images.items():
        room -= image.size_bytes + ENTRY_BYTES
        if room < 0 or len(files) + len(fitting) >= MOST_ENTRIES:
            break
        fitting[page] = image
    return fitting
