"""Make, list, revoke and check API keys."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from affidavit.accounts import key as keys
from affidavit.accounts import repository
from affidavit.accounts.models import ApiKey
from affidavit.accounts.principal import Principal, Scope, spell
from affidavit.errors import NotFound, Unauthenticated
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.secrets import derive

CACHE_SECONDS: Final = 5.0  # how long a revoked key may still be taken by this process
CACHE_SIZE: Final = 10_000  # keys; about 5 MB


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as its owner may see it: never the secret."""

    id: str
    environment: str
    name: str
    last4: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. `text` exists nowhere else."""

    text: str
    view: KeyView


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    principal: Principal
    until: float


class Accounts:
    """The use cases of environments and their keys. `secret_key` is the installation's."""

    def __init__(self, db: Database, secret_key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._pepper = derive(secret_key, "api-keys")
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def create_key(
        self,
        environment: str,
        name: str,
        scopes: Collection[Scope] = tuple(Scope),
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Make a key for the environment of that name, which is made too if it is new."""
        key = keys.make()
        async with self._db.begin(SYSTEM) as session:
            owner = await repository.get_or_create_environment(session, environment)
            stored = await repository.add_key(
                session,
                ApiKey(
                    id=key.id,
                    environment_id=owner.id,
                    name=name,
                    digest=key.digest(self._pepper),
                    last4=key.text[-4:],
                    scopes=spell(scopes),
                    expires_at=expires_at,
                ),
            )
        return NewKey(key.text, _view(stored, environment))

    async def list_keys(self, environment: str | None = None) -> list[KeyView]:
        """Return the keys of one environment, or of all, oldest first."""
        async with self._db.begin(SYSTEM) as session:
            return [_view(key, name) for key, name in await repository.list_keys(session, environment)]

    async def revoke_key(self, key_id: str) -> datetime:
        """Revoke a key and return when that was. Other processes notice within 5 s.

        Raises NotFound.
        """
        async with self._db.begin(SYSTEM) as session:
            revoked = await repository.revoke_key(session, key_id)
        self._known.pop(key_id, None)
        if revoked is None:
            raise NotFound("API key")
        return revoked.revoked_at or datetime.now(UTC)

    async def authenticate(self, text: str) -> Principal:
        """Return who this key stands for.

        Raises Unauthenticated, the same for a mistyped, unknown, revoked or expired key.
        """
        key = keys.parse(text)
        if key is None:
            raise Unauthenticated
        digest = key.digest(self._pepper)
        known = self._known.get(key.id)
        if known is None or known.until <= self._clock():
            known = await self._look_up(key.id)
        if not hmac.compare_digest(known.digest, digest):
            raise Unauthenticated
        return known.principal

    async def _look_up(self, key_id: str) -> _Known:
        """Return the stored key; for one that is not there, one that no secret matches."""
        row = await self._db.fetch_row(repository.FIND_LIVE_KEY, key_id)
        if row is None:
            self._known.pop(key_id, None)
            return _Known(b"", Principal("", "", frozenset()), 0)
        known = self._known_from(row, key_id)
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[key_id] = known
        return known

    def _known_from(self, row: asyncpg.Record, key_id: str) -> _Known:
        seconds = CACHE_SECONDS if row["seconds_left"] is None else min(CACHE_SECONDS, row["seconds_left"])
        principal = Principal(row["environment_id"], key_id, frozenset(row["scopes"]))
        return _Known(row["digest"], principal, self._clock() + seconds)


def _view(key: ApiKey, environment: str) -> KeyView:
    return KeyView(
        id=key.id,
        environment=environment,
        name=key.name,
        last4=key.last4,
        scopes=tuple(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
