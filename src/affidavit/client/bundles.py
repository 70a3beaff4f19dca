"""Evidence bundles: one call for each thing that can be done with one.

found = client.send(bundles.verify(job.bundle_id))
client.download_bundle(job.bundle_id, "evidence/")  # streams; see the clients
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from affidavit.client import reply
from affidavit.client.bundle_models import (
    Bundle,
    BundleDiff,
    BundleEvent,
    BundleHistory,
    BundlePage,
    CitationPage,
    CitationVerification,
    HandOff,
    HandOffPage,
    Receipt,
    ReceiptPage,
    Verification,
)
from affidavit.client.call import Call, path_of

M = TypeVar("M", bound=BaseModel)

VERIFY_SECONDS = 120  # a bundle of hundreds of pages waits for its turn and takes seconds


def get(bundle_id: str) -> Call[Bundle]:
    """Get a bundle with its files and what follows it."""
    return Call("GET", _path(bundle_id), reply.reading(Bundle))


def page(
    *,
    job_id: str | None = None,
    sealed_after: datetime | None = None,
    sealed_before: datetime | None = None,
    deleted: bool | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[BundlePage]:
    """List bundles, newest first. Datetimes need a time zone."""
    given = {
        "job_id": job_id,
        "sealed_after": None if sealed_after is None else sealed_after.isoformat(),
        "sealed_before": None if sealed_before is None else sealed_before.isoformat(),
        "deleted": None if deleted is None else str(deleted).lower(),
    }
    return Call("GET", "/v1/bundles", reply.reading(BundlePage), _params(given, limit, cursor))


def verify(bundle_id: str, *, quick: bool = False, agent_id: str | None = None) -> Call[Verification]:
    """Check a bundle as it lies in the store; `quick` reads no file. The receipt names `agent_id`."""
    params = _given({"quick": "true" if quick else None, "agent_id": agent_id})
    path = f"{_path(bundle_id)}/verify"
    return Call("GET", path, reply.reading(Verification), params, hold_seconds=VERIFY_SECONDS)


def manifest(bundle_id: str) -> Call[bytes]:
    """Get the manifest, byte for byte: its SHA-256 is the bundle's `manifest_sha256`."""
    return Call("GET", f"{_path(bundle_id)}/manifest", reply.content)


def artifact(bundle_id: str, name: str) -> Call[bytes]:
    """Get a file of a bundle, as `extraction.json` or `pages/0001.webp`, at once in memory."""
    return Call("GET", f"{_path(bundle_id)}/artifacts/{quote(name, safe='/')}", reply.content)


def citations(bundle_id: str, *, limit: int | None = None, after: str | None = None) -> Call[CitationPage]:
    """List the citations of a bundle in the order of the extraction."""
    params = _params({"after": after}, limit)
    path = f"{_path(bundle_id)}/citations"
    return Call("GET", path, reply.reading(CitationPage), params, hold_seconds=VERIFY_SECONDS)


def citation(bundle_id: str, citation_id: str) -> Call[CitationVerification]:
    """Check one citation and get the proof that its words were sealed."""
    path = f"{_path(bundle_id)}/citations/{quote(citation_id, safe='')}"
    return Call("GET", path, reply.reading(CitationVerification), hold_seconds=VERIFY_SECONDS)


def diff(bundle_id: str, against: str | None = None) -> Call[BundleDiff]:
    """Compare a bundle with the one that it follows, or with another one of its chain."""
    path = f"{_path(bundle_id)}/diff"
    params = _params({"against": against})
    return Call("GET", path, reply.reading(BundleDiff), params, hold_seconds=VERIFY_SECONDS)


def history(bundle_id: str, *, limit: int | None = None, cursor: str | None = None) -> Call[BundleHistory]:
    """Get what happened to a bundle, oldest first."""
    path = f"{_path(bundle_id)}/history"
    return Call("GET", path, reply.reading(BundleHistory), _params({}, limit, cursor))


def record(
    bundle_id: str,
    agent_id: str,
    action: str,
    *,
    query: str | None = None,
    result_summary: str | None = None,
    note: str | None = None,
    idempotency_key: str | None = None,
) -> Call[BundleEvent]:
    """Write into the history what was done with a bundle elsewhere."""
    said = {"query": query, "result_summary": result_summary, "note": note}
    body = {"agent_id": agent_id, "action": action, **_given(said)}
    return _post(f"{_path(bundle_id)}/history", BundleEvent, body, idempotency_key)


def hand_off(
    bundle_id: str,
    from_agent: str,
    to_agent: str,
    *,
    note: str | None = None,
    idempotency_key: str | None = None,
) -> Call[HandOff]:
    """Hand a bundle from one agent to another, with a receipt."""
    body = {"from_agent": from_agent, "to_agent": to_agent, **_given({"note": note})}
    return _post(f"{_path(bundle_id)}/handoffs", HandOff, body, idempotency_key)


def hand_offs(bundle_id: str, *, limit: int | None = None, cursor: str | None = None) -> Call[HandOffPage]:
    """List who had a bundle after whom."""
    path = f"{_path(bundle_id)}/handoffs"
    return Call("GET", path, reply.reading(HandOffPage), _params({}, limit, cursor))


def receipts(bundle_id: str, *, limit: int | None = None, cursor: str | None = None) -> Call[ReceiptPage]:
    """List the receipts of a bundle."""
    path = f"{_path(bundle_id)}/receipts"
    return Call("GET", path, reply.reading(ReceiptPage), _params({}, limit, cursor))


def receipt(receipt_id: str) -> Call[Receipt]:
    """Check a receipt. Needs no key: whoever knows the id may."""
    return Call("GET", f"/v1/receipts/{quote(receipt_id, safe='')}", reply.reading(Receipt))


def signing_keys() -> Call[bytes]:
    """Get the public keys as the JSON that `affidavit verify --key` reads. Needs no key."""
    return Call("GET", "/v1/keys/signing", reply.content)


def hold(bundle_id: str, reason: str) -> Call[dict[str, Any]]:
    """Put a bundle with its job under legal hold: neither is deleted nor expires."""
    content = json.dumps({"reason": reason}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    return Call("PUT", f"{_path(bundle_id)}/legal-hold", reply.members, headers=headers, body=content)


def release(bundle_id: str) -> Call[dict[str, Any]]:
    """Lift a legal hold."""
    return Call("DELETE", f"{_path(bundle_id)}/legal-hold", reply.members)


def delete(bundle_id: str) -> Call[bytes]:
    """Delete a bundle, and return its signed tombstone, which `affidavit verify` reads."""
    return Call("DELETE", _path(bundle_id), reply.content)


def tombstone(bundle_id: str) -> Call[bytes]:
    """Get the signed tombstone of a deleted bundle."""
    return Call("GET", f"{_path(bundle_id)}/tombstone", reply.content)


def _post(path: str, model: type[M], body: Mapping[str, Any], key: str | None) -> Call[M]:
    content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    headers = {"Idempotency-Key": key or uuid.uuid4().hex, "Content-Type": "application/json"}
    return Call("POST", path, reply.reading(model), headers=headers, body=content)


def _params(
    given: Mapping[str, str | None], limit: int | None = None, cursor: str | None = None
) -> dict[str, str]:
    return _given({**given, "limit": None if limit is None else str(limit), "cursor": cursor})


def _given(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _path(bundle_id: str) -> str:
    return path_of("bundles", bundle_id)
