"""Statements about documents and the pages read from them, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.models import Document, PageCheckpoint
from affidavit.documents.tombstone import Kind, Purged, tally
from affidavit.infra.db import scoped

# The read paths are single statements outside of a session.
FIND: Final = scoped("""
SELECT id, filename, media_type, size_bytes, sha256, created_at, deleted_at, deleted_by, purged
FROM documents WHERE environment_id = scope.id AND documents.id = $2
""")

# Nothing that is deleted is kept for later: a collector spares what someone may be putting again.
NO_GRACE: Final = timedelta(0)

FIND_IMAGE: Final = scoped("""
SELECT image_sha256 AS sha256, image_size_bytes AS size_bytes
FROM page_checkpoints
WHERE environment_id = scope.id AND document_sha256 = $2 AND page = $3 AND image_sha256 IS NOT NULL
ORDER BY created_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes in the blob store, sniffed and counted, that no row mentions yet."""

    sha256: str
    size_bytes: int
    media_type: str
    filename: str | None


async def add(session: AsyncSession, environment_id: str, document_id: str, stored: Stored) -> None:
    """Store the row of a document with its reference to the bytes."""
    session.add(
        Document(
            id=document_id,
            environment_id=environment_id,
            filename=stored.filename,
            media_type=stored.media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )
    )
    await session.flush()
    await references.add(session, environment_id, document_id, [stored.sha256])


async def lock(session: AsyncSession, environment_id: str, document_id: str) -> Document | None:
    """Return the document, locked against a second deletion; None when there is none."""
    found = select(Document).where(Document.environment_id == environment_id, Document.id == document_id)
    return (await session.scalars(found.with_for_update())).one_or_none()


async def bury(session: AsyncSession, document: Document, by: str | None) -> None:
    """Leave a tombstone of the document and give up its bytes, and its pages when they are its alone.

    `by` is the key that asked for it; None when the document's time was over.
    """
    purged = [Purged(Kind.SOURCE, document.sha256, document.size_bytes)]
    await references.drop(session, document.environment_id, document.id, grace=NO_GRACE)
    if not await _has_twin(session, document):
        pages = await drop_pages(session, document.environment_id, [document.sha256])
        purged += [page for _, page in pages]
    document.deleted_at = func.now()
    document.deleted_by = by
    document.filename = None
    document.purged = tally(purged)
    await session.flush()


async def _has_twin(session: AsyncSession, document: Document) -> bool:
    """Tell whether another document of the environment has the same bytes."""
    twin = exists().where(
        Document.environment_id == document.environment_id,
        Document.sha256 == document.sha256,
        Document.id != document.id,
        Document.deleted_at.is_(None),
    )
    return bool(await session.scalar(select(twin)))


async def drop_pages(
    session: AsyncSession, environment_id: str, digests: Collection[str]
) -> list[tuple[str, Purged]]:
    """Give up all pages of documents with these digests; return each blob with its document's digest."""
    gone = (
        delete(PageCheckpoint)
        .where(
            PageCheckpoint.environment_id == environment_id,
            PageCheckpoint.document_sha256.in_(sorted(digests)),
        )
        .returning(PageCheckpoint)
    )
    pages = list((await session.scalars(gone)).all())
    owners = {references.pages_owner(page.document_sha256, page.reading_key) for page in pages}
    await references.drop_all(session, environment_id, sorted(owners), grace=NO_GRACE)
    return [(page.document_sha256, blob) for page in pages for blob in _blobs_of(page)]


def _blobs_of(page: PageCheckpoint) -> list[Purged]:
    blobs = [Purged(Kind.PAGE, page.sha256, page.size_bytes)]
    if page.image_sha256 is not None:
        blobs.append(Purged(Kind.PAGE_IMAGE, page.image_sha256, page.image_size_bytes or 0))
    return blobs
