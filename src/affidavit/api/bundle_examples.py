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

_LEAF: Final = "2f6d3a1b0c9e8d7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f"
_CITED: Final[Example] = {
    "page": 1,
    "box": [112.0, 100.0, 160.0, 112.0],
    "words": ["p1.w5"],
    "quote": "2,290.45",
}
_CITATION: Final[Example] = {
    "id": "c2",
    "artifact": "extraction.json",
    "pointer": "/fields/total/citations/0",
    "field": "total",
    **_CITED,
    "range": [27, 35],
    "match": "normalized",
}
_NAMED: Final[Example] = {"bundle_id": BUNDLE_ID, "manifest_sha256": SHA256}
VERIFICATION: Final[Example] = {
    **_NAMED,
    "mode": "full",
    "verdict": "failed",
    "damaged": ["pages/0001.webp"],
    "checks": [
        {"name": "signature", "status": "passed", "code": None, "entry": None, "detail": "key c0a7f3d9"},
        {
            "name": "artifact",
            "status": "failed",
            "code": "HASH_WRONG",
            "entry": "pages/0001.webp",
            "detail": "It has another SHA-256.",
        },
        {
            "name": "citation",
            "status": "passed",
            "code": None,
            "entry": "c2",
            "detail": "/fields/total/citations/0",
        },
    ],
    "not_proven": ["That the source is genuine or that what it says is true."],
    "verified_at": "2026-03-14T10:00:00.500000Z",
    "receipt_id": RECEIPT_ID,
}
CITATIONS: Final[Example] = {**_NAMED, "total": 1, "items": [_CITATION], "next_after": None}
CITATION: Final[Example] = {
    **_NAMED,
    "citation": _CITATION,
    "checks": [
        {
            "name": "citation",
            "status": "passed",
            "code": None,
            "entry": "c2",
            "detail": "/fields/total/citations/0",
        },
        {"name": "chunks", "status": "passed", "code": None, "entry": "chunks.ndjson", "detail": "2 chunks"},
    ],
    "words": [{"id": "p1.w5", "text": "2,290.45", "page": 1, "box": [112.0, 100.0, 160.0, 112.0]}],
    "chunks": [
        {
            "index": 1,
            "line": '{"block":"p1.b2","page":1,"range":[16,39],"text":"Total due: 2,290.45 EUR",'
            '"words":[["p1.w5","2,290.45",[112.0,100.0,160.0,112.0]]]}',
            "leaf_hash": _LEAF,
            "proof": [_ROOT],
        }
    ],
    "tree": {"algorithm": "rfc6962-sha256", "size": 2, "root": _ROOT},
}
DIFF: Final[Example] = {
    "bundle_id": REVIEWED_ID,
    "manifest_sha256": SHA256,
    "against": BUNDLE_ID,
    "relation": "review",
    "same_source": True,
    "same_text": True,
    "fields": [
        {
            "path": "total",
            "change": "changed",
            "before": {"value": 2290.45, "citations": [_CITED]},
            "after": {"value": 2299.45, "citations": []},
        }
    ],
    "members": [],
    "unchanged_fields": 3,
    "truncated": False,
}
