"""What is said of the operations that take parameters: where, what they do, and an example of each.

The examples are whole and true: a test sends them to a service and compares what comes back with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from affidavit.api.examples import Example
from affidavit.engine.spec import Operation


@dataclass(frozen=True, slots=True)
class Offer:
    """One operation as the API offers it. `outcome` is an example of its member of the result."""

    path: str
    summary: str
    description: str
    bodies: Mapping[str, Example]
    outcome: Mapping[str, Any] | list[Any]
    codes: tuple[str, ...] = field(default=())


_INVOICE: Final = "Invoice INV-2026-0042\nTotal 119.00"
_TOTAL: Final[Example] = {"type": "object", "properties": {"total": {"type": "number"}}}

OFFERS: Final[Mapping[Operation, Offer]] = {
    Operation.PIPELINE: Offer(
        path="/v1/pipeline",
        summary="Do several things with one document",
        description="Run steps as one job over one reading. A step after a split may be `for` the parts of a "
        "topic, or for every part (`*`). `steps` of the result has what came of each step, for each part; "
        "pages and citations are those of the whole document.",
        bodies={
            "extract": {
                "summary": "Read, then fill a schema",
                "value": {
                    "source": {"text": _INVOICE},
                    "steps": [{"operation": "parse"}, {"operation": "extract", "schema": _TOTAL}],
                },
            }
        },
        outcome=[
            {"operation": "parse", "topic": None, "runs": [{"part": None, "pages": [1]}]},
            {
                "operation": "extract",
                "topic": None,
                "runs": [{"part": None, "pages": [1], "data": {"total": 119.0}}],
            },
        ],
        codes=("SCHEMA_INVALID",),
    ),
}
