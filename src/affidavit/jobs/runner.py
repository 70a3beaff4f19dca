"""Keep a claimed task alive while it is worked on, and stop the work when the task is lost."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import structlog

from affidavit.infra import context, metrics, tracing
from affidavit.infra.db import is_unavailable
from affidavit.jobs import execution, verdict
from affidavit.jobs.claim import Beat, Claim, Fenced
from affidavit.jobs.steps import Steps, Workshop, commit
from affidavit.jobs.verdict import Verdict
from affidavit.jobs.workspace import open_workspace

__all__ = ["Runner", "Workshop"]

log = structlog.get_logger()

# A child ends within milliseconds of being killed; this share of a beat is left for it before the lease
# ends and another worker may have the task.
MARGIN_BEATS: Final = 1.0


class _Returned(Exception):
    """The task was given back, because the database went away while it ran."""


class Runner:
    """Runs claims. Whatever happens to one, `run` returns and the others go on."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    async def run(self, held: Claim) -> None:
        """Work on a claimed task until it is committed, given back or lost.

        Cancelling gives the task back without spending any of its budgets.
        """
        ids = {"environment_id": held.environment_id, "request_id": held.request_id, "attempt": held.attempt}
        with (
            context.bound(**_ids(held), **ids),
            tracing.span(
                f"task {held.kind}", kind="CONSUMER", parent=held.traceparent, **_ids(held), **ids
            ) as span,
            metrics.working(held.kind) as work,
        ):
            if held.is_first:
                metrics.WAIT_SECONDS.observe(held.age_seconds)
            work.outcome = await self._run(held)
            span.set("affidavit.outcome", work.outcome)

    async def _run(self, held: Claim) -> str:
        """Return how it went, for whoever counts."""
        work = asyncio.create_task(self._work(held))
        beat = asyncio.create_task(self._beat(held))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await _stop(work)
                log.info("task.stopped", **_ids(held), why=beat.result().name)
                if beat.result() is Beat.ENDED:
                    await execution.abandon(self._shop.db, held)
            return beat.result().name.lower() if work.cancelled() else work.result()
        except asyncio.CancelledError:
            await _stop(work)
            await execution.release(self._shop.db, held)
            log.info("task.released", **_ids(held))
            raise
        except Exception as error:
            log.exception("task.lost", **_ids(held), error=type(error).__name__)
            return "broken"
        finally:
            await _stop(beat)

    async def _beat(self, held: Claim) -> Beat:
        """Renew the lease until it is lost. Returns before it could end unnoticed.

        When the database is away, our own clock decides: the child is dead before another worker
        can have the task.
        """
        lease, pause = self._shop.policy.lease, self._shop.policy.heartbeat.total_seconds()
        unsafe = lease.total_seconds() - MARGIN_BEATS * pause
        renewed = held.asked_at
        while True:
            await asyncio.sleep(min(pause, renewed + unsafe - time.monotonic()))
            asked = time.monotonic()
            left = renewed + unsafe - asked
            if left <= 0:
                return Beat.LOST
            try:
                async with asyncio.timeout(min(pause, left)):
                    beat = await execution.heartbeat(self._shop.db, held, lease)
            except Exception as error:  # noqa: BLE001 - any failure to renew is the same to us
                metrics.HEARTBEATS_FAILED.inc()
                log.warning("heartbeat.failed", **_ids(held), error=type(error).__name__)
                continue
            if beat is not Beat.HELD:
                return beat
            renewed = asked

    async def _work(self, held: Claim) -> str:
        log.info("task.started", **_ids(held), kind=held.kind, attempt=held.attempt)
        try:
            failure = await self._attempt(held)
            return "done" if failure is None else await self._fail(held, failure)
        except _Returned:
            return "returned"
        except Fenced:
            metrics.FENCES.inc()
            log.info("task.fenced", **_ids(held), attempt=held.attempt)
            return "fenced"

    async def _attempt(self, held: Claim) -> Verdict | None:
        """Do the task; return why it failed, if it did.

        A database that went away is nobody's failure: the task is given back when it returns.
        """
        try:
            async with open_workspace(self._shop.scratch, f"{held.task_id}-{held.attempt}") as workspace:
                return await Steps(self._shop, held, workspace).take()
        except Fenced:
            raise
        except Exception as error:
            if is_unavailable(error):
                await commit(self._shop.db, held, lambda: execution.release(self._shop.db, held))
                log.warning("task.returned", **_ids(held), error=type(error).__name__)
                raise _Returned from None
            found = verdict.of_exception(error)
            if found.error is verdict.INTERNAL:
                log.exception("task.failed", **_ids(held), error=type(error).__name__)
            return found

    async def _fail(self, held: Claim, found: Verdict) -> str:
        over = False

        async def write() -> None:
            nonlocal over
            over = await execution.fail(
                self._shop.db, held, found.error, self._shop.policy, tries=found.tries
            )

        await commit(self._shop.db, held, write)
        metrics.FAILURES.labels(metrics.code_label(found.error.code)).inc()
        event = "job.failed" if over else "task.retried"
        log.info(event, **_ids(held), code=found.error.code, attempt=held.attempt)
        return "failed" if over else "retried"


async def _stop(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _ids(held: Claim) -> dict[str, Any]:
    return {"job_id": held.job_id, "task_id": held.task_id}
