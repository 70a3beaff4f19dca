"""Examples of /v1/bundles; each is valid by its own schema, which a test sees to."""

from __future__ import annotations

from typing import Any, Final

from affidavit.api.examples import BUNDLE_ID, JOB_ID, SHA256

Example = dict[str, Any]


REVIEWED_ID: Final = "ev_01kz3w1n4p5q6r7s8t9v0w1x2y"
RECEIPT_ID: Final = "rcpt_4g7h8j9kma2b3c4d5e6f7g8h9j"
KEY_ID: Final = "key_01kz3t0a1b2c3d4e5f6g7h8j9k"
_ROOT: Final = "5b1f0c7e9a3d2b4c6e8f0a1c3e5d7b9f1a2c4e6d8b0f3a5c7e9d1b3f5a7c9e0d"
_SIGNING_KEY: Final = "c0a7f3d95b1e2486790abcde13579bdf02468ace1f3e5d7c9b8a6f4e2d0c1b3a"

SUMMARY: Final[Example] = {
    "id": BUNDLE_ID,
    "job_id": JOB_ID,
    "operation": "extract",
    "parent_id": None,
    "relation": None,
    "status": "logged",
    "sealed_at": "2026-03-14T09:27:04.120871Z",
    "manifest_sha256": SHA256,
    "merkle_root": _ROOT,
    "chunk_count": 148,
    "source_sha256": SHA256,
    "artifact_count": 7,
    "size_bytes": 1284120,
    "signing_key_id": _SIGNING_KEY,
    "log_index": 41,
    "timestamped_at": None,
    "timestamp_error": None,
    "legal_hold": False,
    "deleted_at": None,
    "deleted_by": None,
}
BUNDLE: Final[Example] = {
    **SUMMARY,
    "artifacts": [
        {
            "name": "extraction.json",
            "media_type": "application/json",
            "size_bytes": 4120,
            "sha256": SHA256,
        },
        {"name": "pages/0001.webp", "media_type": "image/webp", "size_bytes": 98211, "sha256": SHA256},
    ],
    "followed_by": [
        {
            "id": REVIEWED_ID,
            "relation": "review",
            "sealed_at": "2026-03-14T11:02:40.004411Z",
            "deleted_at": None,
        }
    ],
}
BUNDLE_LIST: Final[Example] = {"items": [SUMMARY], "next_cursor": None}
HISTORY: Final[Example] = {
    "items": [
        {
            "seq": 1,
            "id": "prov_01kz3v6b2c3d4e5f6g7h8j9kmb",
            "type": "sealed",
            "at": "2026-03-14T09:27:04.120871Z",
            "key_id": None,
            "agent_id": None,
            "detail": {},
            "receipt_id": None,
        },
        {
            "seq": 2,
            "id": "prov_01kz3w0000000000000000000c",
            "type": "verified",
            "at": "2026-03-14T10:00:00.500000Z",
            "key_id": KEY_ID,
            "agent_id": None,
            "detail": {"mode": "full", "ok": True},
            "receipt_id": RECEIPT_ID,
        },
    ],
    "next_cursor": None,
}
MANIFEST: Final[Example] = {
    "format": "affidavit-bundle/1",
    "bundle_id": BUNDLE_ID,
    "job_id": JOB_ID,
    "operation": "extract",
    "artifacts": [
        {"name": "document.md", "media_type": "text/markdown", "size": 812, "sha256": SHA256},
    ],
}
ENVELOPE: Final[Example] = {
    "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [
        {
            "keyid": _SIGNING_KEY,
            "sig": "dGhlIDY0IGJ5dGVzIG9mIGEgc2lnbmF0dXJlIGFzIEVkMjU1MTkgbWFrZXMgdGhlbSwgaW4gYmFzZTY0IQ==",
        }
    ],
}
