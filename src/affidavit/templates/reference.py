"""How a template is named: `invoice` for its newest version, `invoice@3` for that one."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self

from affidavit.errors import FieldError, NotFound, RequestInvalid

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
REFERENCE_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,63}(@[1-9][0-9]{0,8})?$"
_REFERENCE: Final = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,63})(?:@(?P<version>[1-9][0-9]{0,8}))?")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, and a version or None for the newest."""

    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME` or `NAME@VERSION`. Raises NotFound: what is no name names nothing."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise NotFound("template")
        return cls(found["name"], int(found["version"]) if found["version"] else None)


def render_cursor(last_name: str) -> str:
    """Return the cursor of the page after this name."""
    return base64.urlsafe_b64encode(last_name.encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> str:
    """Return the name that a cursor stands for, '' without one. Raises RequestInvalid CURSOR_INVALID."""
    if cursor is None:
        return ""
    try:
        found = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        found = ""
    if _NAME.fullmatch(found) is None:
        raise RequestInvalid(
            "cursor is not one that this API gave out. Start again without it.",
            code="CURSOR_INVALID",
            errors=[FieldError("/cursor", "is not a cursor of this API")],
        )
    return found
