"""Take deliveries that are due, and write down what came of them.

Each function is one statement and one transaction. A lease is a `due_at` in the future: a sender that
dies lets its deliveries fall due again. `claims` is the fence of the mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from affidavit.infra.db import Database
from affidavit.webhooks.event import DeliveryStatus, Failure

# One look at the index for each lane that has anything pending, however long its backlog is; then from
# each as many as it has room for. Those of lanes with little in flight come first: a slow receiver
# fills its own cap and not the sender. Only what was chosen is locked.
_LEASE: Final = """
WITH RECURSIVE lanes AS (
    (SELECT lane FROM webhook_deliveries
     WHERE status = 'pending'
       AND EXISTS (SELECT FROM webhook_deliveries WHERE status = 'pending' AND due_at <= now())
     ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT d.lane FROM webhook_deliveries d
            WHERE d.status = 'pending' AND d.lane > l.lane ORDER BY d.lane LIMIT 1)
    FROM lanes l WHERE l.lane IS NOT NULL
), flying AS MATERIALIZED (
    SELECT l.lane, s.failures, s.open_until,
        (SELECT count(*) FROM webhook_deliveries d WHERE d.lane = l.lane AND d.leased_until > now()) AS n
    FROM lanes l LEFT JOIN webhook_lanes s ON s.lane = l.lane WHERE l.lane IS NOT NULL
), room AS MATERIALIZED (
    SELECT lane, n, CASE WHEN open_until > now() THEN 0 WHEN failures >= $3 THEN 1 - n ELSE $2 - n END AS free
    FROM flying
), due AS (
    SELECT d.id, d.due_at, room.n + row_number() OVER (PARTITION BY room.lane ORDER BY d.due_at) AS turn
    FROM room CROSS JOIN LATERAL (
        SELECT w.id, w.due_at FROM webhook_deliveries w
        WHERE w.lane = room.lane AND w.status = 'pending' AND w.due_at <= now()
        ORDER BY w.due_at
        LIMIT least(room.free, 1 + $1 / (SELECT greatest(count(*), 1) FROM room WHERE free > 0))) d
    WHERE room.free > 0
), chosen AS (
    SELECT w.id FROM webhook_deliveries w
    WHERE w.id = ANY (ARRAY(SELECT id FROM due ORDER BY turn, due_at LIMIT $1))
      AND w.status = 'pending' AND w.due_at <= now()
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE webhook_deliveries d
    SET claims = d.claims + 1, due_at = now() + $4::interval, leased_until = now() + $4::interval
    FROM chosen WHERE d.id = chosen.id
    RETURNING d.*
)
SELECT l.id, l.claims, l.environment_id, l.endpoint_id, l.job_id, l.message_id, l.event_type, l.payload,
    l.attempts, l.created_at, coalesce(l.url, e.url) AS url, now() AS leased_at, j.request_id, j.traceparent,
    e.status AS endpoint_status, e.deleted_at IS NOT NULL AS is_deleted,
    l.sealed_secret IS NOT NULL AS is_own_secret,
    coalesce(l.sealed_secret, e.sealed_secret, s.sealed_secret) AS sealed,
    CASE WHEN l.sealed_secret IS NULL AND coalesce(e.previous_until, s.previous_until) > now()
        THEN coalesce(e.sealed_previous, s.sealed_previous) END AS sealed_previous
FROM leased l
LEFT JOIN jobs j ON j.id = l.job_id
LEFT JOIN webhook_endpoints e ON e.id = l.endpoint_id
LEFT JOIN webhook_secrets s ON l.endpoint_id IS NULL AND s.environment_id = l.environment_id
"""

# Progress that failed is not tried again once there is newer news for the same receiver. An attempt
# that failed opens the lane's breaker from the threshold on, for longer each time.
_SETTLE: Final = """
WITH settled AS (
    UPDATE webhook_deliveries d
    SET status = fate.status, attempts = d.attempts + 1, leased_until = NULL, last_status_code = $7,
        last_error = CASE WHEN fate.status = 'canceled' THEN 'superseded' ELSE $8 END,
        due_at = CASE WHEN fate.status = 'pending' THEN now() + $4::interval ELSE d.due_at END,
        ended_at = CASE WHEN fate.status <> 'pending' THEN now() END
    FROM (
        SELECT p.id, CASE WHEN $3 = 'pending' AND p.event_type = 'job.progress' AND p.redelivery_of IS NULL
            AND EXISTS (SELECT FROM webhook_deliveries n
                WHERE n.job_id = p.job_id AND n.lane = p.lane AND n.id > p.id)
            THEN 'canceled' ELSE $3 END AS status
        FROM webhook_deliveries p WHERE p.id = $1
    ) AS fate
    WHERE d.id = fate.id AND d.claims = $2 AND d.status = 'pending'
    RETURNING d.id, d.environment_id, d.lane, d.attempts, d.status
), attempt AS (
    INSERT INTO webhook_attempts (delivery_id, n, environment_id, started_at, latency_ms, status_code,
        error, response_head)
    SELECT id, attempts, environment_id, $5, $6, $7, $8, $9 FROM settled
), closed AS (
    DELETE FROM webhook_lanes l USING settled s WHERE l.lane = s.lane AND $3 = 'delivered'
), failing AS (
    INSERT INTO webhook_lanes AS l (lane, environment_id, failures, open_until)
    SELECT lane, environment_id, 1, now() + $13::interval FROM settled WHERE $3 <> 'delivered'
    ON CONFLICT (lane) DO UPDATE SET failures = l.failures + 1, updated_at = now(),
        open_until = greatest(now() + $13::interval, CASE WHEN l.failures + 1 >= $10 THEN
            now() + least($11::interval * power(2, least(l.failures + 1 - $10, 16)), $12::interval) END)
    RETURNING failures, now() - failing_since AS failing_for
)
SELECT s.status, f.failures, f.failing_for FROM settled s LEFT JOIN failing f ON true
"""

_CLOSE: Final = """
UPDATE webhook_deliveries SET status = $3, last_error = $4, leased_until = NULL, ended_at = now()
WHERE id = $1 AND claims = $2 AND status = 'pending' RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be in flight, and when a failing receiver is left alone for a while.

    From `breaker_failures` on a receiver gets one attempt at a time, each after a pause that doubles
    from `breaker_pause` to `breaker_max_pause`.
    """

    lane_concurrency: int = 8
    breaker_failures: int = 5
    breaker_pause: timedelta = timedelta(seconds=5)
    breaker_max_pause: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery that this sender may attempt until its lease ends. Secrets are sealed for `owner`."""

    id: str
    claims: int
    environment_id: str
    endpoint_id: str | None
    message_id: str
    event_type: str
    payload: bytes
    attempts: int
    created_at: datetime
    url: str | None
    leased_at: datetime
    obstacle: Failure | None
    owner: str
    sealed: tuple[bytes, ...]
    job_id: str | None = None
    request_id: str | None = None  # of the submission, for logs and traces
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to. `error` None: it was delivered. `retry_in` None: it was the last."""

    started_at: datetime
    latency_ms: int
    status_code: int | None
    error: Failure | None
    response_head: str | None
    retry_in: timedelta | None = None
    throttle: timedelta | None = None

    @property
    def status(self) -> DeliveryStatus:
        """Return how the delivery stands after it."""
        if self.error is None:
            return DeliveryStatus.DELIVERED
        return DeliveryStatus.EXHAUSTED if self.retry_in is None else DeliveryStatus.PENDING


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written: the state of the delivery, and the run of failures of its receiver."""

    status: DeliveryStatus
    failures: int
    failing_for: timedelta


async def lease(db: Database, most: int, period: timedelta, limits: Limits) -> list[Leased]:
    """Take up to `most` due deliveries, fairly over their receivers."""
    rows = await db.fetch(_LEASE, most, limits.lane_concurrency, limits.breaker_failures, period)
    return [_leased(row) for row in rows]


async def settle(db: Database, held: Leased, outcome: Outcome, limits: Limits) -> Settled | None:
    """Write an attempt and what it means, or nothing and None when the lease was lost meanwhile."""
    row = await db.fetch_row(
        _SETTLE,
        held.id,
        held.claims,
        outcome.status,
        outcome.retry_in or timedelta(0),
        outcome.started_at,
        outcome.latency_ms,
        outcome.status_code,
        outcome.error,
        outcome.response_head,
        limits.breaker_failures,
        limits.breaker_pause,
        limits.breaker_max_pause,
        outcome.throttle,
    )
    if row is None:
        return None
    return Settled(DeliveryStatus(row["status"]), row["failures"] or 0, row["failing_for"] or timedelta(0))


async def close(db: Database, held: Leased, reason: Failure) -> bool:
    """End a delivery without an attempt; False when the lease was lost meanwhile."""
    status = DeliveryStatus.CANCELED if reason is Failure.ENDPOINT_DELETED else DeliveryStatus.EXHAUSTED
    return await db.fetch_row(_CLOSE, held.id, held.claims, status, reason) is not None


def _leased(row: asyncpg.Record) -> Leased:
    return Leased(
        id=row["id"],
        claims=row["claims"],
        environment_id=row["environment_id"],
        endpoint_id=row["endpoint_id"],
        message_id=row["message_id"],
        event_type=row["event_type"],
        payload=row["payload"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        url=row["url"],
        leased_at=row["leased_at"],
        obstacle=_obstacle(row),
        owner=_owner(row),
        sealed=tuple(sealed for sealed in (row["sealed"], row["sealed_previous"]) if sealed is not None),
        job_id=row["job_id"],
        request_id=row["request_id"],
        traceparent=row["traceparent"],
    )


def _obstacle(row: asyncpg.Record) -> Failure | None:
    """Return why this delivery may not be sent: its event raced with the end of its endpoint."""
    if row["endpoint_id"] is None:
        return None
    if row["is_deleted"] or row["endpoint_status"] is None:
        return Failure.ENDPOINT_DELETED
    return None if row["endpoint_status"] == "enabled" else Failure.ENDPOINT_DISABLED


def _owner(row: asyncpg.Record) -> str:
    if row["is_own_secret"]:
        return own_secret_owner(row["job_id"])
    return str(row["endpoint_id"] or row["environment_id"])


def own_secret_owner(job_id: str) -> str:
    """Name what the secret of a submission's own webhook is sealed for."""
    return f"{job_id}:webhook"
