"""Find bundles, their files and their events: one statement each, for one environment."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Final

import asyncpg

from affidavit.evidence.manifest import Artifact, Encoding
from affidavit.evidence.views import BundleView, EventView, Follower, SealedView
from affidavit.infra.db import Database, scoped

_NAMES: Final = tuple(field.name for field in fields(BundleView))
_COLUMNS: Final = ", ".join(f"b.{name}" for name in _NAMES)

_ONE: Final = scoped(f"""
SELECT {_COLUMNS}, b.manifest, b.envelope, b.timestamp_token
FROM bundles b WHERE b.environment_id = scope.id AND b.id = $2
""")  # noqa: S608 - names of our own columns
_ARTIFACTS: Final = scoped(
    """
SELECT a.n, a.name, a.media_type, a.size_bytes, a.sha256, a.crc32, a.blob_sha256, a.encoding
FROM bundle_artifacts a WHERE a.environment_id = scope.id AND a.bundle_id = $2
""",
    order="found.n",
)
_FOLLOWERS: Final = scoped(
    """
SELECT b.id, b.relation, b.sealed_at, b.deleted_at
FROM bundles b WHERE b.environment_id = scope.id AND b.parent_id = $2 ORDER BY b.id LIMIT 100
""",
    order="found.id",
)
_MANY: Final = scoped(
    f"""
SELECT {_COLUMNS} FROM bundles b
WHERE b.environment_id = scope.id
  AND ($2::text IS NULL OR b.id < $2)
  AND ($3::text IS NULL OR b.job_id = $3)
  AND ($4::timestamptz IS NULL OR b.sealed_at > $4)
  AND ($5::timestamptz IS NULL OR b.sealed_at < $5)
  AND ($6::boolean IS NULL OR (b.deleted_at IS NOT NULL) = $6)
ORDER BY b.id DESC LIMIT $7
""",  # noqa: S608
    order="found.id DESC",
)
_EVENTS: Final = scoped(
    """
SELECT e.seq, e.id, e.type, e.created_at AS at, e.key_id, e.agent_id, e.detail, e.receipt_id
FROM bundle_events e WHERE e.environment_id = scope.id AND e.bundle_id = $2 AND e.seq > $3
ORDER BY e.seq LIMIT $4
""",
    order="found.seq",
)
# Up from each of the two to the first bundle of its chain; a chain of more than this is no person's work.
_CHAINED: Final = scoped("""
WITH RECURSIVE up AS (
    SELECT b.id AS start, b.id, b.parent_id, 0 AS depth FROM bundles b
    WHERE b.environment_id = scope.id AND b.id = ANY($2::text[])
    UNION ALL
    SELECT up.start, p.id, p.parent_id, up.depth + 1 FROM up
    JOIN bundles p ON p.environment_id = scope.id AND p.id = up.parent_id WHERE up.depth < 1000
)
SELECT count(DISTINCT top.id) AS tops FROM (
    SELECT DISTINCT ON (up.start) up.start, up.id FROM up ORDER BY up.start, up.depth DESC
) AS top
""")


async def find(db: Database, environment_id: str, bundle_id: str) -> BundleView | None:
    """Return what is known of a bundle, deleted or not."""
    row = await db.fetch_row_in(environment_id, _ONE, bundle_id)
    return None if row is None else _view(row)


async def find_sealed(db: Database, environment_id: str, bundle_id: str) -> BundleView | SealedView | None:
    """Return a bundle with all that its content is made of; the view alone when it was deleted."""
    row = await db.fetch_row_in(environment_id, _ONE, bundle_id)
    if row is None:
        return None
    if row["deleted_at"] is not None:
        return _view(row)
    artifacts = await find_artifacts(db, environment_id, bundle_id)
    return SealedView(_view(row), row["manifest"], row["envelope"], row["timestamp_token"], artifacts)


async def find_artifacts(db: Database, environment_id: str, bundle_id: str) -> tuple[Artifact, ...]:
    """Return the files of a bundle in their order."""
    rows = await db.fetch_in(environment_id, _ARTIFACTS, bundle_id)
    return tuple(_artifact(row) for row in rows)


async def find_followers(db: Database, environment_id: str, bundle_id: str) -> tuple[Follower, ...]:
    """Return the bundles that follow this one, oldest first, a hundred at most."""
    return tuple(Follower(**dict(row)) for row in await db.fetch_in(environment_id, _FOLLOWERS, bundle_id))


async def find_many(
    db: Database,
    environment_id: str,
    *,
    before: str | None,
    job_id: str | None,
    sealed_after: datetime | None,
    sealed_before: datetime | None,
    is_deleted: bool | None,
    limit: int,
) -> list[BundleView]:
    """Return bundles, newest first, that are older than the one called `before`."""
    rows = await db.fetch_in(
        environment_id, _MANY, before, job_id, sealed_after, sealed_before, is_deleted, limit
    )
    return [_view(row) for row in rows]


async def find_events(
    db: Database, environment_id: str, bundle_id: str, after: int, limit: int
) -> list[EventView]:
    """Return events of a bundle, oldest first, later than the one of that number."""
    rows = await db.fetch_in(environment_id, _EVENTS, bundle_id, after, limit)
    return [EventView(**dict(row)) for row in rows]


async def are_chained(db: Database, environment_id: str, one: str, other: str) -> bool:
    """Tell whether both bundles come from the same first one."""
    row = await db.fetch_row_in(environment_id, _CHAINED, [one, other])
    return row is not None and row["tops"] == 1


def _view(row: asyncpg.Record) -> BundleView:
    return BundleView(**{name: row[name] for name in _NAMES})


def _artifact(row: asyncpg.Record) -> Artifact:
    columns = {name: value for name, value in row.items() if name != "n"}
    return Artifact(**{**columns, "encoding": Encoding(row["encoding"])})
