"""Take turns at long walks over all blobs: one worker at a time, which another may follow when it dies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from affidavit.infra.db import Database

LEASE: Final = timedelta(minutes=5)  # renewed every few seconds; one blob at the slowest rate takes 5 s

# A walk that was not finished goes on where it was; a finished one begins anew when it is due again.
_TAKE: Final = """
INSERT INTO patrols AS p (name, lease_until, lease_owner) VALUES ($1, now() + $3::interval, $2)
ON CONFLICT (name) DO UPDATE SET
    lease_until = EXCLUDED.lease_until, lease_owner = EXCLUDED.lease_owner, finished_at = NULL,
    started_at = CASE WHEN p.finished_at IS NULL THEN p.started_at ELSE now() END,
    position = CASE WHEN p.finished_at IS NULL THEN p.position ELSE '' END,
    looked_at = CASE WHEN p.finished_at IS NULL THEN p.looked_at ELSE 0 END,
    size_bytes = CASE WHEN p.finished_at IS NULL THEN p.size_bytes ELSE 0 END
WHERE (p.lease_until IS NULL OR p.lease_until < now())
  AND (p.finished_at IS NULL OR p.started_at < now() - $4::interval)
RETURNING position, looked_at, size_bytes, now() - started_at AS age
"""

_ADVANCE: Final = """
UPDATE patrols SET lease_until = now() + $3::interval, position = $4,
    looked_at = looked_at + $5, size_bytes = size_bytes + $6
WHERE name = $1 AND lease_owner = $2 AND lease_until > now() RETURNING name
"""

_END: Final = """
UPDATE patrols SET lease_until = NULL, lease_owner = NULL, finished_at = CASE WHEN $3 THEN now() END
WHERE name = $1 AND lease_owner = $2
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A walk that is ours: how far it had come, and how long ago it began."""

    name: str
    worker: str
    position: str
    looked_at: int
    size_bytes: int
    age: timedelta


async def take(db: Database, name: str, worker: str, *, every: timedelta) -> Turn | None:
    """Take the walk of this name, or None when another has it or it is not due yet."""
    row = await db.fetch_row(_TAKE, name, worker, LEASE, every)
    if row is None:
        return None
    return Turn(name, worker, row["position"], row["looked_at"], row["size_bytes"], row["age"])


async def advance(db: Database, turn: Turn, position: str, looked_at: int, size_bytes: int = 0) -> bool:
    """Note how far the walk has come; False when it is no longer ours."""
    noted = await db.fetch_row(_ADVANCE, turn.name, turn.worker, LEASE, position, looked_at, size_bytes)
    return noted is not None


async def leave(db: Database, turn: Turn, *, finished: bool) -> None:
    """Give the walk up, or end it when it has seen everything."""
    await db.fetch(_END, turn.name, turn.worker, finished)
