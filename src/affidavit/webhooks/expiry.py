"""What time does to webhooks: old deliveries, secrets that were rotated out, receivers long silent."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from affidavit.infra.db import Database

BATCH: Final = 1000

# Attempts go with their delivery.
_OLD_DELIVERIES: Final = """
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries WHERE ended_at < now() - $1::interval
    ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
_OLD_ENDPOINT_SECRETS: Final = """
UPDATE webhook_endpoints SET sealed_previous = NULL, previous_until = NULL WHERE previous_until < now()
"""
_OLD_DEFAULT_SECRETS: Final = """
UPDATE webhook_secrets SET sealed_previous = NULL, previous_until = NULL WHERE previous_until < now()
"""
_SILENT_LANES: Final = """
DELETE FROM webhook_lanes l WHERE updated_at < now() - $1::interval
AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.lane = l.lane AND d.status = 'pending')
"""


async def sweep(db: Database, kept: timedelta) -> int:
    """Remove secrets past their overlap and deliveries that ended so long ago; return how many of these."""
    await db.fetch(_OLD_ENDPOINT_SECRETS)
    await db.fetch(_OLD_DEFAULT_SECRETS)
    removed = 0
    while rows := await db.fetch(_OLD_DELIVERIES, kept, BATCH):
        removed += len(rows)
    await db.fetch(_SILENT_LANES, kept)
    return removed
