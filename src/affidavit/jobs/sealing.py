"""Seal what was gathered for a bundle, and the images of its pages."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from affidavit.bundle.container import MAX_ENTRIES, MAX_SIZE_BYTES
from affidavit.bundle.envelope import Signers
from affidavit.engine.spec import page_ranges
from affidavit.evidence.log import origin
from affidavit.evidence.manifest import (
    Artifact,
    Contents,
    Encoding,
    Pages,
    Parent,
    Relation,
    SourceFile,
)
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database
from affidavit.infra.ids import new_id
from affidavit.jobs.claim import Claim, MadeFile, StoredImage
from affidavit.jobs.gathering import Gathering, crc32_of, done
from affidavit.jobs.redaction import options_of, shown_url

ROOM_BYTES: Final = 64 << 20  # of a container, for its manifest, envelope and proofs
MOST_ENTRIES: Final = MAX_ENTRIES - 4
ENTRY_BYTES: Final = 300  # what an entry takes beside its contents, at most: its name stands there twice
IMAGES_AT_ONCE: Final = 8
FEW: Final = 20  # artifacts, of which a manifest is spelled in 0.2 ms


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: of so many pages, these and those, with the images that there are."""

    total: int
    good: Sequence[int]
    failed: Sequence[int]
    images: Mapping[int, StoredImage]


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
        return await done(lambda: seal(contents, signer), small=small)

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
