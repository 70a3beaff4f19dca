"""Examples of /v1/templates; each is valid by its own schema, which a test sees to."""

from __future__ import annotations

from typing import Any, Final

Example = dict[str, Any]

_SHORTHAND: Final[Example] = {
    "delivery_note_number": "string: number of the delivery note",
    "delivered_on": "date",
    "lines": [{"article_number": "string", "quantity": "number"}],
}

TEMPLATE_BODIES: Final[dict[str, Example]] = {
    "shorthand": {
        "summary": "A template in shorthand",
        "value": {"name": "delivery_note", "description": "Of our suppliers", "schema": _SHORTHAND},
    },
    "labels": {
        "summary": "With labels as they are printed, options and a threshold for reviews",
        "value": {
            "name": "gas_bill",
            "schema": {
                "type": "object",
                "required": ["meter_reading"],
                "properties": {
                    "meter_reading": {"type": "number", "x-labels": ["New reading", "Reading"]},
                    "amount_due": {"type": ["number", "null"], "x-labels": ["Please pay"], "x-page": 1},
                },
            },
            "options": {"ocr": {"languages": ["eng", "deu"]}},
            "review": {"threshold": 80},
        },
    },
}

TEMPLATE_CHANGES: Final[dict[str, Example]] = {
    "next": {
        "summary": "The next version, made from version 1",
        "value": {"schema": {**_SHORTHAND, "carrier": "string"}, "version": 1},
    }
}

_SUMMARY: Final[Example] = {
    "id": "tpl_01kz3v5m7q8r9s0t1v2w3x4y5z",
    "name": "delivery_note",
    "version": 1,
    "starter": False,
    "description": "Of our suppliers",
    "created_at": "2026-03-14T09:26:53.589793Z",
    "updated_at": "2026-03-14T09:26:53.589793Z",
}

TEMPLATE: Final[Example] = {
    **_SUMMARY,
    "schema": {
        "type": "object",
        "properties": {"delivered_on": {"type": ["string", "null"], "format": "date"}},
        "required": ["delivered_on"],
        "additionalProperties": False,
    },
    "options": {},
    "review": None,
}

TEMPLATE_LIST: Final[Example] = {
    "items": [
        _SUMMARY,
        {
            "id": None,
            "name": "invoice",
            "version": 1,
            "starter": True,
            "description": "An invoice: its numbers and dates, who sent it to whom, the lines and the sums.",
            "created_at": None,
            "updated_at": None,
        },
    ],
    "next_cursor": None,
}
