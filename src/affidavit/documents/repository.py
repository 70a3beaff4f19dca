"""Statements about documents and the pages read from them, in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.models import Document, PageCheckpoint

# The read paths are single statements outside of a session.
FIND: Final = """
SELECT id, filename, media_type, size_bytes, sha256, created_at, deleted_at
FROM documents WHERE environment_id = $1 AND id = $2
"""

FIND_IMAGE: Final = """
SELECT image_sha256 AS sha256, image_size_bytes AS size_bytes
FROM page_checkpoints
WHERE environment_id = $1 AND document_sha256 = $2 AND page = $3 AND image_sha256 IS NOT NULL
ORDER BY created_at DESC LIMIT 1
"""


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


async def bury(session: AsyncSession, document: Document) -> None:
    """Leave a tombstone of the document and give up its bytes, and its pages when they are its alone."""
    document.deleted_at = func.now()
    await session.flush()
    await references.drop(session, document.environment_id, document.id)
    if not await _has_twin(session, document):
        await _drop_pages(session, document.environment_id, document.sha256)


async def _has_twin(session: AsyncSession, document: Document) -> bool:
    """Tell whether another document of the environment has the same bytes."""
    twin = exists().where(
        Document.environment_id == document.environment_id,
        Document.sha256 == document.sha256,
        Document.id != document.id,
        Document.deleted_at.is_(None),
    )
    return bool(await session.scalar(select(twin)))


async def _drop_pages(session: AsyncSession, environment_id: str, sha256: str) -> None:
    gone = (
        delete(PageCheckpoint)
        .where(PageCheckpoint.environment_id == environment_id, PageCheckpoint.document_sha256 == sha256)
        .returning(PageCheckpoint.reading_key)
    )
    for reading_key in sorted(set(await session.scalars(gone))):
        owner = references.pages_owner(sha256, reading_key)
        await references.drop(session, environment_id, owner)
