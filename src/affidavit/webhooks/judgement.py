"""Judge what came back of an attempt. Pure, but for the time that a date in Retry-After is compared with."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from affidavit.infra.fetch_errors import AddressForbidden, FetchError, TimedOut, TlsFailed, UrlInvalid
from affidavit.infra.post import Broken
from affidavit.webhooks.event import Failure

HEAD_BYTES: Final = 1024  # of an answer's body that are kept
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def judge(status: int) -> Failure | None:
    """Return why an answer is not an acceptance, or None for 2xx."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return Failure.REDIRECT if status < HTTPStatus.BAD_REQUEST else Failure.STATUS


def classify(error: FetchError) -> Failure:
    """Return the name of what kept us from an answer."""
    match error:
        case AddressForbidden():
            return Failure.ADDRESS_FORBIDDEN
        case UrlInvalid():
            return Failure.URL_INVALID
        case TimedOut():
            return Failure.TIMEOUT
        case TlsFailed():
            return Failure.TLS
        case Broken():
            return Failure.BROKEN
    return Failure.UNREACHABLE


def read_head(body: bytes) -> str:
    """Return the first KiB of an answer as text that the database can hold."""
    return _UNPRINTABLE.sub("\ufffd", body[:HEAD_BYTES].decode("utf-8", "replace"))
