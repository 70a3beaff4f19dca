"""The tables of webhooks as the API reads and writes them, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.webhooks.event import DeliveryStatus, DisabledReason, EndpointStatus, EventType, Failure
from affidavit.webhooks.models import Attempt, DefaultSecret, Delivery, Endpoint, Lane
from affidavit.webhooks.views import DeliveryFilter

_ENDPOINT_COLUMNS: Final = (
    Endpoint.id,
    Endpoint.url,
    Endpoint.description,
    Endpoint.events,
    Endpoint.status,
    Endpoint.disabled_reason,
    Endpoint.disabled_at,
    Endpoint.previous_until,
    Endpoint.created_at,
    Endpoint.updated_at,
    Lane.failing_since,
    (Endpoint.previous_until > func.now()).label("has_previous"),
)
_DELIVERY_COLUMNS: Final = (
    Delivery.id,
    Delivery.message_id,
    Delivery.endpoint_id,
    Delivery.job_id,
    Delivery.event_type,
    Delivery.sequence,
    func.coalesce(Delivery.url, Endpoint.url).label("url"),
    Delivery.status,
    Delivery.attempts,
    Delivery.due_at,
    Delivery.last_status_code,
    Delivery.last_error,
    Delivery.redelivery_of,
    Delivery.created_at,
    Delivery.ended_at,
)

# Pending ones of an endpoint that is switched off become dead letters, those of a deleted one are void.
_END_PENDING: Final = text("""
UPDATE webhook_deliveries SET status = :status, last_error = :reason, leased_until = NULL, ended_at = now()
WHERE environment_id = :environment_id AND endpoint_id = :endpoint_id AND status = 'pending'
""")


async def add_endpoint(
    session: AsyncSession, environment_id: str, endpoint_id: str, **columns: object
) -> None:
    """Insert an endpoint."""
    values = {"id": endpoint_id, "environment_id": environment_id, **columns}
    await session.execute(insert(Endpoint).values(**values))


async def count_endpoints(session: AsyncSession, environment_id: str) -> int:
    """Count the endpoints of an environment that were not deleted."""
    mine = (Endpoint.environment_id == environment_id) & Endpoint.deleted_at.is_(None)
    return await session.scalar(select(func.count()).where(mine).select_from(Endpoint)) or 0


async def find_endpoint(session: AsyncSession, environment_id: str, endpoint_id: str) -> Row[Any] | None:
    """Return an endpoint's columns for its view, or None."""
    statement = _endpoints(environment_id).where(Endpoint.id == endpoint_id)
    return (await session.execute(statement)).one_or_none()


async def find_endpoints(
    session: AsyncSession, environment_id: str, limit: int, before: str | None
) -> list[Row[Any]]:
    """Return endpoints, newest first, older than the one with the id `before`."""
    statement = _endpoints(environment_id).order_by(Endpoint.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Endpoint.id < before)
    return list((await session.execute(statement)).all())


async def lock_endpoint(session: AsyncSession, environment_id: str, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint that nobody else changes until the end of the transaction, or None."""
    statement = select(Endpoint).where(
        Endpoint.environment_id == environment_id,
        Endpoint.id == endpoint_id,
        Endpoint.deleted_at.is_(None),
    )
    return (await session.execute(statement.with_for_update())).scalar_one_or_none()


async def change_endpoint(session: AsyncSession, endpoint_id: str, columns: Mapping[str, object]) -> None:
    """Write columns of an endpoint that is locked."""
    statement = update(Endpoint).where(Endpoint.id == endpoint_id)
    await session.execute(
        statement.values(**columns, updated_at=func.now()).execution_options(synchronize_session=False)
    )


async def disable(session: AsyncSession, endpoint: Endpoint, reason: DisabledReason) -> None:
    """Switch a locked endpoint off; what was pending becomes dead letters."""
    columns = {"status": EndpointStatus.DISABLED, "disabled_reason": reason, "disabled_at": func.now()}
    await change_endpoint(session, endpoint.id, columns)
    await _end_pending(session, endpoint, DeliveryStatus.EXHAUSTED, Failure.ENDPOINT_DISABLED)


async def enable(session: AsyncSession, endpoint: Endpoint) -> None:
    """Switch a locked endpoint on, with its failures forgotten."""
    columns = {"status": EndpointStatus.ENABLED, "disabled_reason": None, "disabled_at": None}
    await change_endpoint(session, endpoint.id, columns)
    await reset_lane(session, endpoint.id)


async def bury(session: AsyncSession, endpoint: Endpoint) -> None:
    """Delete a locked endpoint: its log stays, what was pending is void, its secrets are gone."""
    columns = {
        "deleted_at": func.now(),
        "sealed_secret": b"",
        "sealed_previous": None,
        "previous_until": None,
    }
    await change_endpoint(session, endpoint.id, columns)
    await _end_pending(session, endpoint, DeliveryStatus.CANCELED, Failure.ENDPOINT_DELETED)
    await reset_lane(session, endpoint.id)


async def reset_lane(session: AsyncSession, lane: str) -> None:
    """Close the breaker: somebody says that the receiver was mended."""
    await session.execute(delete(Lane).where(Lane.lane == lane))


async def find_subscribers(
    session: AsyncSession, environment_id: str, event_type: EventType, *, but: str
) -> list[str]:
    """Return the ids of the enabled endpoints, `but` one, that ask for this event."""
    statement = select(Endpoint.id).where(
        Endpoint.environment_id == environment_id,
        Endpoint.status == EndpointStatus.ENABLED,
        Endpoint.deleted_at.is_(None),
        Endpoint.events.contains([str(event_type)]),
        Endpoint.id != but,
    )
    return list((await session.execute(statement)).scalars())


async def add_delivery(
    session: AsyncSession, environment_id: str, delivery_id: str, **columns: object
) -> None:
    """Insert a delivery that is due now."""
    values = {"id": delivery_id, "environment_id": environment_id, **columns}
    await session.execute(insert(Delivery).values(**values))


async def find_deliveries(
    session: AsyncSession, environment_id: str, wanted: DeliveryFilter, limit: int, before: str | None
) -> list[Row[Any]]:
    """Return deliveries, newest first, older than the one with the id `before`."""
    conditions = {
        Delivery.endpoint_id: wanted.endpoint_id,
        Delivery.job_id: wanted.job_id,
        Delivery.status: wanted.status,
        Delivery.event_type: wanted.event_type,
    }
    statement = _deliveries(environment_id).where(
        *(column == value for column, value in conditions.items() if value is not None)
    )
    if wanted.created_after is not None:
        statement = statement.where(Delivery.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        statement = statement.where(Delivery.created_at < wanted.created_before)
    if before is not None:
        statement = statement.where(Delivery.id < before)
    return list((await session.execute(statement.order_by(Delivery.id.desc()).limit(limit))).all())


async def find_delivery(session: AsyncSession, environment_id: str, delivery_id: str) -> Row[Any] | None:
    """Return a delivery with its payload, or None."""
    statement = _deliveries(environment_id, Delivery.payload).where(Delivery.id == delivery_id)
    return (await session.execute(statement)).one_or_none()


async def find_attempts(session: AsyncSession, delivery_id: str) -> list[Attempt]:
    """Return the attempts of a delivery, first to last."""
    statement = select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.n)
    return list((await session.execute(statement)).scalars())


async def lock_delivery(session: AsyncSession, environment_id: str, delivery_id: str) -> Delivery | None:
    """Return a delivery that nobody else changes until the end of the transaction, or None."""
    statement = select(Delivery).where(Delivery.environment_id == environment_id, Delivery.id == delivery_id)
    return (await session.execute(statement.with_for_update())).scalar_one_or_none()


async def replace_delivery(session: AsyncSession, first: Delivery, delivery_id: str) -> None:
    """Write a new delivery of the same message, due now; a pending first one is void."""
    if first.status == DeliveryStatus.PENDING:
        void = {"status": DeliveryStatus.CANCELED, "last_error": Failure.REDELIVERED, "leased_until": None}
        statement = update(Delivery).where(Delivery.id == first.id).values(**void, ended_at=func.now())
        await session.execute(statement.execution_options(synchronize_session=False))
    await reset_lane(session, first.lane)
    await add_delivery(
        session,
        first.environment_id,
        delivery_id,
        lane=first.lane,
        endpoint_id=first.endpoint_id,
        job_id=first.job_id,
        message_id=first.message_id,
        event_type=first.event_type,
        sequence=first.sequence,
        url=first.url,
        sealed_secret=first.sealed_secret,
        payload=first.payload,
        redelivery_of=first.id,
    )


async def add_default_secret(session: AsyncSession, environment_id: str, sealed: bytes) -> None:
    """Insert the default secret of an environment, unless it has one."""
    statement = insert(DefaultSecret).values(environment_id=environment_id, sealed_secret=sealed)
    await session.execute(statement.on_conflict_do_nothing())


async def lock_default_secret(session: AsyncSession, environment_id: str) -> DefaultSecret | None:
    """Return the default secret's row, which nobody else changes until the end of the transaction."""
    statement = select(DefaultSecret).where(DefaultSecret.environment_id == environment_id)
    return (await session.execute(statement.with_for_update())).scalar_one_or_none()


async def find_default_secret(session: AsyncSession, environment_id: str) -> Any:
    """Return when the default secret was made and shown, and until when an older one signs too."""
    statement = select(
        DefaultSecret.created_at,
        DefaultSecret.shown_at,
        DefaultSecret.previous_until,
        (DefaultSecret.previous_until > func.now()).label("has_previous"),
    ).where(DefaultSecret.environment_id == environment_id)
    return (await session.execute(statement)).one_or_none()


async def change_default_secret(
    session: AsyncSession, environment_id: str, columns: Mapping[str, object]
) -> None:
    """Write columns of a default secret that is locked."""
    statement = update(DefaultSecret).where(DefaultSecret.environment_id == environment_id)
    await session.execute(statement.values(**columns).execution_options(synchronize_session=False))


async def database_time(session: AsyncSession, later: timedelta = timedelta(0)) -> datetime:
    """Return the database's time, or a moment that much later."""
    found: datetime = (await session.execute(select(func.now() + later))).scalar_one()
    return found


def _endpoints(environment_id: str) -> Any:
    return (
        select(*_ENDPOINT_COLUMNS)
        .outerjoin(Lane, Lane.lane == Endpoint.id)
        .where(Endpoint.environment_id == environment_id, Endpoint.deleted_at.is_(None))
    )


def _deliveries(environment_id: str, *more: Any) -> Any:
    return (
        select(*_DELIVERY_COLUMNS, *more)
        .outerjoin(Endpoint, Endpoint.id == Delivery.endpoint_id)
        .where(Delivery.environment_id == environment_id)
    )


async def _end_pending(
    session: AsyncSession, endpoint: Endpoint, status: DeliveryStatus, reason: Failure
) -> None:
    await session.execute(
        _END_PENDING,
        {
            "status": status,
            "reason": reason,
            "environment_id": endpoint.environment_id,
            "endpoint_id": endpoint.id,
        },
    )
