"""Check a receipt for anyone who knows its id: whether it was signed here, and for which bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from affidavit.bundle.envelope import RECEIPT, EnvelopeError, Statement, open_envelope
from affidavit.errors import NotFound
from affidavit.evidence.receipts import PREFIX, ReceiptView, claims_of
from affidavit.infra.db import Database
from affidavit.infra.ids import is_id

_FIND: Final = """
SELECT r.id, r.bundle_id, r.action, r.agent_id, r.key_id, r.manifest_sha256, r.signing_key_id, r.created_at,
    r.envelope, k.public_key, k.retired_at, b.manifest, b.manifest_sha256 AS sealed_sha256, b.deleted_at
FROM receipts r
LEFT JOIN signing_keys k ON k.id = r.signing_key_id
LEFT JOIN bundles b ON b.id = r.bundle_id AND b.environment_id = r.environment_id
WHERE r.id = $1
"""


class CheckStatus(StrEnum):
    """How a check went."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `code` says why it did not pass."""

    name: str
    status: CheckStatus
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """A receipt and what was found. `is_valid`: it was signed here and says what is told of it.

    `claims` is what it states beside that, such as how a verification came out; empty unless it is signed.
    """

    receipt: ReceiptView
    deleted_at: datetime | None
    claims: Mapping[str, str]
    checks: tuple[Check, ...]

    @property
    def is_valid(self) -> bool:
        by_name = {check.name: check.status for check in self.checks}
        failed = CheckStatus.FAILED in by_name.values()
        return by_name["signature"] is CheckStatus.PASSED and not failed


async def check_receipt(db: Database, receipt_id: str) -> ReceiptReport:
    """Look a receipt up by its id, in whatever environment it is, and check it. Raises NotFound."""
    row = await db.fetch_row(_FIND, receipt_id) if is_id(receipt_id, PREFIX) else None
    if row is None:
        raise NotFound("receipt")
    receipt = ReceiptView(**{name: row[name] for name in ReceiptView.__slots__})
    signature, signed = _signature(receipt, row["public_key"])
    checks = (signature, _record(receipt, signed), _key(receipt, row["retired_at"]), _bundle(row))
    return ReceiptReport(receipt, row["deleted_at"], _claims(receipt, signed), checks)


def _claims(receipt: ReceiptView, signed: Statement | None) -> dict[str, str]:
    if signed is None:
        return {}
    own = claims_of(receipt).keys()
    return {name: str(value) for name, value in signed.predicate.items() if name not in own}


def _signature(receipt: ReceiptView, public: bytes | None) -> tuple[Check, Statement | None]:
    if receipt.envelope is None:
        return Check("signature", CheckStatus.NOT_CHECKED, "RECEIPT_EMPTIED"), None
    try:
        signed = open_envelope(receipt.envelope, _keys(receipt.signing_key_id, public))
    except EnvelopeError as error:
        return Check("signature", CheckStatus.FAILED, error.code), None
    return Check("signature", CheckStatus.PASSED), signed


def _record(receipt: ReceiptView, signed: Statement | None) -> Check:
    """Hold what the row says against what was signed."""
    if signed is None:
        return Check("record", CheckStatus.NOT_CHECKED, "NOTHING_SIGNED")
    stated = {name: signed.predicate.get(name) for name in claims_of(receipt)}
    same = (
        signed.predicate_type == RECEIPT
        and signed.manifest_sha256 == receipt.manifest_sha256
        and stated == claims_of(receipt)
    )
    return _judged("record", "RECORD_DIFFERS", is_well=same)


def _key(receipt: ReceiptView, retired_at: datetime | None) -> Check:
    is_well = retired_at is None or receipt.created_at <= retired_at
    return _judged("key", "KEY_RETIRED", is_well=is_well)


def _bundle(row: asyncpg.Record) -> Check:
    """Hold the bundle, as it is now, against the digest in the receipt."""
    if row["sealed_sha256"] is None:
        return Check("bundle", CheckStatus.NOT_CHECKED, "BUNDLE_GONE")
    is_same = row["sealed_sha256"] == row["manifest_sha256"]
    if row["manifest"] is not None:
        is_same = is_same and hashlib.sha256(row["manifest"]).hexdigest() == row["manifest_sha256"]
    if is_same and row["deleted_at"] is not None:
        return Check("bundle", CheckStatus.NOT_CHECKED, "BUNDLE_DELETED")
    return _judged("bundle", "MANIFEST_DIFFERS", is_well=is_same)


def _judged(name: str, code: str, *, is_well: bool) -> Check:
    return Check(name, CheckStatus.PASSED) if is_well else Check(name, CheckStatus.FAILED, code)


def _keys(key_id: str, public: bytes | None) -> dict[str, Ed25519PublicKey]:
    key = None if public is None else load_der_public_key(public)
    return {key_id: key} if isinstance(key, Ed25519PublicKey) else {}
