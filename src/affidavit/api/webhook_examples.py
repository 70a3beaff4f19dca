"""Examples of /v1/webhooks, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from affidavit.api.examples import BUNDLE_ID, JOB_ID, SHA256

Example = dict[str, Any]

ENDPOINT_ID: Final = "wh_01kz3v6b2c3d4e5f6g7h8j9kmn"
DELIVERY_ID: Final = "dlv_01kz3v7p8q9r0s1t2v3w4x5y6z"
SECRET: Final = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDhDnUYnJnDyA="  # noqa: S105 - an example

ENDPOINT: Final[Example] = {
    "id": ENDPOINT_ID,
    "url": "https://hooks.example.com/affidavit",
    "description": "Accounting",
    "events": ["batch.completed", "job.canceled", "job.completed", "job.failed"],
    "status": "enabled",
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "previous_secret_expires_at": None,
    "created_at": "2026-03-14T09:26:53.589793Z",
    "updated_at": "2026-03-14T09:26:53.589793Z",
}
NEW_ENDPOINT: Final[Example] = {**ENDPOINT, "secret": SECRET}
ROTATED_ENDPOINT: Final[Example] = {
    **NEW_ENDPOINT,
    "previous_secret_expires_at": "2026-03-15T09:26:53.589793Z",
}
ENDPOINT_LIST: Final[Example] = {"items": [ENDPOINT], "next_cursor": None}

DELIVERY: Final[Example] = {
    "id": DELIVERY_ID,
    "message_id": f"msg_{JOB_ID.partition('_')[2]}_3",
    "endpoint_id": ENDPOINT_ID,
    "job_id": JOB_ID,
    "type": "job.completed",
    "sequence": 3,
    "origin": "https://hooks.example.com",
    "status": "pending",
    "attempts": 1,
    "next_attempt_at": "2026-03-14T09:27:04.114205Z",
    "last_status_code": 503,
    "last_error": "status",
    "redelivery_of": None,
    "created_at": "2026-03-14T09:26:58.013370Z",
    "ended_at": None,
}
DELIVERY_LIST: Final[Example] = {"items": [DELIVERY], "next_cursor": None}
DELIVERY_DETAIL: Final[Example] = {
    **DELIVERY,
    "payload": {
        "type": "job.completed",
        "timestamp": "2026-03-14T09:26:58.013370Z",
        "data": {
            "job_id": JOB_ID,
            "operation": "extract",
            "status": "completed",
            "sequence": 3,
            "parent_id": None,
            "retry_of": None,
            "progress": None,
            "error": None,
            "result_sha256": SHA256,
            "bundle_id": BUNDLE_ID,
            "manifest_sha256": SHA256,
            "metadata": {"po": "4711"},
            "links": {
                "job": f"/v1/jobs/{JOB_ID}",
                "result": f"/v1/jobs/{JOB_ID}/result",
                "bundle": f"/v1/bundles/{BUNDLE_ID}",
            },
        },
    },
    "log": [
        {
            "number": 1,
            "started_at": "2026-03-14T09:26:58.201114Z",
            "latency_ms": 87,
            "status_code": 503,
            "error": "status",
            "response_head": "try later",
        }
    ],
}
REDELIVERY: Final[Example] = {
    **DELIVERY_DETAIL,
    "redelivery_of": "dlv_01kz3v7a1b2c3d4e5f6g7h8j9k",
    "attempts": 0,
    "last_status_code": None,
    "last_error": None,
    "log": [],
}

DEFAULT_SECRET: Final[Example] = {
    "created_at": "2026-03-14T09:26:53.589793Z",
    "shown_at": "2026-03-14T09:26:53.589793Z",
    "previous_secret_expires_at": None,
}
NEW_DEFAULT_SECRET: Final[Example] = {**DEFAULT_SECRET, "secret": SECRET}

ENDPOINT_BODIES: Final[dict[str, Example]] = {
    "ends": {
        "summary": "Be told of every end",
        "value": {"url": "https://hooks.example.com/affidavit", "description": "Accounting"},
    },
    "some": {
        "summary": "Be told of progress and completion",
        "value": {
            "url": "https://hooks.example.com/progress",
            "events": ["job.progress", "job.completed"],
        },
    },
}
CHANGES: Final[dict[str, Example]] = {
    "enable": {"summary": "Enable it again", "value": {"status": "enabled"}},
    "move": {
        "summary": "Another URL and other events",
        "value": {"url": "https://hooks.example.com/v2", "events": ["job.failed"]},
    },
}
ROTATIONS: Final[dict[str, Example]] = {
    "hour": {"summary": "Both secrets sign for an hour", "value": {"overlap_seconds": 3600}},
    "now": {"summary": "The old secret was leaked", "value": {"overlap_seconds": 0}},
}
NOTHING: Final[dict[str, Example]] = {"nothing": {"summary": "Nothing to say", "value": {}}}
