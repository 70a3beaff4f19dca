"""The endpoints of custody, and those that anyone may ask: receipts and the keys that sign."""

from __future__ import annotations

from typing import Any, Final

from affidavit.accounts.principal import Scope
from affidavit.api.bundle_examples import RECEIPT_ID
from affidavit.api.bundle_objects import BundleEvent
from affidavit.api.bundle_wire import HistoryQuery
from affidavit.api.custody_objects import (
    EnvelopeObject,
    HandOffList,
    HandOffObject,
    Receipts,
    ReceiptVerification,
    SigningKeys,
)
from affidavit.api.custody_wire import HandOffBody, RecordBody
from affidavit.api.endpoint import Body, Endpoint, Reply
from affidavit.api.examples import BUNDLE_ID, SHA256
from affidavit.api.routes import custody, published

_AT: Final = "2026-11-20T09:30:00.000000Z"
_KEY: Final = "key_01m6y8c3v0e8q5j2w9r4t7n1xk"
_SIGNING_KEY: Final = "d3bcd3f6d2b0ff3a3ba6ef9bb1b7a1f0d4b5c2a3908f7e6d5c4b3a2918070605"
_PUBLIC: Final = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_RECEIPT: Final[dict[str, Any]] = {
    "id": RECEIPT_ID,
    "bundle_id": BUNDLE_ID,
    "action": "hand_off",
    "agent_id": "agent:intake",
    "key_id": _KEY,
    "manifest_sha256": SHA256,
    "signing_key_id": _SIGNING_KEY,
    "issued_at": _AT,
}
_HAND_OFF: Final = {
    "id": "hand_01m6y8c3v0e8q5j2w9r4t7n1xk",
    "bundle_id": BUNDLE_ID,
    "from_agent": "agent:intake",
    "to_agent": "agent:payments",
    "note": "Approved up to 5,000 EUR.",
    "at": _AT,
    "key_id": _KEY,
    "receipt_id": RECEIPT_ID,
}
_EVENT: Final = {
    "seq": 4,
    "id": "prov_01m6y8c3v0e8q5j2w9r4t7n1xk",
    "type": "recorded",
    "at": _AT,
    "key_id": _KEY,
    "agent_id": "agent:payments",
    "detail": {"action": "payment.approved", "result_summary": "2,290.45 EUR, due on 1 December"},
    "receipt_id": None,
}
_VERIFIED: Final = {
    **_RECEIPT,
    "valid": True,
    "claims": {"from_agent": "agent:intake", "to_agent": "agent:payments"},
    "bundle_deleted_at": None,
    "checks": [
        {"name": name, "status": "passed", "code": None} for name in ("signature", "record", "key", "bundle")
    ],
}
_ENVELOPE: Final = {
    "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJwcmVkaWNhdGUiOnt9fQ==",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [{"keyid": _SIGNING_KEY, "sig": "c2lnbmF0dXJl"}],
}
_KEYS: Final = {
    "log_origin": "affidavit.example.com/log",
    "keys": [
        {
            "key_id": _SIGNING_KEY,
            "algorithm": "Ed25519",
            "public_key": _PUBLIC,
            "pem": f"-----BEGIN PUBLIC KEY-----\n{_PUBLIC}\n-----END PUBLIC KEY-----\n",
            "vkey": "affidavit.example.com/log+d08f3e21+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
            "status": "active",
            "created_at": _AT,
            "retired_at": None,
        }
    ],
}
_RECORD_BODIES: Final = {
    "payment": {
        "summary": "A payment was approved",
        "value": {
            "agent_id": "agent:payments",
            "action": "payment.approved",
            "result_summary": "2,290.45 EUR, due on 1 December",
        },
    }
}
_HAND_OFF_BODIES: Final = {
    "hand-off": {
        "summary": "To another agent",
        "value": {
            "from_agent": "agent:intake",
            "to_agent": "agent:payments",
            "note": "Approved up to 5,000 EUR.",
        },
    }
}
_GONE: Final = ("NOT_FOUND", "BUNDLE_DELETED")
_LISTED: Final = ("NOT_FOUND", "CURSOR_INVALID")
_REPLAYED: Final = "What an earlier request with this Idempotency-Key had written."
_LIMITED: Final = ("RATE_LIMITED", "REQUEST_INVALID")

ENDPOINTS_OF_CUSTODY: Final = (
    Endpoint(
        "POST",
        "/v1/bundles/{bundle_id}/history",
        custody.record,
        "bundles",
        "Write into the history of a bundle",
        "What an agent or a person did with it outside of this service. Nothing in the history is ever "
        "changed; a deletion of the bundle empties what callers wrote.",
        (
            Reply(201, "Written.", BundleEvent, _EVENT),
            Reply(200, _REPLAYED, BundleEvent, _EVENT, headers=("Idempotent-Replayed",)),
        ),
        codes=_GONE,
        scopes=(Scope.BUNDLES_WRITE,),
        body=Body(RecordBody, _RECORD_BODIES),
    ),
    Endpoint(
        "POST",
        "/v1/bundles/{bundle_id}/handoffs",
        custody.hand_off,
        "bundles",
        "Hand a bundle over",
        "Writes down that it goes from one agent to another, with a signed receipt that either can show.",
        (
            Reply(201, "Written.", HandOffObject, _HAND_OFF),
            Reply(200, _REPLAYED, HandOffObject, _HAND_OFF, headers=("Idempotent-Replayed",)),
        ),
        codes=_GONE,
        scopes=(Scope.BUNDLES_WRITE,),
        body=Body(HandOffBody, _HAND_OFF_BODIES),
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/handoffs",
        custody.hand_offs,
        "bundles",
        "List hand-offs",
        "Who had the bundle after whom, oldest first.",
        (Reply(200, "Hand-offs.", HandOffList, {"items": [_HAND_OFF], "next_cursor": None}),),
        codes=_LISTED,
        scopes=(Scope.BUNDLES_READ,),
        query=HistoryQuery,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/receipts",
        custody.receipts,
        "bundles",
        "List receipts",
        "Receipts are issued for each verification, download, review and hand-off. Whoever knows the id of "
        "one can check it without a key: give it to those who may.",
        (Reply(200, "Receipts.", Receipts, {"items": [_RECEIPT], "next_cursor": None}),),
        codes=_LISTED,
        scopes=(Scope.BUNDLES_READ,),
        query=HistoryQuery,
    ),
)

PUBLIC_ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/v1/keys/signing",
        published.keys,
        "verification",
        "Get the keys that sign",
        "The public half of every key that ever signed here, without an API key. Save the answer and give it "
        "to `affidavit verify --key`; compare the ids with what you got by another way, since whoever "
        "alters this answer could forge bundles.",
        (
            Reply(200, "The keys.", SigningKeys, _KEYS, headers=("ETag",)),
            Reply(304, "Unchanged, by If-None-Match.", media_type=None),
        ),
        codes=_LIMITED,
        public=True,
    ),
    Endpoint(
        "GET",
        "/v1/receipts/{receipt_id}",
        published.receipt,
        "verification",
        "Check a receipt",
        "Whether it was signed here, and whether the bundle is still the one that it names; for anyone who "
        "knows the id, without an API key. Nothing of the bundle's content is told.",
        (Reply(200, "What was found.", ReceiptVerification, _VERIFIED),),
        codes=("NOT_FOUND", *_LIMITED),
        public=True,
    ),
    Endpoint(
        "GET",
        "/v1/receipts/{receipt_id}/envelope",
        published.receipt_envelope,
        "verification",
        "Get a receipt as it was signed",
        "A DSSE envelope, byte for byte: save it, and `affidavit verify` checks it offline.",
        (Reply(200, "The envelope.", EnvelopeObject, _ENVELOPE),),
        codes=("NOT_FOUND", *_LIMITED),
        public=True,
    ),
)
