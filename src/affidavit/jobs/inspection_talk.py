"""What a walled child tells of a bundle: checked for form, cut to size, and believed no further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from affidavit.bundle.report import Check, Status

MESSAGE_LENGTH: Final = 600  # characters of what a child may say in one place
_STATES: Final = frozenset(Status)


@dataclass(slots=True)
class Said:
    """What a child has told."""

    checks: list[Check] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)
    answer: Mapping[str, Any] = field(default_factory=dict)

    async def hear(self, message: Mapping[str, Any]) -> None:
        """Take a message; a check of no known status counts as failed."""
        match message:
            case {"type": "check", "name": str(name), "status": str(status)}:
                self.checks.append(
                    Check(
                        name[:MESSAGE_LENGTH],
                        Status(status) if status in _STATES else Status.FAILED,
                        _text(message.get("code")),
                        _text(message.get("detail")) or "",
                        _text(message.get("entry")),
                    )
                )
            case {"type": "not_proven", "lines": list(lines)}:
                self.not_proven = [str(line)[:MESSAGE_LENGTH] for line in lines]
            case {"type": "answer"}:
                self.answer = message


def _text(value: object) -> str | None:
    return value[:MESSAGE_LENGTH] if isinstance(value, str) else None
