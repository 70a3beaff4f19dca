"""The use cases of jobs: submit, look, wait, cancel, and find the result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import select

from affidavit.errors import Conflict, Gone, NotFound
from affidavit.infra import metrics
from affidavit.infra.db import Database
from affidavit.infra.idempotency import Fingerprint
from affidavit.infra.ids import new_id
from affidavit.infra.queue import Doorbell
from affidavit.jobs import acceptance, artifacts, earlier, ending, repository, retry, stream
from affidavit.jobs.acceptance import Draft, Written
from affidavit.jobs.artifacts import ArtifactView
from affidavit.jobs.models import Job
from affidavit.jobs.pressure import Pressure
from affidavit.jobs.retry import Plan
from affidavit.jobs.source import Sealer, url_source
from affidavit.jobs.status import TERMINAL, JobKind, JobStatus
from affidavit.jobs.stream import News
from affidavit.jobs.submission import JobPolicy, JobRef, Priority, Submission, UrlRef, WebhookRef
from affidavit.jobs.views import (
    Accepted,
    JobFilter,
    JobPage,
    JobView,
    QueueHealth,
    StoredResult,
    queued_hint_ms,
    refuse_gone,
)
from affidavit.jobs.watch import Watch
from affidavit.webhooks.leasing import own_secret_owner

NOT_READY = "The result is not ready. Ask again after retry_after_ms of the job."
IN_REVIEW = "The result waits for a review. It can be read after the approval."
FAILED = "The job failed, so there is no result. Its error says why and what to do."
CANCELED = "The job was canceled, so there is no result. Submit it again."


class Jobs:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(
        self,
        db: Database,
        doorbell: Doorbell,
        sealer: Sealer,
        policy: JobPolicy,
        pressure: Pressure | None = None,
    ) -> None:
        self._db = db
        self._doorbell = doorbell
        self._sealer = sealer
        self._policy = policy
        self._pressure = pressure
        self._watch = Watch(db, policy.poll_interval)

    def drain(self) -> None:
        """Send away whoever waits for a job or follows one: the process is about to stop."""
        self._watch.drain()

    async def close(self) -> None:
        """Stop waiting for jobs."""
        await self._watch.close()

    async def submit(
        self, environment_id: str, submission: Submission, key: Fingerprint | None = None
    ) -> Accepted:
        """Write a job and ring. Raises what `earlier.resolve` and `acceptance.write` raise."""
        try:
            (resolved,) = await self._resolved(environment_id, [submission])
        except (NotFound, Gone):
            replayed = await self._find_first(environment_id, key)
            if replayed is None:
                raise
            return replayed
        return await self._accept_named(environment_id, self._draft(resolved), [submission], key)

    async def submit_batch(
        self,
        environment_id: str,
        items: Sequence[Submission],
        metadata: Mapping[str, str],
        priority: Priority = Priority.NORMAL,
        key: Fingerprint | None = None,
        webhook: WebhookRef | None = None,
    ) -> Accepted:
        """Write a parent and one job per item, all or none, and ring."""
        parent_id = new_id("job")
        try:
            resolved = await self._resolved(environment_id, items)
        except (NotFound, Gone):
            replayed = await self._find_first(environment_id, key)
            if replayed is None:
                raise
            return replayed
        children = [self._draft(item, parent_id, position) for position, item in enumerate(resolved)]
        draft = acceptance.draft_batch(parent_id, children, dict(metadata), priority)
        draft.jobs[0] |= self._webhook_columns(parent_id, webhook)
        return await self._accept_named(environment_id, draft, items, key)

    async def retry(
        self, environment_id: str, job_id: str, password: str | None, key: Fingerprint | None = None
    ) -> Accepted:
        """Submit again what ended without all that was asked for; of a batch, the items that did.

        Raises what `retry.plan` raises, and what `acceptance.write` raises.
        """
        plan = await retry.plan(self._db, self._sealer, environment_id, job_id, password)
        try:
            return await self._accept(environment_id, self._draft_retry(job_id, plan), key)
        except NotFound:  # it was deleted between our look and our write
            raise earlier.source_gone() from None

    async def get(self, environment_id: str, job_id: str) -> JobView:
        """Return a job. Raises NotFound."""
        found = await repository.find_view(self._db, environment_id, job_id)
        if found is None:
            raise NotFound("job")
        return self._hinted(environment_id, found)

    async def list(
        self, environment_id: str, wanted: JobFilter, limit: int, cursor: str | None = None
    ) -> JobPage:
        """Return jobs, newest first. Raises RequestInvalid for a cursor that is not ours."""
        page = await repository.find_page(self._db, environment_id, wanted, limit, cursor)
        return replace(page, items=[self._hinted(environment_id, item) for item in page.items])

    async def wait(self, environment_id: str, job_id: str, seconds: float) -> JobView:
        """Return the job once it has settled, or as it is after so many seconds."""
        found = await self.get(environment_id, job_id)
        if found.status in TERMINAL or found.status is JobStatus.REVIEW_REQUIRED:
            return found
        await self._watch.settled(job_id, seconds)
        return await self.get(environment_id, job_id)

    def follow(self, environment_id: str, job_id: str, after: int) -> AsyncIterator[News]:
        """Yield what happens to a job that is there, from its transition after that number on."""
        return stream.follow(self._db, self._watch, environment_id, job_id, after)

    async def cancel(self, environment_id: str, job_id: str) -> JobView:
        """Cancel a job, or a batch with all its unfinished items.

        Its worker learns of it at the next heartbeat and kills the child. Raises NotFound, and
        Conflict JOB_FINISHED when it has ended already.
        """
        found = await self.get(environment_id, job_id)
        if found.status is JobStatus.CANCELED:
            return found
        if not await self._cancel(environment_id, found):
            raise Conflict("The job has ended already and cannot be canceled.", code="JOB_FINISHED")
        return await self.get(environment_id, job_id)

    async def artifacts(self, environment_id: str, job_id: str) -> Sequence[dict[str, Any]]:
        """Return what is known of the files that a job made. Raises what `result` raises."""
        await self.result(environment_id, job_id)
        return (await self.get(environment_id, job_id)).artifacts

    async def artifact(self, environment_id: str, job_id: str, name: str) -> ArtifactView:
        """Return one of them. Raises NotFound, and what `result` raises."""
        await self.result(environment_id, job_id)
        found = await artifacts.find(self._db, environment_id, job_id, name)
        if found is None:
            raise NotFound("artifact")
        return found

    async def result(self, environment_id: str, job_id: str) -> StoredResult:
        """Say where the result is.

        Raises NotFound, Conflict with the reason, Gone RESULT_DELETED or RESULT_EXPIRED.
        """
        row = await repository.find(self._db, environment_id, job_id)
        if row is None:
            raise NotFound("job")
        _refuse_unready(row)
        refuse_gone(is_deleted=row["deleted_by"] is not None, is_available=repository.is_available(row))
        return StoredResult(row["result_sha256"], row["result_size_bytes"], row["store"])

    async def result_read(self, environment_id: str, job_id: str) -> None:
        """Note a complete read: the result of a job with store=false is erased now."""
        async with self._db.begin(environment_id) as session:
            mine = select(Job.id).where(
                Job.id == job_id,
                Job.environment_id == environment_id,
                Job.store.is_(False),
                Job.purged_at.is_(None),
            )
            if (await session.execute(mine.with_for_update())).first() is not None:
                await ending.purge_result(session, environment_id, job_id, grace=timedelta(0))

    async def queue_health(self) -> QueueHealth:
        """Say how the queue stands, for /readyz and for the hints."""
        queued, oldest = await repository.count_queue(self._db)
        return QueueHealth(queued, oldest, await self._doorbell.is_up())

    def _draft_retry(self, job_id: str, plan: Plan) -> Draft:
        if plan.kind is JobKind.JOB:
            return self._draft(plan.items[0].submission, retry_of=job_id)
        parent_id = new_id("job")
        children = [
            self._draft(item.submission, parent_id, position, retry_of=item.job_id)
            for position, item in enumerate(plan.items)
        ]
        draft = acceptance.draft_batch(parent_id, children, plan.metadata, plan.priority, retry_of=job_id)
        draft.jobs[0] |= self._webhook_columns(parent_id, plan.webhook)
        return draft

    def _draft(
        self,
        submission: Submission,
        parent_id: str | None = None,
        position: int | None = None,
        *,
        retry_of: str | None = None,
    ) -> Draft:
        job_id = new_id("job")
        password = submission.options.password
        sealed = None if password is None else self._sealer.seal(password.encode(), job_id)
        draft = acceptance.draft_job(
            submission,
            sealed_password=sealed,
            deadline=self._policy.deadline_base,
            job_id=job_id,
            parent_id=parent_id,
            position=position,
            retry_of=retry_of,
        )
        draft.jobs[0] |= self._webhook_columns(job_id, submission.webhook)
        if isinstance(submission.source, UrlRef):
            draft.jobs[0]["source"] = url_source(submission.source.url, self._sealer, job_id)
        return draft

    def _webhook_columns(self, job_id: str, webhook: WebhookRef | None) -> dict[str, str]:
        """Return the columns of a job that say who is told of its end; its own secret is sealed."""
        if webhook is None:
            return {}
        if webhook.secret is None:
            return {"webhook_url": webhook.url}
        sealed = self._sealer.seal(webhook.secret.encode(), own_secret_owner(job_id))
        return {"webhook_url": webhook.url, "sealed_webhook_secret": "\\x" + sealed.hex()}

    async def _resolved(self, environment_id: str, items: Sequence[Submission]) -> Sequence[Submission]:
        """Return the submissions with the documents of the earlier jobs that they name."""
        return [await earlier.resolve(self._db, environment_id, item) for item in items]

    async def _find_first(self, environment_id: str, key: Fingerprint | None) -> Accepted | None:
        """Return the job that the same key had made before its source went, or None."""
        first = None if key is None else await acceptance.find_first(self._db, environment_id, key)
        return None if first is None else Accepted(await self.get(environment_id, first), replayed=True)

    async def _accept_named(
        self, environment_id: str, draft: Draft, items: Sequence[Submission], key: Fingerprint | None
    ) -> Accepted:
        try:
            return await self._accept(environment_id, draft, key)
        except NotFound:
            if all(isinstance(item.source, JobRef) for item in items):
                raise earlier.source_gone() from None  # deleted between our look and our write
            raise

    async def _accept(self, environment_id: str, draft: Draft, key: Fingerprint | None) -> Accepted:
        written = await self._write(environment_id, draft, key)
        if written.at is None:
            return Accepted(await self.get(environment_id, written.job_id), replayed=True)
        metrics.JOBS_ACCEPTED.inc(len(draft.tasks))
        # The attempt is 0 and the ring the first: an id that no later ring of the task has.
        self._doorbell.ring(f"{draft.tasks[0]['id']}.0.0")
        if draft.jobs[0]["kind"] == JobKind.BATCH:
            return Accepted(await self.get(environment_id, written.job_id), replayed=False)
        view = repository.queued_view(draft.jobs[0], written.at)
        return Accepted(self._hinted(environment_id, view), replayed=False)

    async def _write(self, environment_id: str, draft: Draft, key: Fingerprint | None) -> Written:
        """Write what there is room for. Raises what `Pressure.admitted` raises."""
        ttl = self._policy.idempotency_ttl
        if self._pressure is None:
            return await acceptance.write(self._db, environment_id, draft, key, ttl)
        pages = self._pressure.estimate(draft.documents, draft.jobs)
        with self._pressure.admitted(environment_id, pages):
            return await acceptance.write(self._db, environment_id, draft, key, ttl)

    def _hinted(self, environment_id: str, view: JobView) -> JobView:
        """Return a waiting job with a hint by how fast its environment is served, where that is known."""
        if self._pressure is None or view.status is not JobStatus.QUEUED:
            return view
        seconds = self._pressure.wait_seconds(environment_id, view.queue_position)
        return view if seconds is None else replace(view, retry_after_ms=queued_hint_ms(seconds))

    async def _cancel(self, environment_id: str, found: JobView) -> bool:
        async with self._db.begin(environment_id) as session:
            if found.kind is JobKind.BATCH:
                return await ending.cancel_batch(session, found.id)
            return await ending.end(session, found.id, JobStatus.CANCELED) is not None


def _refuse_unready(row: asyncpg.Record) -> None:
    match JobStatus(row["status"]):
        case JobStatus.QUEUED | JobStatus.PROCESSING:
            raise Conflict(NOT_READY, code="RESULT_NOT_READY", retry_after=1)
        case JobStatus.REVIEW_REQUIRED:
            raise Conflict(IN_REVIEW, code="REVIEW_REQUIRED")
        case JobStatus.FAILED:
            raise Conflict(FAILED, code="JOB_FAILED")
        case JobStatus.CANCELED:
            raise Conflict(CANCELED, code="JOB_CANCELED")
        case JobStatus.COMPLETED:
            if row["kind"] == JobKind.BATCH:
                raise Conflict(
                    "A batch has no result of its own. List its jobs with parent_id and read theirs.",
                    code="BATCH_HAS_NO_RESULT",
                )
