"""Read the Range of a request for bytes whose size and tag are known (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from affidavit.api.errors import RangeNotSatisfiable

_ONE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*\Z")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` to `stop`, exclusive."""

    start: int
    stop: int


def parse_range(request: Request, size: int, etag: str) -> ByteRange | None:
    """Return the part that is asked for, None for the whole. Raises RangeNotSatisfiable.

    Several ranges at once, units that are not bytes, and a range of other bytes than these (If-Range) are
    answered with the whole, as the RFC allows.
    """
    found = _ONE.match(request.headers.get("range", ""))
    if found is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last, suffix = found.groups()
    if first is None:
        start, stop = max(0, size - int(suffix)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None  # no range at all, by the RFC
    if start >= stop:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, stop)
