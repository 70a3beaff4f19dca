"""Who needs which blob: references are added and dropped in their owner's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents.models import BlobRef
from affidavit.infra.db import Database

# An upload of the same bytes may be under way: it finds the blob there and does not write it
# again, and its own reference is not committed yet.
GRACE: Final = timedelta(hours=24)

_DROP: Final = text("""
WITH dropped AS (
    DELETE FROM blob_refs
    WHERE environment_id = :environment_id AND owner = ANY(CAST(:owners AS text[])) RETURNING sha256
)
INSERT INTO blob_garbage (environment_id, sha256, erase_at)
SELECT DISTINCT :environment_id, d.sha256, now() + CAST(:grace AS interval)
FROM dropped d
WHERE NOT EXISTS (
    SELECT FROM blob_refs r
    WHERE r.environment_id = :environment_id AND r.sha256 = d.sha256
      AND r.owner <> ALL(CAST(:owners AS text[]))
)
ON CONFLICT (environment_id, sha256) DO UPDATE SET erase_at = least(blob_garbage.erase_at, excluded.erase_at)
""")

UNCLAIMED: Final = timedelta(hours=1)  # far above the longest task

_EXPECT: Final = """
INSERT INTO blob_garbage (environment_id, sha256, erase_at)
SELECT $1, d.sha256, now() + $3::interval FROM unnest($2::text[]) AS d(sha256) ORDER BY 2
ON CONFLICT DO NOTHING
"""


async def expect(db: Database, environment_id: str, sha256: str) -> None:
    """Announce bytes that are about to be put and must not stay if nobody comes to reference them.

    Their worker may die, or their job be canceled. The collector looks again before it erases, so whoever
    does reference them in time has no more to do.
    """
    await expect_all(db, environment_id, [sha256])


async def expect_all(db: Database, environment_id: str, digests: Iterable[str]) -> None:
    """Announce several, as `expect` does of one."""
    await db.fetch(_EXPECT, environment_id, sorted(set(digests)), UNCLAIMED)


def pages_owner(document_sha256: str, reading_key: str) -> str:
    """Name the owner of the pages that one reading of a document left."""
    return f"pages:{document_sha256}:{reading_key}"


async def add(session: AsyncSession, environment_id: str, owner: str, digests: Iterable[str]) -> None:
    """Add references of an owner to blobs; those that it references already are left as they are."""
    await add_all(session, environment_id, {owner: digests})


async def add_all(session: AsyncSession, environment_id: str, needed: Mapping[str, Iterable[str]]) -> None:
    """Add references of several owners, as `add` does of one."""
    rows = [
        {"environment_id": environment_id, "sha256": digest, "owner": owner}
        for owner, digests in needed.items()
        for digest in sorted(set(digests))
    ]
    if rows:
        await session.execute(insert(BlobRef).on_conflict_do_nothing(), rows)


async def drop(session: AsyncSession, environment_id: str, owner: str, *, grace: timedelta = GRACE) -> None:
    """Drop all references of an owner; blobs that nobody needs any more are marked for erasure."""
    await drop_all(session, environment_id, [owner], grace=grace)


async def drop_all(
    session: AsyncSession, environment_id: str, owners: Sequence[str], *, grace: timedelta = GRACE
) -> None:
    """Drop all references of several owners, as `drop` does of one."""
    values = {"environment_id": environment_id, "owners": list(owners), "grace": grace}
    await session.execute(_DROP, values)
