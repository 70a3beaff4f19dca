"""Load an HTTP/1.1 server on loopback from a process of its own, bounded in count and in time.

Each connection sends its next request when the answer to the last one is complete. Only the status and the
length of an answer are read: a full HTTP client would need more CPU than the server it measures.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

SETTLE_SECONDS = 15.0  # for the answers that are on their way at the end


@dataclass(frozen=True, slots=True)
class Load:
    """What to send. The requests are taken in turn; `{n}` in them becomes their running number."""

    port: int
    connections: int
    seconds: float
    most: int
    requests: list[str]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back. Errors are answers other than 2xx, and connections that broke."""

    sent: int
    answered: int
    errors: int
    seconds: float
    statuses: dict[str, int]
    latencies_ms: dict[str, float]

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


def run(load: Load) -> Outcome:
    """Send the load from a new process and return what came back."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__))],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        check=True,
        timeout=load.seconds + 2 * SETTLE_SECONDS,
    )
    return Outcome(**json.loads(done.stdout))


def request(method: str, path: str, key: str | None = None, body: str = "") -> str:
    """Spell a request with all that a client must say."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body])


@dataclass(slots=True)
class Tally:
    """What all connections share."""

    load: Load
    until: float
    sent: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    def next(self) -> bytes | None:
        """Return the next request, None when count or time are used up."""
        if self.sent >= self.load.most or time.perf_counter() >= self.until:
            return None
        number = self.load.first + self.sent
        self.sent += 1
        return self.load.requests[number % len(self.load.requests)].replace("{n}", str(number)).encode()

    def answered(self, status: str, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies.append(seconds)


class Connection(asyncio.Protocol):
    """One kept-alive connection; `done` is set when it has no more to send, or broke."""

    def __init__(self, tally: Tally) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._tally = tally
        self._buffer = b""
        self._needed = 0
        self._status = ""
        self._started = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base class
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed and not self._read_head():
            return
        if len(self._buffer) < self._needed:
            return
        self._buffer, self._needed = self._buffer[self._needed :], 0
        self._tally.answered(self._status, time.perf_counter() - self._started)
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self._tally.answered("broken", 0.0)
            self.done.set_result(None)

    def _send(self) -> None:
        assert self._transport is not None
        message = self._tally.next()
        if message is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(message)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        self._status = head[9:12].decode()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
        self._needed = end + 4 + length
        return True


async def send(load: Load) -> Outcome:
    """Send the load from this process."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    tally = Tally(load, started + load.seconds)
    made = [
        loop.create_connection(lambda: Connection(tally), "127.0.0.1", load.port)
        for _ in range(load.connections)
    ]
    connections = [connection for _, connection in await asyncio.gather(*made)]
    await asyncio.wait([connection.done for connection in connections], timeout=load.seconds + SETTLE_SECONDS)
    seconds = time.perf_counter() - started
    good = sum(count for status, count in tally.statuses.items() if status.startswith("2"))
    ordered = sorted(tally.latencies)
    return Outcome(
        sent=tally.sent,
        answered=good,
        errors=tally.sent - good,
        seconds=seconds,
        statuses=tally.statuses,
        latencies_ms={name: at(ordered, share) * 1000 for name, share in (("p50", 0.5), ("p99", 0.99))},
    )


def at(ordered: list[float], share: float) -> float:
    """Return the value below which this share of the ordered values lies; 0 for none."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(send(Load(**json.load(sys.stdin)))))))
