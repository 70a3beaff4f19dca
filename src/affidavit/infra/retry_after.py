"""Read the header Retry-After."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_SECONDS: Final = re.compile(r"\d{1,9}\Z")


def read_retry_after(value: str | None) -> timedelta | None:
    """Read a Retry-After, in seconds or as an HTTP date; what is neither says nothing."""
    if value is None:
        return None
    if _SECONDS.match(value := value.strip()):
        return timedelta(seconds=int(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - datetime.now(UTC), timedelta(0))
