"""Refuse what is asked too often, and too many streams at once. Counts in this process alone."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from affidavit.errors import TooManyRequests, Unavailable
from affidavit.infra import metrics
from affidavit.jobs.pressure import jittered

STREAM_RETRY_SECONDS: Final = 5.0  # a stream lasts as long as its job: sooner would be mere hope
ALLOWANCE: Final = "affidavit.allowance"  # in the scope of a request: what is left to its key
SMALL_BYTES: Final = 64 * 1024  # read in one piece or two
HELD_BYTES: Final = 4 * 1024 * 1024  # in memory; a body that streams to the disk holds far less
UPLOAD_RETRY_SECONDS: Final = 2.0  # about what one of the uploads takes
TRACKED: Final = 20_000  # jobs; about 4 MB. Above it those that owe nothing are forgotten


class PollLimit:
    """Let each (environment, job) be asked for `per_second` times a second, and as many at once.

    The generic cell rate algorithm: one number per job, the time until which it is paid for.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._cost = 1 / per_second
        self._burst = max(1.0, self._cost)  # seconds that a caller may be ahead
        self._clock = clock
        self._paid_until: dict[tuple[str, str], float] = {}

    def count(self, environment_id: str, job_id: str) -> None:
        """Count one poll. Raises TooManyRequests with the time after which one is free again."""
        now = self._clock()
        key = (environment_id, job_id)
        paid = max(self._paid_until.get(key, now), now) + self._cost
        if paid - now > self._burst + 1e-9:
            raise TooManyRequests(
                "This job is asked for far more often than its retry_after_ms says. "
                "Follow the hint, or wait with ?wait=.",
                retry_after=paid - now - self._burst,
            )
        if len(self._paid_until) >= TRACKED:
            self._forget(now)
        self._paid_until[key] = paid

    def _forget(self, now: float) -> None:
        self._paid_until = {key: paid for key, paid in self._paid_until.items() if paid > now}
        if len(self._paid_until) >= TRACKED:
            self._paid_until.clear()  # a flood of jobs: forgetting what is owed is the lesser harm


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a key after a request, for the headers of the answer."""

    quota: int
    left: int
    reset_seconds: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        policy = b'"requests";q=%d;w=1' % self.quota
        state = b'"requests";r=%d;t=%d' % (self.left, math.ceil(self.reset_seconds))
        return [(b"ratelimit-policy", policy), (b"ratelimit", state)]


class RequestLimit:
    """Let each key make so many requests a second, and as many at once; or each of something else."""

    def __init__(
        self, per_second: int, clock: Callable[[], float] = time.monotonic, *, each: str = "key"
    ) -> None:
        self._per_second = per_second
        self._each = each
        self._cost = 1 / per_second
        self._spent = Allowance(per_second, 0, 1)
        self._clock = clock
        self._paid_until: dict[str, float] = {}

    def spent(self) -> Allowance:
        """Return what is left to a key that is refused: nothing."""
        return self._spent

    def count(self, key_id: str) -> Allowance:
        """Count one request and say what is left. Raises TooManyRequests."""
        now = self._clock()
        paid = max(self._paid_until.get(key_id, now), now) + self._cost
        owed = paid - now
        if owed > 1 + 1e-9:
            raise TooManyRequests(
                f"This {self._each} makes more than {self._per_second} requests a second. Slow down.",
                retry_after=jittered(owed - 1),
            )
        if len(self._paid_until) >= TRACKED:
            self._paid_until = {key: until for key, until in self._paid_until.items() if until > now}
        self._paid_until[key_id] = paid
        return Allowance(self._per_second, int((1 - owed) * self._per_second + 1e-6), owed)


def neighbourhood(host: str) -> str:
    """Return what one caller may be counted by: an IPv4 address, the first 64 bits of an IPv6 one.

    Whoever has one address of such a network has them all.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:  # on a socket of both kinds
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


class UploadLimit:
    """Bound the large bodies that come in at once: each holds a connection, a draft and some memory."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._open = 0

    @contextmanager
    def opened(self, announced_bytes: int | None, *, held_bytes: int = 0) -> Iterator[None]:
        """Count a body while the block lasts; small ones are free. Raises Unavailable OVERLOADED.

        `held_bytes`: how much of it is kept in memory at most; such a body counts as several.
        """
        if announced_bytes is not None and announced_bytes <= SMALL_BYTES:
            yield
            return
        weight = 1 + held_bytes // HELD_BYTES
        if self._open and self._open + weight > self._total:
            raise Unavailable(
                "Too many uploads are coming in at once. Try again.",
                code="OVERLOADED",
                retry_after=jittered(UPLOAD_RETRY_SECONDS),
            )
        self._open += weight
        try:
            yield
        finally:
            self._open -= weight


class StreamLimit:
    """Bound the event streams that are open at once: of one key, and of this process."""

    def __init__(self, per_key: int, total: int) -> None:
        self._per_key = per_key
        self._total = total
        self._open: Counter[str] = Counter()

    def check(self, key_id: str) -> None:
        """Raise TooManyRequests or Unavailable when there is no room for another stream."""
        if self._open[key_id] >= self._per_key:
            raise TooManyRequests(
                f"This key has {self._per_key} event streams open, as many as it may. Close one, or poll.",
                code="TOO_MANY_STREAMS",
                retry_after=jittered(STREAM_RETRY_SECONDS),
            )
        if self._open.total() >= self._total:
            raise Unavailable(
                "Too many event streams are open. Try again, or poll.",
                code="OVERLOADED",
                retry_after=jittered(STREAM_RETRY_SECONDS),
            )

    @contextmanager
    def opened(self, key_id: str) -> Iterator[None]:
        """Count a stream while the block lasts."""
        self._open[key_id] += 1
        metrics.SSE_STREAMS.inc()
        try:
            yield
        finally:
            metrics.SSE_STREAMS.dec()
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]
