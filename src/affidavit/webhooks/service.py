"""The use cases of webhooks: endpoints, their secrets, and the log of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.errors import Conflict, NotFound
from affidavit.infra.db import Database
from affidavit.infra.idempotency import Fingerprint
from affidavit.infra.ids import is_id, new_id
from affidavit.webhooks import rendering, repository
from affidavit.webhooks.default_secret import DefaultSecrets
from affidavit.webhooks.event import TEST_EVENT, DisabledReason, EndpointStatus, EventType
from affidavit.webhooks.models import Endpoint
from affidavit.webhooks.paging import parse_cursor, render_cursor
from affidavit.webhooks.secret import Sealer, claim_turn, rotated
from affidavit.webhooks.signing import new_secret
from affidavit.webhooks.views import DeliveryFilter, DeliveryView, EndpointView, Made, Page

Listed = TypeVar("Listed", EndpointView, DeliveryView)

LIMIT_REACHED: Final = "This environment has the {most} endpoints that are allowed. Delete one first."
DISABLED: Final = "The endpoint is disabled, so nothing is sent to it. Enable it first."


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """What the installation grants: endpoints of one environment, and the life of an Idempotency-Key."""

    max_endpoints: int
    idempotency_ttl: timedelta


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of an endpoint; None leaves it."""

    url: str | None = None
    description: str | None = None
    events: Sequence[EventType] | None = None
    status: EndpointStatus | None = None


class Webhooks:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(self, db: Database, sealer: Sealer, policy: WebhookPolicy) -> None:
        self._db = db
        self._sealer = sealer
        self._policy = policy
        self.default_secrets = DefaultSecrets(db, sealer, policy.idempotency_ttl)

    async def create(
        self,
        environment_id: str,
        url: str,
        description: str,
        events: Sequence[EventType],
        key: Fingerprint | None = None,
    ) -> Made[EndpointView]:
        """Make an endpoint with a secret of its own, shown this once.

        Raises Conflict WEBHOOK_LIMIT, and what `claim` raises.
        """
        endpoint_id, secret = new_id("wh"), new_secret()
        async with self._db.begin(environment_id) as session:
            answer = await self._claim(session, environment_id, key, endpoint_id)
            if answer == endpoint_id:
                await self._refuse_too_many(session, environment_id)
                await repository.add_endpoint(
                    session,
                    environment_id,
                    endpoint_id,
                    url=url,
                    description=description,
                    events=_listed(events),
                    sealed_secret=self._sealer.seal(secret.encode(), endpoint_id),
                )
            view = await _view(session, environment_id, answer)
        replayed = answer != endpoint_id
        return Made(view, None if replayed else secret, replayed)

    async def get(self, environment_id: str, endpoint_id: str) -> EndpointView:
        """Return an endpoint. Raises NotFound."""
        async with self._db.begin(environment_id) as session:
            return await _view(session, environment_id, endpoint_id)

    async def list(self, environment_id: str, limit: int, cursor: str | None) -> Page[EndpointView]:
        """Return endpoints, newest first. Raises RequestInvalid for a cursor that is not ours."""
        before = parse_cursor(cursor, "wh")
        async with self._db.begin(environment_id) as session:
            rows = await repository.find_endpoints(session, environment_id, limit + 1, before)
        return _page([rendering.endpoint_view(row) for row in rows[:limit]], is_last=len(rows) <= limit)

    async def change(self, environment_id: str, endpoint_id: str, change: Change) -> EndpointView:
        """Change an endpoint. A new URL, or enabling it, forgets its failures. Raises NotFound."""
        async with self._db.begin(environment_id) as session:
            endpoint = await _locked(session, environment_id, endpoint_id)
            await _write_change(session, endpoint, change)
            return await _view(session, environment_id, endpoint_id)

    async def delete(self, environment_id: str, endpoint_id: str) -> None:
        """Delete an endpoint; its log stays, what is pending is canceled. Raises NotFound."""
        async with self._db.begin(environment_id) as session:
            await repository.bury(session, await _locked(session, environment_id, endpoint_id))

    async def rotate_secret(
        self, environment_id: str, endpoint_id: str, overlap: timedelta, key: Fingerprint | None = None
    ) -> Made[EndpointView]:
        """Give an endpoint a new secret; the old one signs too until the overlap ends.

        Of a rotation before, whose overlap has not ended, the older secret is forgotten now.
        """
        secret, turn = new_secret(), new_id("rot")
        async with self._db.begin(environment_id) as session:
            endpoint = await _locked(session, environment_id, endpoint_id)
            replayed = await self._claim(session, environment_id, key, turn) != turn
            if not replayed:
                sealed = self._sealer.seal(secret.encode(), endpoint_id)
                columns = await rotated(session, sealed, endpoint.sealed_secret, overlap)
                await repository.change_endpoint(session, endpoint_id, columns)
            view = await _view(session, environment_id, endpoint_id)
        return Made(view, None if replayed else secret, replayed)

    async def send_test(
        self, environment_id: str, endpoint_id: str, key: Fingerprint | None = None
    ) -> Made[DeliveryView]:
        """Owe the endpoint a test event, sent as any other. Raises NotFound; Conflict WEBHOOK_DISABLED."""
        async with self._db.begin(environment_id) as session:
            endpoint = await _locked(session, environment_id, endpoint_id)
            _refuse_disabled(endpoint)
            turn = new_id("dlv")
            answer = await self._claim(session, environment_id, key, turn)
            if answer == turn:
                now = await repository.database_time(session)
                await repository.reset_lane(session, endpoint_id)
                await repository.add_delivery(
                    session,
                    environment_id,
                    turn,
                    lane=endpoint_id,
                    endpoint_id=endpoint_id,
                    message_id=new_id("msg"),
                    event_type=TEST_EVENT,
                    payload=rendering.message(TEST_EVENT, now, {"endpoint_id": endpoint_id}),
                )
            return Made(await _delivery(session, environment_id, answer, None), None, answer != turn)

    async def deliveries(
        self, environment_id: str, wanted: DeliveryFilter, limit: int, cursor: str | None
    ) -> Page[DeliveryView]:
        """Return deliveries, newest first. Raises RequestInvalid for a cursor that is not ours."""
        before = parse_cursor(cursor, "dlv")
        async with self._db.begin(environment_id) as session:
            rows = await repository.find_deliveries(session, environment_id, wanted, limit + 1, before)
        return _page([rendering.delivery_view(row) for row in rows[:limit]], is_last=len(rows) <= limit)

    async def delivery(
        self, environment_id: str, delivery_id: str, endpoint_id: str | None = None
    ) -> DeliveryView:
        """Return a delivery with its payload and its attempts. Raises NotFound."""
        async with self._db.begin(environment_id) as session:
            return await _delivery(session, environment_id, delivery_id, endpoint_id)

    async def redeliver(
        self,
        environment_id: str,
        delivery_id: str,
        endpoint_id: str | None = None,
        key: Fingerprint | None = None,
    ) -> Made[DeliveryView]:
        """Send the same message again, under the same id, as a new delivery that is due now.

        Raises NotFound; Conflict WEBHOOK_DISABLED when its endpoint is switched off or deleted.
        """
        async with self._db.begin(environment_id) as session:
            first = await _delivery(session, environment_id, delivery_id, endpoint_id)
            if first.endpoint_id is not None:
                found = await repository.lock_endpoint(session, environment_id, first.endpoint_id)
                if found is None:
                    raise Conflict(
                        "The endpoint was deleted, so nothing is sent to it.", code="WEBHOOK_DISABLED"
                    )
                _refuse_disabled(found)
            turn = new_id("dlv")
            answer = await self._claim(session, environment_id, key, turn)
            if answer == turn:
                locked = await repository.lock_delivery(session, environment_id, delivery_id)
                if locked is None:
                    raise NotFound("delivery")
                await repository.replace_delivery(session, locked, turn)
            return Made(await _delivery(session, environment_id, answer, None), None, answer != turn)

    async def _claim(
        self, session: AsyncSession, environment_id: str, key: Fingerprint | None, turn: str
    ) -> str:
        return await claim_turn(session, environment_id, key, turn, self._policy.idempotency_ttl)

    async def _refuse_too_many(self, session: AsyncSession, environment_id: str) -> None:
        most = self._policy.max_endpoints
        if await repository.count_endpoints(session, environment_id) >= most:
            raise Conflict(LIMIT_REACHED.format(most=most), code="WEBHOOK_LIMIT")


async def _write_change(session: AsyncSession, endpoint: Endpoint, change: Change) -> None:
    columns: dict[str, object] = {}
    if change.url is not None:
        columns["url"] = change.url
        await repository.reset_lane(session, endpoint.id)
    if change.description is not None:
        columns["description"] = change.description
    if change.events is not None:
        columns["events"] = _listed(change.events)
    if columns:
        await repository.change_endpoint(session, endpoint.id, columns)
    match change.status:
        case EndpointStatus.ENABLED if endpoint.status != EndpointStatus.ENABLED:
            await repository.enable(session, endpoint)
        case EndpointStatus.DISABLED if endpoint.status != EndpointStatus.DISABLED:
            await repository.disable(session, endpoint, DisabledReason.REQUEST)


async def _view(session: AsyncSession, environment_id: str, endpoint_id: str) -> EndpointView:
    _check_id(endpoint_id, "wh", "webhook endpoint")
    row = await repository.find_endpoint(session, environment_id, endpoint_id)
    if row is None:
        raise NotFound("webhook endpoint")
    return rendering.endpoint_view(row)


async def _locked(session: AsyncSession, environment_id: str, endpoint_id: str) -> Endpoint:
    _check_id(endpoint_id, "wh", "webhook endpoint")
    found = await repository.lock_endpoint(session, environment_id, endpoint_id)
    if found is None:
        raise NotFound("webhook endpoint")
    return found


async def _delivery(
    session: AsyncSession, environment_id: str, delivery_id: str, endpoint_id: str | None
) -> DeliveryView:
    _check_id(delivery_id, "dlv", "delivery")
    row: Row[Any] | None = await repository.find_delivery(session, environment_id, delivery_id)
    if row is None or endpoint_id not in (None, row.endpoint_id):
        raise NotFound("delivery")
    return rendering.delivery_view(row, await repository.find_attempts(session, delivery_id))


def _page(items: Sequence[Listed], *, is_last: bool) -> Page[Listed]:
    return Page(tuple(items), None if is_last else render_cursor(items[-1].id))


def _check_id(text: str, prefix: str, what: str) -> None:
    if not is_id(text, prefix):
        raise NotFound(what)


def _refuse_disabled(endpoint: Endpoint) -> None:
    if endpoint.status != EndpointStatus.ENABLED:
        raise Conflict(DISABLED, code="WEBHOOK_DISABLED")


def _listed(events: Sequence[EventType]) -> list[str]:
    return sorted({str(event) for event in events})
