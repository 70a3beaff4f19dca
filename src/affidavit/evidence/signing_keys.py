"""Publish the keys that sign, take new ones while the process runs, and retire old ones.

A key signs only once its public half is in the table: whoever gets a signature can find the key. A key that
another one replaced is retired some time later, when every process has looked into its folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from affidavit.infra.db import Database
from affidavit.infra.keyring import Keyring, KeyringUnusable, SigningKey

log = structlog.get_logger()

LOOK_SECONDS: Final = 2.0  # how often a process looks for a new key
# Mounted secrets reach the machines of a cluster minutes apart; until then they sign with the old key.
RETIRE_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key, DER, and from when until when it signs; `retired_at` may lie ahead."""

    id: str
    public: bytes
    created_at: datetime
    retired_at: datetime | None

    def is_retired(self, now: datetime) -> bool:
        """Tell whether nothing is signed with it any more."""
        return self.retired_at is not None and self.retired_at <= now


_PUBLISH: Final = """
INSERT INTO signing_keys (id, public_key) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING
"""
_RETIRED: Final = "SELECT retired_at FROM signing_keys WHERE id = $1 AND retired_at <= clock_timestamp()"
_RETIRE: Final = """
UPDATE signing_keys SET retired_at = clock_timestamp() + $2 WHERE id = $1
    AND (retired_at IS NULL OR retired_at > clock_timestamp() + $2)
RETURNING retired_at
"""
_ALL: Final = "SELECT id, public_key, created_at, retired_at FROM signing_keys ORDER BY created_at DESC, id"
_ORIGIN: Final = "SELECT log_origin FROM installation"


async def open_keyring(db: Database, keyring: Keyring) -> SigningKey:
    """Find or make the key of this machine, publish it and sign with it from now on.

    Raises KeyringUnusable, also for a key that was retired; and what the database raises.
    """
    try:
        key = await asyncio.to_thread(keyring.look)
        await _adopt(db, keyring, key)
    except KeyringUnusable as unusable:
        log.error("signing_key.unusable", why=str(unusable))  # noqa: TRY400 - it says what to do, no trace
        raise
    log.info("signing_key.taken", key_id=key.key_id)
    return key


async def follow(db: Database, keyring: Keyring) -> None:
    """Sign with the newest key of the folder from now on, if it is another one. Raises as `open_keyring`."""
    before, key = keyring.current(), await asyncio.to_thread(keyring.look)
    if key.key_id == before.key_id:
        return
    await _adopt(db, keyring, key)
    log.info("signing_key.taken", key_id=key.key_id)
    await retire(db, before.key_id, RETIRE_AFTER)
    log.info("signing_key.retired", key_id=before.key_id)


async def keep_following(db: Database, keyring: Keyring) -> None:
    """Do so until it is canceled. What fails is tried again; until then the old key signs."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await follow(db, keyring)
        except KeyringUnusable as unusable:
            log.warning("signing_key.unusable", why=str(unusable))
        except Exception as error:  # noqa: BLE001 - the database may be away
            log.warning("signing_key.not_taken", error=type(error).__name__)


async def rotate(db: Database, keyring: Keyring) -> tuple[SigningKey | None, SigningKey]:
    """Make a key, publish it, put it into the folder, and retire the one before; return old and new.

    The old private key is removed: nothing can be signed with it any more, on purpose or not.
    """
    before = await asyncio.to_thread(keyring.peek)
    made = SigningKey.generate()
    await _publish(db, made)
    key = await asyncio.to_thread(keyring.add, made)
    if before is not None:
        await _publish(db, before)
        await retire(db, before.key_id, RETIRE_AFTER)
        await asyncio.to_thread(keyring.forget_older, key)
    return before, key


async def retire(db: Database, key_id: str, after: timedelta) -> datetime | None:
    """Say that a key signs nothing after so long; return when, None if it was retired or is not known."""
    row = await db.fetch_row(_RETIRE, key_id, after)
    return None if row is None else row["retired_at"]


async def published(db: Database) -> list[PublishedKey]:
    """Return all keys that ever signed here, newest first."""
    return [PublishedKey(*row) for row in await db.fetch(_ALL)]


async def log_origin(db: Database) -> str | None:
    """Return the name of this installation's log, None as long as it has none."""
    row = await db.fetch_row(_ORIGIN)
    return None if row is None else row["log_origin"]


def public_keys(keys: Iterable[PublishedKey]) -> dict[str, Ed25519PublicKey]:
    """Return keys by their ids, as envelopes are opened with."""
    loaded = {key.id: load_der_public_key(key.public) for key in keys}
    return {name: key for name, key in loaded.items() if isinstance(key, Ed25519PublicKey)}


def state(key: PublishedKey, now: datetime | None = None) -> str:
    """Say whether a key is active, retiring or retired."""
    if key.retired_at is None:
        return "active"
    return "retired" if key.is_retired(now or datetime.now(UTC)) else "retiring"


async def _adopt(db: Database, keyring: Keyring, key: SigningKey) -> None:
    await _publish(db, key)
    retired = await db.fetch_row(_RETIRED, key.key_id)
    if retired is not None:
        raise KeyringUnusable(
            f"The newest key in {keyring.folder} was retired on {retired['retired_at']:%Y-%m-%d}. "
            "Make another: affidavit signing-keys rotate"
        )
    keyring.take(key)


async def _publish(db: Database, key: SigningKey) -> None:
    await db.fetch(_PUBLISH, key.key_id, key.public)
