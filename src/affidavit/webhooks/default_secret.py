"""The secret of an environment that signs what goes to the `webhook` of its submissions."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.errors import Conflict, NotFound
from affidavit.infra.db import Database
from affidavit.infra.idempotency import Fingerprint
from affidavit.infra.ids import new_id
from affidavit.webhooks import repository
from affidavit.webhooks.secret import Sealer, claim_turn, rotated
from affidavit.webhooks.signing import new_secret
from affidavit.webhooks.views import DefaultSecretView, Made

SHOWN: Final = "The default secret was shown before and is not shown again. Rotate it to get a new one."


class DefaultSecrets:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(self, db: Database, sealer: Sealer, idempotency_ttl: timedelta) -> None:
        self._db = db
        self._sealer = sealer
        self._ttl = idempotency_ttl

    async def get(self, environment_id: str) -> DefaultSecretView:
        """Say how the default secret stands, without its text. Raises NotFound before the first use."""
        async with self._db.begin(environment_id) as session:
            return await _default_view(session, environment_id)

    async def reveal(self, environment_id: str, key: Fingerprint | None = None) -> Made[DefaultSecretView]:
        """Make the default secret, or take the one that was made at first use, and show it once.

        Raises Conflict WEBHOOK_SECRET_SHOWN when it was shown before.
        """
        turn = new_id("rot")
        async with self._db.begin(environment_id) as session:
            replayed = await claim_turn(session, environment_id, key, turn, self._ttl) != turn
            if replayed:
                return Made(await _default_view(session, environment_id), None, replayed)
            sealed = self._sealer.seal(new_secret().encode(), environment_id)
            await repository.add_default_secret(session, environment_id, sealed)
            stored = await repository.lock_default_secret(session, environment_id)
            if stored is None or stored.shown_at is not None:
                raise Conflict(SHOWN, code="WEBHOOK_SECRET_SHOWN")
            now = await repository.database_time(session)
            await repository.change_default_secret(session, environment_id, {"shown_at": now})
            secret = self._sealer.open(stored.sealed_secret, environment_id).decode()
            return Made(await _default_view(session, environment_id), secret, replayed)

    async def rotate(
        self, environment_id: str, overlap: timedelta, key: Fingerprint | None = None
    ) -> Made[DefaultSecretView]:
        """Make a new default secret; the old one signs too until the overlap ends. Raises NotFound."""
        secret, turn = new_secret(), new_id("rot")
        async with self._db.begin(environment_id) as session:
            stored = await repository.lock_default_secret(session, environment_id)
            if stored is None:
                raise NotFound("default secret")
            replayed = await claim_turn(session, environment_id, key, turn, self._ttl) != turn
            if not replayed:
                sealed = self._sealer.seal(secret.encode(), environment_id)
                columns = await rotated(session, sealed, stored.sealed_secret, overlap)
                now = await repository.database_time(session)
                columns |= {"created_at": now, "shown_at": now}
                await repository.change_default_secret(session, environment_id, columns)
            view = await _default_view(session, environment_id)
        return Made(view, None if replayed else secret, replayed)


async def _default_view(session: AsyncSession, environment_id: str) -> DefaultSecretView:
    row = await repository.find_default_secret(session, environment_id)
    if row is None:
        raise NotFound("default secret")
    return DefaultSecretView(row.created_at, row.shown_at, row.previous_until if row.has_previous else None)
