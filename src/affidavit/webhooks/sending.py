"""The sender: lease what is due, post it, write down what came of it. Any number may run at once."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import structlog

from affidavit.infra import context, metrics, tracing
from affidavit.infra.db import SYSTEM, Database, is_unavailable
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.fetch_errors import FetchError
from affidavit.infra.fetch_network import Resolver
from affidavit.infra.post import Answer, post
from affidavit.infra.retry_after import read_retry_after
from affidavit.infra.secrets import SecretUnreadable
from affidavit.webhooks import ending, leasing, repository
from affidavit.webhooks.event import DeliveryStatus, DisabledReason, Failure
from affidavit.webhooks.judgement import classify, judge, read_head
from affidavit.webhooks.leasing import Leased, Limits, Outcome, Settled
from affidavit.webhooks.rendering import origin
from affidavit.webhooks.schedule import Schedule
from affidavit.webhooks.secret import Sealer
from affidavit.webhooks.signing import new_secret, signed_headers

log = structlog.get_logger()

MARGIN: Final = timedelta(seconds=10)  # of a lease after the POST's deadline, to write the outcome
MARK_RETRY_SECONDS: Final = 0.2
THROTTLING: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
MAX_THROTTLE: Final = timedelta(minutes=5)  # how long one Retry-After holds up all of a receiver's messages


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How to send: where to, how often, how many at once.

    `targets` says what may be posted to, the deadline of an attempt (`total_seconds`) and how much of
    an answer is read (`max_bytes`). An endpoint that has failed for `disable_after`, at least
    `disable_failures` times and never succeeded between, is switched off.
    """

    targets: FetchPolicy
    schedule: Schedule = field(default_factory=Schedule)
    limits: Limits = field(default_factory=Limits)
    concurrency: int = 64
    poll: timedelta = timedelta(milliseconds=250)
    disable_after: timedelta = timedelta(days=5)
    disable_failures: int = 10

    @property
    def lease(self) -> timedelta:
        """Return how long a delivery belongs to its sender."""
        return timedelta(seconds=self.targets.total_seconds) + MARGIN


class Sender:
    """Owns the slots of one process. What it leased and did not mark is sent again by another."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        policy: SendPolicy,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._policy = policy
        self._resolver = resolver
        self._tls = tls
        self._wake = asyncio.Event()
        self._flying: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, then let what is under way end; an attempt has a deadline."""
        try:
            while not stop.is_set():
                if await self._lease() == 0:
                    await self._rest(stop)
            if self._flying:
                await asyncio.wait(self._flying)
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)

    async def send_due(self) -> int:
        """Send what is due now, once, and return how many there were."""
        leased = await self._lease()
        if self._flying:
            await asyncio.wait(self._flying)
        return leased

    async def _lease(self) -> int:
        free = self._policy.concurrency - len(self._flying)
        if free <= 0:
            return 0
        try:
            leased = await leasing.lease(self._db, free, self._policy.lease, self._policy.limits)
        except Exception as error:  # noqa: BLE001 - the database may be away; try again
            log.warning("webhook.lease_failed", error=type(error).__name__)
            return 0
        for held in leased:
            task = asyncio.create_task(self._deliver(held))
            self._flying.add(task)
            task.add_done_callback(self._landed)
        return len(leased)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._wake.set()

    async def _rest(self, stop: asyncio.Event) -> None:
        """Wait for a slot, the next poll or the stop, whichever is first."""
        waiting = [asyncio.create_task(self._wake.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(
            waiting, timeout=self._policy.poll.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        for each in waiting:
            each.cancel()
        self._wake.clear()

    async def _deliver(self, held: Leased) -> None:
        ids = {"job_id": held.job_id, "request_id": held.request_id, "delivery_id": held.id}
        with (
            context.bound(**ids, environment_id=held.environment_id, attempt=held.attempts + 1),
            tracing.span(
                "webhook", kind="CLIENT", parent=held.traceparent, **ids, event_type=held.event_type
            ),
        ):
            await self._send(held)

    async def _send(self, held: Leased) -> None:
        try:
            if held.obstacle is not None:
                await leasing.close(self._db, held, held.obstacle)
                return
            await self._mark(held, await self._attempt(held))
        except Exception as error:  # noqa: BLE001 - the lease ends, and it is sent again
            log.warning("webhook.delivery_failed", error=type(error).__name__)

    async def _attempt(self, held: Leased) -> Outcome:
        began = time.monotonic()
        answer: Answer | None = None
        failure: Failure | None = None
        try:
            answer = await self._post(held)
        except SecretUnreadable:
            failure = Failure.SECRET_UNREADABLE
        except FetchError as error:
            failure = classify(error)
        except Exception as error:
            # Whatever it was, it counts: a message that breaks its sender must not be leased for ever.
            if is_unavailable(error):
                raise
            log.exception("webhook.attempt_broke")
            failure = Failure.BROKEN
        latency = time.monotonic() - began
        return self._outcome(held, answer, failure, latency)

    async def _post(self, held: Leased) -> Answer:
        """Sign with every live secret, at the database's time: a sender's clock may be wrong."""
        live = [self._sealer.open(sealed, held.owner).decode() for sealed in held.sealed]
        if not live:
            live = [await self._make_default_secret(held.environment_id)]
        headers = signed_headers(held.message_id, held.leased_at, held.payload, live)
        return await post(
            held.url or "",
            headers,
            held.payload,
            self._policy.targets,
            resolver=self._resolver,
            tls=self._tls,
        )

    async def _make_default_secret(self, environment_id: str) -> str:
        """Make the default secret at its first use; its owner may have it shown later."""
        sealed = self._sealer.seal(new_secret().encode(), environment_id)
        async with self._db.begin(SYSTEM) as session:
            await repository.add_default_secret(session, environment_id, sealed)
            stored = await repository.lock_default_secret(session, environment_id)
        if stored is None:
            raise SecretUnreadable("the default secret has gone")
        return self._sealer.open(stored.sealed_secret, environment_id).decode()

    def _outcome(
        self, held: Leased, answer: Answer | None, failure: Failure | None, latency: float
    ) -> Outcome:
        status = None if answer is None else answer.status
        error = failure if status is None else judge(status)
        wait = None if answer is None or status not in THROTTLING else read_retry_after(answer.retry_after)
        is_last = status == HTTPStatus.GONE
        return Outcome(
            started_at=held.leased_at,
            latency_ms=round(latency * 1000),
            status_code=status,
            error=error,
            response_head=None if answer is None else read_head(answer.body),
            retry_in=None if is_last else self._policy.schedule.delay_after(held.attempts + 1, wait),
            throttle=None if wait is None else min(wait, MAX_THROTTLE),
        )

    async def _mark(self, held: Leased, outcome: Outcome) -> None:
        settled = await self._settle(held, outcome)
        _count(held, outcome, settled)
        log.info(
            "webhook.attempted",
            message_id=held.message_id,
            endpoint_id=held.endpoint_id,
            event_type=held.event_type,
            origin=origin(held.url or ""),
            status_code=outcome.status_code,
            failure=outcome.error,
            latency_ms=outcome.latency_ms,
            outcome="fenced" if settled is None else settled.status,
        )
        reason = None if settled is None else self._reason_to_disable(outcome, settled)
        if reason is not None and held.endpoint_id is not None:
            await ending.disable(self._db, held.environment_id, held.endpoint_id, reason)

    async def _settle(self, held: Leased, outcome: Outcome) -> Settled | None:
        """Write the outcome, however often the database is away, for as long as a lease may hold.

        Longer than our own does: as long as nobody else took the delivery, the mark still counts.
        """
        until = time.monotonic() + self._policy.lease.total_seconds()
        while True:
            try:
                return await leasing.settle(self._db, held, outcome, self._policy.limits)
            except Exception as error:
                if not is_unavailable(error) or time.monotonic() > until:
                    raise
            await asyncio.sleep(MARK_RETRY_SECONDS)

    def _reason_to_disable(self, outcome: Outcome, settled: Settled) -> DisabledReason | None:
        if outcome.status_code == HTTPStatus.GONE:
            return DisabledReason.GONE
        is_long = settled.failing_for > self._policy.disable_after
        return (
            DisabledReason.FAILING if is_long and settled.failures >= self._policy.disable_failures else None
        )


def _count(held: Leased, outcome: Outcome, settled: Settled | None) -> None:
    result = "delivered" if outcome.error is None else outcome.error.value
    metrics.ATTEMPTS.labels("fenced" if settled is None else result).inc()
    metrics.ATTEMPT_SECONDS.observe(outcome.latency_ms / 1000)
    lag = (held.leased_at - held.created_at).total_seconds()
    if held.attempts == 0:
        metrics.FIRST_ATTEMPT_LAG.observe(lag)
    if outcome.error is None:
        metrics.DELIVERY_LAG.observe(lag + outcome.latency_ms / 1000)
    elif settled is not None and settled.status is DeliveryStatus.EXHAUSTED:
        metrics.DEAD_LETTERS.inc()
