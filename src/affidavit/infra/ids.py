"""Name things: a prefix and a time-ordered random number, as in `job_01k8...`."""

from __future__ import annotations

import re
import secrets
import threading
import time
import uuid
from datetime import UTC, datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32: no i, l, o, u to misread
LENGTH = 26  # characters that hold 128 bits, the first of them never above 7
PREFIX = re.compile(r"[a-z][a-z0-9]{0,15}\Z")
ENCODED = re.compile(rf"[0-7][{ALPHABET}]{{{LENGTH - 1}}}\Z")

_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}


class InvalidId(ValueError):
    """The text is not an id of the kind that was asked for."""


class _Clock:
    """Hand out strictly rising stamps in 1/4096 ms, so that ids of one process sort as made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def stamp(self) -> int:
        now = time.time_ns() * 4096 // 1_000_000
        with self._lock:
            self._last = max(now, self._last + 1)
            return self._last


_clock = _Clock()


def new_uuid() -> uuid.UUID:
    """Make a UUIDv7: 48 bits of Unix milliseconds, 12 bits of their fraction, 62 random bits.

    RFC 9562, method 3 of section 6.2. Within a process each is greater than the one before.
    """
    milliseconds, fraction = divmod(_clock.stamp(), 4096)
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=number)


def new_id(prefix: str) -> str:
    """Make an id, `<prefix>_` and 26 characters; ids of one prefix sort by the time they were made."""
    if PREFIX.match(prefix) is None:
        raise ValueError(f"'{prefix}' is not a prefix: lower-case letters and digits, 16 at most")
    return f"{prefix}_{encode(new_uuid())}"


def encode(number: uuid.UUID) -> str:
    """Spell a UUID in 26 characters of lower-case Crockford base32; the order is kept."""
    return "".join(ALPHABET[number.int >> shift & 31] for shift in range(125, -1, -5))


def decode(text: str) -> uuid.UUID:
    """Read what `encode` wrote. Only the one canonical spelling is accepted. Raises InvalidId."""
    if ENCODED.match(text) is None:
        raise InvalidId("an id has 26 characters of lower-case Crockford base32 after its prefix")
    number = 0
    for letter in text:
        number = number << 5 | _VALUES[letter]
    return uuid.UUID(int=number)


def parse(text: str, prefix: str) -> uuid.UUID:
    """Return the UUID in an id of this prefix. Raises InvalidId."""
    found, _, encoded = text.partition("_")
    if found != prefix:
        raise InvalidId(f"an id of this kind starts with '{prefix}_'")
    return decode(encoded)


def is_id(text: str, prefix: str) -> bool:
    """Tell whether `text` is spelled as an id of this prefix; says nothing of whether it exists."""
    return text.startswith(f"{prefix}_") and ENCODED.match(text, len(prefix) + 1) is not None


def made_at(number: uuid.UUID) -> datetime:
    """Return when a UUIDv7 was made, to the millisecond, in UTC."""
    return datetime.fromtimestamp((number.int >> 80) / 1000, UTC)
