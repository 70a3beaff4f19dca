"""Cursors of lists: opaque to callers, refused when they are not ours."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from affidavit.errors import FieldError, RequestInvalid
from affidavit.infra.ids import is_id

_MAX_DIGITS: Final = 9


def render_cursor(place: str) -> str:
    """Return the cursor of a place in a list."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def bundle_cursor(cursor: str | None) -> str | None:
    """Return the id in a cursor of bundles. Raises RequestInvalid CURSOR_INVALID."""
    if cursor is None:
        return None
    place = _parse(cursor)
    if not is_id(place, "ev"):
        raise _refusal()
    return place


def event_cursor(cursor: str | None) -> int:
    """Return the number in a cursor of events, 0 without one. Raises RequestInvalid CURSOR_INVALID."""
    if cursor is None:
        return 0
    place = _parse(cursor)
    if not (place.isascii() and place.isdigit() and len(place) <= _MAX_DIGITS):
        raise _refusal()
    return int(place)


def _parse(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise _refusal() from None


def _refusal() -> RequestInvalid:
    return RequestInvalid(
        "cursor is not one that this API gave out. Start again without it.",
        code="CURSOR_INVALID",
        errors=[FieldError("/cursor", "is not a cursor of this API")],
    )
