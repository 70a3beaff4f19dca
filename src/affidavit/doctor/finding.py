"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. A warning refuses a strict start, a failure every one."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is as found, without secrets; `remedy` says what to do, empty when it is well."""

    part: str
    level: Level
    what: str
    remedy: str = ""

    def line(self) -> str:
        """Return it as one line for a person."""
        told = f"{self.level:<4}  {self.part:<11}  {self.what}"
        return f"{told}  -> {self.remedy}" if self.remedy else told

    def to_json(self) -> dict[str, str]:
        """Return it for a machine."""
        return {"part": self.part, "level": self.level.value, "what": self.what, "remedy": self.remedy}


def ok(part: str, what: str) -> Finding:
    """Say that something is well."""
    return Finding(part, Level.OK, what)


def warn(part: str, what: str, remedy: str) -> Finding:
    """Say that something is weaker than it should be."""
    return Finding(part, Level.WARN, what, remedy)


def fail(part: str, what: str, remedy: str) -> Finding:
    """Say that something does not work, or must not be as it is."""
    return Finding(part, Level.FAIL, what, remedy)


def judged(part: str, what: str, *, is_well: bool, remedy: str) -> Finding:
    """Say that something is well, or warn of it."""
    return ok(part, what) if is_well else warn(part, what, remedy)
