"""A process that keeps the log as a worker does, until it is killed: `python -m ... DATABASE_URL SEED`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from affidavit.evidence import log
from affidavit.infra.db import Database
from affidavit.infra.keyring import SigningKey


def key_of(seed: str) -> SigningKey:
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    return SigningKey.of(private, datetime.now(UTC))


async def keep(url: str, seed: str) -> None:
    db, key = Database(url, pool_size=2, name="sequencer"), key_of(seed)
    while True:
        with suppress(Exception):  # whatever befalls the database, the next round may succeed
            await log.append_due(db, lambda: key)


if __name__ == "__main__":
    asyncio.run(keep(*sys.argv[1:]))
