"""Switch off an endpoint that is gone or has failed for days, and tell the others."""

from __future__ import annotations

import structlog

from affidavit.infra import metrics
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.ids import new_id
from affidavit.webhooks import rendering, repository
from affidavit.webhooks.event import DisabledReason, EndpointStatus, EventType

log = structlog.get_logger()


async def disable(db: Database, environment_id: str, endpoint_id: str, reason: DisabledReason) -> bool:
    """Disable an endpoint and owe a notice to those that ask for one; False when it was off already."""
    async with db.begin(SYSTEM) as session:
        endpoint = await repository.lock_endpoint(session, environment_id, endpoint_id)
        if endpoint is None or endpoint.status != EndpointStatus.ENABLED:
            return False
        await repository.disable(session, endpoint, reason)
        at = await repository.database_time(session)
        payload = rendering.disabled_notice(endpoint_id, endpoint.url, reason, at)
        message_id = new_id("msg")
        told = await repository.find_subscribers(
            session, environment_id, EventType.ENDPOINT_DISABLED, but=endpoint_id
        )
        for other in told:
            await repository.add_delivery(
                session,
                environment_id,
                new_id("dlv"),
                lane=other,
                endpoint_id=other,
                message_id=message_id,
                event_type=EventType.ENDPOINT_DISABLED,
                payload=payload,
            )
    metrics.ENDPOINTS_DISABLED.labels(reason).inc()
    log.warning(
        "webhook.endpoint_disabled",
        environment_id=environment_id,
        endpoint_id=endpoint_id,
        reason=reason,
        told=len(told),
    )
    return True
