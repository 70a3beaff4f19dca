"""Have an authority attest when bundles existed: asked after they were logged, and again until it answers.

A bundle that is due is leased by moving its time on, so that a worker that dies leaves it due again. What
came is checked against the request and the roots before it is kept: a token that proves nothing is worse
than none.
"""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import certifi
import structlog
from cryptography import x509
from sqlalchemy import text

from affidavit.bundle import timestamp
from affidavit.bundle.timestamp import Timestamp, TimestampError, TimestampExtraMissing
from affidavit.evidence.events import BundleEventType, note
from affidavit.infra import metrics
from affidavit.infra.authority import Authority, AuthorityFailure
from affidavit.infra.db import SYSTEM, Database

log = structlog.get_logger()

AT_ONCE: Final = 4  # requests that one worker has under way
BATCH: Final = 20  # bundles of one round, leased together
LEASE: Final = timedelta(minutes=5)  # all of a batch, each with the longest time-out, four at once
# Each delay follows one more failure; the last one is repeated for as long as the bundle is there.
DELAYS: Final = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(hours=24),
)
JITTER: Final = 0.2  # each delay is up to a fifth longer, so that a backlog does not return as one wave

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"

_TAKE: Final = """
UPDATE bundles SET timestamp_due_at = now() + $2::interval, timestamp_tries = timestamp_tries + 1
WHERE id IN (
    SELECT id FROM bundles WHERE timestamp_due_at <= now() AND envelope IS NOT NULL
    ORDER BY timestamp_due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, envelope, timestamp_tries AS tries
"""
_KEEP: Final = text("""
UPDATE bundles SET timestamp_token = :token, timestamped_at = :time, timestamp_due_at = NULL,
    timestamp_error = NULL
WHERE id = :id AND timestamp_token IS NULL AND envelope IS NOT NULL RETURNING id
""")
_PUT_OFF: Final = """
UPDATE bundles SET timestamp_due_at = now() + $2::interval, timestamp_error = $3
WHERE id = $1 AND timestamp_token IS NULL AND envelope IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Timestamper:
    """Asks one authority, and believes what `roots` vouch for."""

    db: Database
    authority: Authority
    roots: Sequence[x509.Certificate]

    async def ask_due(self) -> int:
        """Ask for every bundle of a batch that is due, and return how many are attested now."""
        rows = await self.db.fetch(_TAKE, BATCH, LEASE)
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(bundle_id: str, envelope: bytes, tries: int) -> bool:
            async with places:
                return await self._ask_for(bundle_id, envelope, tries)

        answers = [ask(row["id"], row["envelope"], row["tries"]) for row in rows]
        attested = sum(await asyncio.gather(*answers))
        if rows:
            log.info("timestamps.asked", count=attested, left=len(rows) - attested)
        return attested

    async def _ask_for(self, bundle_id: str, envelope: bytes, tries: int) -> bool:
        try:
            token, found = await self._attested(envelope)
        except (AuthorityFailure, TimestampError) as failure:
            metrics.TIMESTAMPS.labels(failure.code).inc()
            log.warning("timestamp.failed", code=failure.code, tries=tries)
            await self.db.fetch(_PUT_OFF, bundle_id, delay_after(tries), failure.code)
            return False
        metrics.TIMESTAMPS.labels("granted").inc()
        return await self._keep(bundle_id, token, found.time)

    async def _attested(self, envelope: bytes) -> tuple[bytes, Timestamp]:
        request, nonce = request_for(envelope)
        token = await self.authority.ask(request)
        return token, await asyncio.to_thread(timestamp.check, token, envelope, self.roots, nonce=nonce)

    async def _keep(self, bundle_id: str, token: bytes, time: datetime) -> bool:
        async with self.db.begin(SYSTEM) as session:
            kept = await session.scalar(_KEEP, {"id": bundle_id, "token": token, "time": time})
            if kept is None:
                return False  # it was deleted meanwhile, or another worker was faster
            detail = {"time": time.isoformat()}
            await note(session, bundle_id, BundleEventType.TIMESTAMPED, detail=detail)
        return True


def request_for(data: bytes) -> tuple[bytes, int]:
    """Return a request for a timestamp of these bytes (DER), and its nonce. Raises TimestampExtraMissing."""
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder
    except ImportError:
        raise TimestampExtraMissing from None
    asked = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
    assert asked.nonce is not None
    return asked.as_bytes(), asked.nonce


def delay_after(tries: int) -> timedelta:
    """Return the wait after so many failures."""
    return DELAYS[min(tries, len(DELAYS)) - 1] * (1 + random.random() * JITTER)


def read_roots(file: Path | None) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, or those that browsers trust. Raises OSError and ValueError."""
    if file is not None:
        return x509.load_pem_x509_certificates(file.read_bytes())
    blocks = Path(certifi.where()).read_bytes().split(_END)
    return [root for block in blocks[:-1] if (root := _public_root(block + _END)) is not None]


def _public_root(block: bytes) -> x509.Certificate | None:
    """Read a certificate that certifi has; old ones that RFC 5280 would refuse are passed over."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return x509.load_pem_x509_certificate(block[block.index(_BEGIN) :])
        except (ValueError, UserWarning):
            return None
