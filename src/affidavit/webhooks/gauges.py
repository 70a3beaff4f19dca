"""Set the gauges that say how the deliveries stand, from the database."""

from __future__ import annotations

from typing import Final

from affidavit.infra import metrics
from affidavit.infra.db import Database

# Pending ones alone, which a partial index holds. What is leased is due when its lease ends.
_PENDING: Final = """
SELECT count(*) AS n, extract(epoch FROM greatest(now() - min(due_at), interval '0'))::float8 AS overdue
FROM webhook_deliveries WHERE status = 'pending'
"""


async def refresh(db: Database) -> None:
    """Bring the gauges up to date."""
    row = await db.fetch_row(_PENDING)
    if row is not None:
        metrics.DELIVERIES_PENDING.set(row["n"])
        metrics.DELIVERY_AGE.set(row["overdue"] or 0.0)
