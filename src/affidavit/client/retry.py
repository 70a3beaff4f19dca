"""Decide whether and when to try again. Pure: no clock and no sleep in here."""

from __future__ import annotations

import random
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from affidavit.client.reply import Reply, problem_of, retry_after

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
NEVER_RETRIED = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try again, and how patiently. Times in seconds.

    What the service says in Retry-After is waited for, and up to a quarter more, so that those who were
    refused together do not return together. One beyond `longest_seconds` is not waited for: the
    error, which holds it, is raised.
    """

    retries: int = 4
    first_seconds: float = 0.5
    longest_seconds: float = 60

    def after_failure(self, attempt: int, error: httpx.TransportError) -> float | None:
        """Return how long to pause after attempt n (from 0) broke, or None to give up."""
        if attempt >= self.retries or isinstance(error, NEVER_RETRIED):
            return None
        return self._back_off(attempt)

    def after_reply(self, attempt: int, answer: Reply) -> float | None:
        """Return how long to pause after an answer that is worth another try, or None to take it."""
        if attempt >= self.retries or not _is_passing(answer):
            return None
        told = retry_after(answer)
        if told is None:
            return self._back_off(attempt)
        return told * random.uniform(1, 1.25) if told <= self.longest_seconds else None

    def _back_off(self, attempt: int) -> float:
        """Pause longer each time, with jitter, so that many clients do not come back at once."""
        most = min(self.first_seconds * 2**attempt, self.longest_seconds)
        return random.uniform(most / 2, most)


def _is_passing(answer: Reply) -> bool:
    if answer.status in RETRIED_STATUSES:
        return True
    return answer.status == HTTPStatus.CONFLICT and problem_of(answer).code == "IDEMPOTENCY_IN_PROGRESS"
