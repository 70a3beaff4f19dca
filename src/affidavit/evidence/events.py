"""Write down what happened to a bundle: one row each, counted from 1, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.infra.ids import new_id


class BundleEventType(StrEnum):
    """What can happen to a bundle."""

    SEALED = "sealed"
    LOGGED = "logged"
    TIMESTAMPED = "timestamped"
    VERIFIED = "verified"
    DOWNLOADED = "downloaded"
    REVIEWED = "reviewed"
    HANDED_OFF = "handed_off"
    RECORDED = "recorded"  # what a caller wrote into the log
    HELD = "held"
    RELEASED = "released"
    EXPIRED = "expired"
    DELETED = "deleted"


async def note(
    session: AsyncSession,
    bundle_id: str,
    type_: BundleEventType,
    *,
    key_id: str | None = None,
    agent_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
    receipt_id: str | None = None,
    event_id: str | None = None,
) -> str:
    """Append an event to a bundle that this session sees, and return its id, a new one unless given.

    Holds the bundle's row until the end of the transaction. What callers wrote belongs into `detail`.
    Raises LookupError when there is no such bundle, or it was deleted: then it is only logged.
    """
    given = {
        "bundle_id": bundle_id,
        "id": event_id or new_event_id(type_),
        "type": type_.value,
        "key_id": key_id,
        "agent_id": agent_id,
        "detail": dict(detail or {}),  # the connection writes it as JSON
        "receipt_id": receipt_id,
    }
    noted: str | None = await session.scalar(_NOTE, given)
    if noted is None:
        raise LookupError("there is no such bundle")
    return noted


def new_event_id(type_: BundleEventType) -> str:
    """Make the id of an event: `hand_` for hand-offs, `prov_` for all others."""
    return new_id("hand" if type_ is BundleEventType.HANDED_OFF else "prov")


_NOTE: Final = text("""
WITH counted AS (
    UPDATE bundles SET event_seq = event_seq + 1
    WHERE id = :bundle_id AND (deleted_at IS NULL OR :type = 'logged')
    RETURNING id, environment_id, event_seq
)
INSERT INTO bundle_events (bundle_id, seq, environment_id, id, type, key_id, agent_id, detail, receipt_id)
SELECT id, event_seq, environment_id, :id, :type, :key_id, :agent_id, CAST(:detail AS jsonb), :receipt_id
FROM counted
RETURNING id
""")
