"""What a verification found: checks, each with its own state and code, and what no check can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from affidavit.bundle.envelope import RECEIPT, TOMBSTONE


class Status(StrEnum):
    """How a check ended. The three are also what a verification as a whole can come to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"


ABSENT = "ABSENT"
PLACED_BY_HAND = "PLACED_BY_HAND"
_NOTHING_TO_CHECK = {ABSENT, PLACED_BY_HAND}

_WHOSE_KEY = "Whose key it is: that is known from where you took the key."
_WHEN = "When it was signed: without a trusted timestamp, it is the clock of who signed that says so."
NOT_PROVEN = (
    "That the source is genuine or that what it says is true: a forged document is sealed like any other.",
    "That values were read or understood rightly: only that the words they cite stand where it says.",
    "That the images of pages, document.json and the text say the same: they are bound, not compared.",
    "Who handed the document in, or that nothing else was handed in.",
    "That it is the bundle you meant: compare bundle_id and manifest_sha256 with what the job said.",
    _WHOSE_KEY,
)
_NOT_PROVEN_OF = {
    TOMBSTONE: (
        "That the bytes are gone: it is the word of who signed.",
        "That nobody has a copy: downloads, backups and what was handed on are out of its reach.",
        _WHOSE_KEY,
    ),
    RECEIPT: (
        "That what it tells of was done as it tells: it is the word of who signed.",
        "Who the person behind the key or the agent is: these are names that the caller gave.",
        "That the bundle is what it was: verify the bundle itself.",
        _WHOSE_KEY,
    ),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `entry` is the file of the bundle or the citation that it is about."""

    name: str
    status: Status
    code: str | None = None
    detail: str = ""
    entry: str | None = None


@dataclass(slots=True)
class Report:
    """All checks in their order, and `subject`: what the bundle says of itself, if it could be read."""

    checks: list[Check] = field(default_factory=list)
    subject: dict[str, Any] = field(default_factory=dict)

    def passed(
        self, name: str, detail: str = "", *, code: str | None = None, entry: str | None = None
    ) -> None:
        """Note a check that passed."""
        self.checks.append(Check(name, Status.PASSED, code, detail, entry))

    def failed(self, name: str, code: str, detail: str, *, entry: str | None = None) -> None:
        """Note a check that failed."""
        self.checks.append(Check(name, Status.FAILED, code, detail, entry))

    def not_checked(self, name: str, code: str, detail: str, *, entry: str | None = None) -> None:
        """Note a check that could not be made, or had nothing to check."""
        self.checks.append(Check(name, Status.NOT_CHECKED, code, detail, entry))

    def has(self, name: str) -> bool:
        """Tell whether there are checks of this name."""
        return any(check.name == name for check in self.checks)

    def has_passed(self, name: str) -> bool:
        """Tell whether there are checks of this name and all of them passed."""
        return self.has(name) and all(
            check.status is Status.PASSED for check in self.checks if check.name == name
        )

    @property
    def verdict(self) -> Status:
        """Return `failed` if any check failed, else `not_checked` if one was wanted and could not be made."""
        if any(check.status is Status.FAILED for check in self.checks):
            return Status.FAILED
        if any(
            check.status is Status.NOT_CHECKED and check.code not in _NOTHING_TO_CHECK
            for check in self.checks
        ):
            return Status.NOT_CHECKED
        return Status.PASSED

    @property
    def not_proven(self) -> tuple[str, ...]:
        """Return what even a verification that passed does not show."""
        sentences = _NOT_PROVEN_OF.get(self.subject.get("type", ""), NOT_PROVEN)
        return sentences if self.has_passed("timestamp") else (*sentences, _WHEN)

    def to_json(self) -> Mapping[str, Any]:
        """Return the report as JSON has it."""
        return {
            "verdict": self.verdict,
            "subject": self.subject,
            "checks": [
                {
                    "name": check.name,
                    "status": check.status,
                    "code": check.code,
                    "entry": check.entry,
                    "detail": check.detail,
                }
                for check in self.checks
            ],
            "not_proven": list(self.not_proven),
        }
