"""What both kinds of secrets share: sealing, rotation, and keys that are honoured once."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.infra.idempotency import Fingerprint, claim
from affidavit.webhooks import repository


class Sealer(Protocol):
    """Encrypts what must be read again, bound to what it belongs to."""

    def seal(self, plain: bytes, owner: str) -> bytes: ...

    def open(self, sealed: bytes, owner: str) -> bytes: ...


async def claim_turn(
    session: AsyncSession, environment_id: str, key: Fingerprint | None, turn: str, ttl: timedelta
) -> str:
    """Bind the key to `turn`, or return what an earlier request had made; without a key, `turn`."""
    return turn if key is None else await claim(session, environment_id, key, turn, ttl)


async def rotated(
    session: AsyncSession, sealed: bytes, previous: bytes, overlap: timedelta
) -> dict[str, object]:
    """Return the columns of a rotated secret: the old one signs too until the overlap ends."""
    if not overlap:
        return {"sealed_secret": sealed, "sealed_previous": None, "previous_until": None}
    until = await repository.database_time(session, overlap)
    return {"sealed_secret": sealed, "sealed_previous": previous, "previous_until": until}
