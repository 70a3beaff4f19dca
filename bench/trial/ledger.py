"""What the clients were told: every answer that counts as a promise."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from trial.documents import Sample


@dataclass(slots=True)
class Order:
    """One submission as a client knows it. `job_ids` are those that any 2xx answer named."""

    number: int
    environment: int
    samples: list[Sample]
    key: str
    is_batch: bool = False
    has_webhook: bool = False
    is_canceled: bool = False
    job_ids: list[str] = field(default_factory=list)
    posts: int = 0


@dataclass(slots=True)
class Ledger:
    """All orders, all statuses that were seen, and what should never have been answered."""

    orders: list[Order] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)  # the terminal state that a client saw
    answers: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def complain(self, text: str) -> None:
        with self.lock:
            self.complaints.append(text)

    def count(self, what: str) -> None:
        with self.lock:
            self.answers[what] += 1

    def saw(self, job_id: str, status: str) -> None:
        """Note a terminal state; it may never be another one afterwards."""
        with self.lock:
            before = self.seen.setdefault(job_id, status)
        if before != status:
            self.complain(f"{job_id} was seen {before} and later {status}")

    @property
    def acknowledged(self) -> list[str]:
        return [job_id for order in self.orders for job_id in set(order.job_ids)]
