"""Keep, show and delete the files that were uploaded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import repository
from affidavit.documents.intake import Intake
from affidavit.documents.repository import Stored
from affidavit.errors import Conflict, FileDeleted, NotFound
from affidavit.infra.blobs import BlobStore, BlobStream, StoreUnavailable
from affidavit.infra.db import Database
from affidavit.infra.drafts import STALE
from affidavit.infra.idempotency import Fingerprint, claim
from affidavit.infra.ids import is_id, new_id

SWEEP_SECONDS: Final = 600.0

# Says why a document (environment id, document id) must stay: an unfinished job needs it, or it is under
# legal hold. Jobs stand above documents, so whoever puts the parts together hands this in.
WhyKept = Callable[[AsyncSession, str, str], Awaitable[Conflict | None]]


@dataclass(frozen=True, slots=True)
class FileView:
    """A file as the outside sees it."""

    id: str
    filename: str | None
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """The file that answers for an upload; `replayed` when an earlier request had made it."""

    file: FileView
    replayed: bool


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to send: their digest, and a stream of them."""

    sha256: str
    stream: BlobStream


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """What the installation grants: the largest file, and how long an Idempotency-Key is honoured."""

    max_bytes: int
    idempotency_ttl: timedelta


class Documents:
    """The use cases of files. Everything is seen through the environment of the caller."""

    def __init__(self, db: Database, blobs: BlobStore, why_kept: WhyKept, policy: FilePolicy) -> None:
        self._db = db
        self._blobs = blobs
        self._why_kept = why_kept
        self._policy = policy

    def intake(self, environment_id: str) -> Intake:
        """Open a place to stream one file into."""
        return Intake(self._blobs, environment_id, self._policy.max_bytes)

    async def sweep_drafts(self) -> None:
        """Remove what killed uploads left on this machine, now and every ten minutes, until canceled."""
        while True:
            with suppress(StoreUnavailable):  # the next round may succeed
                await self._blobs.sweep_staging(STALE)
            await asyncio.sleep(SWEEP_SECONDS)

    async def keep(self, environment_id: str, stored: Stored, key: Fingerprint | None) -> Kept:
        """Make a file of stored bytes, or return the one that the same key had made.

        Raises IdempotencyKeyReused, IdempotencyInProgress, Gone.
        """
        document_id = new_id("file")
        async with self._db.begin(environment_id) as session:
            answer = document_id
            if key is not None:
                answer = await claim(session, environment_id, key, document_id, self._policy.idempotency_ttl)
            if answer == document_id:
                await repository.add(session, environment_id, document_id, stored)
        return Kept(await self.get(environment_id, answer), answer != document_id)

    async def get(self, environment_id: str, file_id: str) -> FileView:
        """Return a file. Raises NotFound; FileDeleted with its tombstone."""
        row = await self._find(environment_id, file_id)
        return FileView(
            id=row["id"],
            filename=row["filename"],
            media_type=row["media_type"],
            size_bytes=row["size_bytes"],
            sha256=row["sha256"],
            created_at=row["created_at"],
        )

    async def content(self, environment_id: str, file: FileView) -> Content:
        """Open the bytes of a file. Raises BlobError."""
        return Content(file.sha256, await self._blobs.open(environment_id, file.sha256))

    async def page_image(self, environment_id: str, file_id: str, page: int) -> Content:
        """Open the newest WebP image of a page, which exists once a job has read it.

        Raises NotFound, FileDeleted; Conflict NOT_RENDERED before.
        """
        row = await self._find(environment_id, file_id)
        image = await self._db.fetch_row_in(environment_id, repository.FIND_IMAGE, row["sha256"], page)
        if image is None:
            raise Conflict(
                f"There is no image of page {page} yet. Parse the file first, this page included.",
                code="NOT_RENDERED",
            )
        return Content(image["sha256"], await self._blobs.open(environment_id, image["sha256"]))

    async def delete(self, environment_id: str, file_id: str, by: str) -> None:
        """Delete a file, its page images and what was read from it; results of jobs stay.

        `by` is the key that asks. Raises NotFound, FileDeleted; Conflict FILE_IN_USE while an
        unfinished job needs it, LEGAL_HOLD while a job that used it must keep everything.
        """
        _check_id(file_id)
        async with self._db.begin(environment_id) as session:
            document = await repository.lock(session, environment_id, file_id)
            if document is None:
                raise NotFound("file")
            if document.deleted_at is not None:
                raise FileDeleted(document.deleted_at, document.deleted_by, document.purged)
            if (kept := await self._why_kept(session, environment_id, file_id)) is not None:
                raise kept
            await repository.bury(session, document, by)

    async def _find(self, environment_id: str, file_id: str) -> asyncpg.Record:
        _check_id(file_id)
        row = await self._db.fetch_row_in(environment_id, repository.FIND, file_id)
        if row is None:
            raise NotFound("file")
        if row["deleted_at"] is not None:
            raise FileDeleted(row["deleted_at"], row["deleted_by"], row["purged"])
        return row


def _check_id(file_id: str) -> None:
    if not is_id(file_id, "file"):
        raise NotFound("file")
