"""Examples of requests and answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

Example = dict[str, Any]

SHA256: Final = "9f2c1a4be0d7c6f3a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718"
JOB_ID: Final = "job_01kz3v5m7q8r9s0t1v2w3x4y5z"
BUNDLE_ID: Final = "ev_01kz3v6b2c3d4e5f6g7h8j9k0m"
FILE_ID: Final = "file_01kz3v4a1b2c3d4e5f6g7h8j9k"

SCHEMA: Final[Example] = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number", "description": "Amount due, taxes included"},
    },
}

FILE: Final[Example] = {
    "id": FILE_ID,
    "filename": "invoice.pdf",
    "media_type": "application/pdf",
    "size_bytes": 48213,
    "sha256": SHA256,
    "created_at": "2026-03-14T09:26:53.589793Z",
}

ARTIFACT: Final[Example] = {
    "name": "invoice-p3-5.pdf",
    "media_type": "application/pdf",
    "size_bytes": 21874,
    "sha256": SHA256,
}

JOB: Final[Example] = {
    "id": JOB_ID,
    "kind": "job",
    "operation": "extract",
    "status": "processing",
    "progress": {
        "percent": 45,
        "stage": "ocr",
        "message": "OCR page 3",
        "pages": {"total": 12, "done": 2, "failed": 0},
    },
    "queue_position": None,
    "created_at": "2026-03-14T09:26:53.589793Z",
    "started_at": "2026-03-14T09:26:53.702114Z",
    "updated_at": "2026-03-14T09:26:58.013370Z",
    "completed_at": None,
    "retry_after_ms": 1000,
    "result_available": False,
    "result_url": None,
    "result_expires_at": None,
    "bundle_id": None,
    "manifest_sha256": None,
    "review": None,
    "error": None,
    "retry_of": None,
    "parent_id": None,
    "file_id": FILE_ID,
    "metadata": {"po": "4711"},
    "deleted_at": None,
    "deleted_by": None,
    "purged": None,
    "artifacts": [],
    "child_batch_id": None,
}

CANCELED_JOB: Final[Example] = {
    **JOB,
    "status": "canceled",
    "completed_at": "2026-03-14T09:27:01.114205Z",
    "retry_after_ms": None,
}

DELETED_JOB: Final[Example] = {
    **JOB,
    "status": "completed",
    "progress": {
        "percent": 100,
        "stage": None,
        "message": None,
        "pages": {"total": 12, "done": 12, "failed": 0},
    },
    "completed_at": "2026-03-14T09:27:01.114205Z",
    "retry_after_ms": None,
    "metadata": {},
    "deleted_at": "2026-03-20T12:00:00.000000Z",
    "deleted_by": "key_01kz3v9b2c3d4e5f6g7h8j9kam",
    "purged": [{"kind": "result", "count": 1, "size_bytes": 4096, "sha256": ["0" * 64]}],
}

QUEUED_JOB: Final[Example] = {
    **JOB,
    "status": "queued",
    "progress": {
        "percent": 0,
        "stage": None,
        "message": None,
        "pages": {"total": None, "done": 0, "failed": 0},
    },
    "queue_position": 0,
    "started_at": None,
    "updated_at": "2026-03-14T09:26:53.589793Z",
    "retry_after_ms": 250,
}

BATCH_JOB: Final[Example] = {
    **JOB,
    "kind": "batch",
    "operation": "batch",
    "progress": {"percent": 0, "stage": None, "message": None, "pages": {"total": 2, "done": 0, "failed": 0}},
    "file_id": None,
    "children": {"queued": 2},
}

EVENTS: Final = f"""retry: 1000

id: 1
event: job.queued
data: {{"job_id":"{JOB_ID}","seq":1,"type":"job.queued","status":"queued","at":"2026-03-14T09:26:53.589793Z","detail":{{}}}}

id: 2
event: job.processing
data: {{"job_id":"{JOB_ID}","seq":2,"type":"job.processing","status":"processing","at":"2026-03-14T09:26:53.702114Z","detail":{{}}}}

event: job
data: {{"id":"{JOB_ID}","kind":"job","operation":"extract","status":"processing"}}

event: progress
data: {{"percent":45,"stage":"ocr","message":"OCR page 3","pages":{{"total":12,"done":2,"failed":0}}}}

: heartbeat

"""  # noqa: E501 - the wire wraps no lines

JOB_LIST: Final[Example] = {"items": [JOB], "next_cursor": "am9iXzAxa3ozdjVtN3E4cjlzMHQxdjJ3M3g0eTV6"}

RESULT: Final[Example] = {
    "operation": "extract",
    "media_type": "application/pdf",
    "markdown": "# Invoice INV-2026-0042\n\nTotal 119.00",
    "pages": [],
    "tables": [],
    "data": {"invoice_number": "INV-2026-0042", "total": 119.0},
    "fields": {
        "total": {
            "value": 119.0,
            "confidence": 97,
            "citations": [
                {
                    "page": 1,
                    "box": [410.2, 611.0, 452.9, 623.4],
                    "words": ["p1.w88"],
                    "range": [31, 37],
                    "quote": "119.00",
                    "match": "normalized",
                }
            ],
            "alternatives": [],
        }
    },
    "ungrounded_fields": [],
    "schema_violations": [],
    "confidence": 97,
    "completeness": {
        "ok": True,
        "pages": {"total": 1, "native": 1, "ocr": 0, "mixed": 0, "blank": 0, "failed": 0},
        "text_layer_words": 5,
        "words_in_output": 5,
        "failed_pages": [],
    },
    "engine": {"version": "0.1.0", "ocr": {"engines": [], "models": {}}, "model": None},
    "usage": {"pages": 1},
}

NO_RESULT: Final[Example] = {**RESULT, "data": None, "fields": {}, "confidence": None}

PARSE_BODIES: Final[dict[str, Example]] = {
    "url": {"summary": "A document at a URL", "value": {"source": "https://example.com/report.pdf"}},
    "file": {
        "summary": "A stored file, some pages, read by OCR",
        "value": {
            "source": {"file_id": FILE_ID},
            "options": {"pages": "1-3,7", "ocr": {"mode": "always", "languages": ["eng", "deu"]}},
        },
    },
    "text": {"summary": "Text itself", "value": {"source": {"text": "Invoice 42\nTotal 119.00"}}},
}

EXTRACT_BODIES: Final[dict[str, Example]] = {
    "url": {
        "summary": "Two values of an invoice at a URL",
        "value": {
            "source": {"url": "https://example.com/invoice.pdf"},
            "schema": SCHEMA,
            "metadata": {"po": "4711"},
        },
    },
    "text": {
        "summary": "Values out of text itself",
        "value": {"source": {"text": "Invoice INV-2026-0042\nTotal 119.00"}, "schema": SCHEMA},
    },
    "template": {
        "summary": "By a template, here a starter",
        "value": {"source": {"text": "Receipt no: 4711\nTotal 27.46"}, "template": "receipt"},
    },
    "shorthand": {
        "summary": "Values in shorthand",
        "value": {
            "source": {"text": "Invoice INV-2026-0042\nTotal 119.00"},
            "schema": {"invoice_number": "string", "total": "number: amount due"},
        },
    },
}

BATCH_BODIES: Final[dict[str, Example]] = {
    "two": {
        "summary": "One document to read, one to fill a schema from",
        "value": {
            "items": [
                {"operation": "parse", "source": "https://example.com/report.pdf"},
                {
                    "operation": "extract",
                    "source": {"url": "https://example.com/invoice.pdf"},
                    "schema": SCHEMA,
                    "metadata": {"po": "4711"},
                },
            ],
            "metadata": {"run": "2026-03"},
        },
    }
}

RETRIED_JOB: Final[Example] = {
    **QUEUED_JOB,
    "id": "job_01kz3v9b2c3d4e5f6g7h8j9kam",
    "retry_of": JOB_ID,
}

RETRY_BODIES: Final[dict[str, Example]] = {
    "plain": {"summary": "As it was", "value": {}},
    "password": {
        "summary": "A document that needs its password again",
        "value": {"options": {"password": "open sesame"}},
    },
}

CAPABILITIES: Final[Example] = {
    "version": "0.1.0",
    "operations": ["parse", "extract", "split"],
    "media_types": ["application/pdf", "image/png"],
    "ocr_engines": ["auto", "tesseract", "ppocr"],
    "models": ["auto", "none"],
    "scopes": [
        "jobs:read",
        "jobs:write",
        "files:read",
        "files:write",
        "webhooks:read",
        "webhooks:write",
        "templates:read",
        "templates:write",
        "bundles:read",
        "bundles:write",
    ],
    "url_schemes": ["https"],
    "limits": {
        "upload_bytes": 100_000_000,
        "json_body_bytes": 33_554_432,
        "pages": 2000,
        "pixels": 50_000_000,
        "batch_items": 1000,
        "sync_wait_seconds": 30,
        "deadline_seconds": 86_400,
        "status_polls_per_second": 10,
        "streams_per_key": 100,
        "requests_per_second": 1000,
        "queued_pages": 20_000,
        "queue_seconds": 1800,
        "bytes_per_page": 50_000,
        "concurrent_uploads": 64,
    },
}

READY: Final[Example] = {
    "status": "ready",
    "checks": {
        "database": {"ok": True},
        "queue": {"ok": True, "bell": True},
        "disk": {"ok": True},
    },
}
