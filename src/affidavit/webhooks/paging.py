"""Cursors over ids that sort by time: the id of the last item of a page, wrapped."""

from __future__ import annotations

import base64
import binascii

from affidavit.errors import FieldError, RequestInvalid
from affidavit.infra.ids import is_id


def render_cursor(last_id: str) -> str:
    """Return the cursor of the page after this id."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None, prefix: str) -> str | None:
    """Return the id that a cursor stands for. Raises RequestInvalid CURSOR_INVALID."""
    if cursor is None:
        return None
    try:
        found = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        found = ""
    if not is_id(found, prefix):
        raise RequestInvalid(
            "cursor is not one that this API gave out. Start again without it.",
            code="CURSOR_INVALID",
            errors=[FieldError("/cursor", "is not a cursor of this API")],
        )
    return found
