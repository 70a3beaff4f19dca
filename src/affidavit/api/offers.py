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


OFFERS: Final[Mapping[Operation, Offer]] = {}
