"""What tests of webhooks share: a receiver, jobs that move by hand, and senders."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from affidavit.engine.spec import Operation
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.queue import Doorbell
from affidavit.infra.secrets import Vault
from affidavit.jobs import ending
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from affidavit.jobs.submission import JobPolicy, Submission, Upload
from affidavit.jobs.transitions import move
from affidavit.webhooks.event import ENDS, EventType
from affidavit.webhooks.leasing import Limits
from affidavit.webhooks.schedule import Schedule
from affidavit.webhooks.sending import Sender, SendPolicy
from affidavit.webhooks.service import WebhookPolicy, Webhooks
from affidavit.webhooks.views import DeliveryFilter, DeliveryView, EndpointView
from tests.api.conftest import database_url, module_database_url  # noqa: F401 - fixtures
from tests.webhooks.receiver import Receiver, receiving

ENV = "env_one"
OTHER = "env_two"
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
# The schedule of production at a millionth: 75 hours in a quarter of a second.
SCALE = 1e-6
POLICY = SendPolicy(
    targets=FetchPolicy(
        max_bytes=16 * 1024, allow_http=True, allowed_networks=(LOOPBACK,), read_seconds=5, total_seconds=5
    ),
    schedule=Schedule(scale=SCALE),
    limits=Limits(breaker_pause=timedelta(0), breaker_max_pause=timedelta(0)),
)
TTL = timedelta(days=30)


async def loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


@dataclass
class Desk:
    """One environment's webhooks, and the hand that moves its jobs."""

    db: Database
    vault: Vault
    jobs: Jobs
    webhooks: Webhooks
    environment_id: str = ENV
    secrets: dict[str, str] = field(default_factory=dict)

    async def endpoint(self, url: str, *events: EventType) -> EndpointView:
        made = await self.webhooks.create(self.environment_id, url, "", events or ENDS)
        assert made.secret is not None
        self.secrets[made.view.id] = made.secret
        return made.view

    async def job(self, **changes: Any) -> str:
        upload = Upload(sha256="a" * 64, size_bytes=10, media_type="application/pdf", filename="a.pdf")
        submission = Submission(**{"operation": Operation.PARSE, "source": upload, **changes})
        return (await self.jobs.submit(self.environment_id, submission)).job.id

    async def move(self, job_id: str, to: JobStatus, **columns: Any) -> None:
        async with self.db.begin(SYSTEM) as session:
            if to in (JobStatus.PROCESSING, JobStatus.REVIEW_REQUIRED):
                assert await move(session, job_id, to, **columns) is not None
            else:
                assert await ending.end(session, job_id, to, **columns) is not None

    async def completed_job(self, **changes: Any) -> str:
        job_id = await self.job(**changes)
        await self.move(job_id, JobStatus.PROCESSING)
        await self.move(job_id, JobStatus.COMPLETED, result_sha256="b" * 64)
        return job_id

    async def deliveries(self, **wanted: Any) -> list[DeliveryView]:
        """Return the deliveries, oldest first."""
        page = await self.webhooks.deliveries(self.environment_id, DeliveryFilter(**wanted), 100, None)
        return list(reversed(page.items))

    async def delivery(self, delivery_id: str) -> DeliveryView:
        return await self.webhooks.delivery(self.environment_id, delivery_id)

    def sender(
        self, policy: SendPolicy = POLICY, *, resolver: Any = loopback, tls: ssl.SSLContext | None = None
    ) -> Sender:
        return Sender(self.db, self.vault, policy, resolver=resolver, tls=tls)

    async def send_all(self, sender: Sender | None = None) -> None:
        """Send until nothing of this environment is pending."""
        sender = sender or self.sender()
        async with asyncio.timeout(60):
            while any(each.status == "pending" for each in await self.deliveries()):
                await sender.send_due()


def hurried(**changes: Any) -> SendPolicy:
    """Return the policy with other limits of its targets."""
    return replace(POLICY, targets=replace(POLICY.targets, **changes))


@pytest.fixture
async def doorbell(redis_url: str) -> AsyncIterator[Doorbell]:
    bell = Doorbell(redis_url)
    yield bell
    await bell.close()


@pytest.fixture
async def desk(db: Database, doorbell: Doorbell) -> AsyncIterator[Desk]:
    vault = Vault("a-secret-key-for-tests-of-webhooks-0123456789")
    policy = JobPolicy(timedelta(hours=1), timedelta(seconds=30), TTL)
    jobs = Jobs(db, doorbell, vault, policy)
    yield Desk(db, vault, jobs, Webhooks(db, vault, WebhookPolicy(100, TTL)))
    await jobs.close()


@pytest.fixture
def other(desk: Desk) -> Desk:
    """Return the same installation as another environment sees it."""
    return replace(desk, environment_id=OTHER, secrets={})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running
