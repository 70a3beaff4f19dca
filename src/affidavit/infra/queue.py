"""The doorbell: arq on Redis carries "there may be work", and nothing that matters.

Any ring may be lost, doubled, late or forged. Whoever hears one looks into Postgres; whoever
hears none looks there anyway, a little later.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Worker, func
from redis.exceptions import RedisError

from affidavit.infra import metrics

log = structlog.get_logger()

QUEUE_NAME: Final = "affidavit:bell"
RUN_JOB: Final = "run_job"
POLL_DELAY_SECONDS: Final = 0.02  # arq's own default of 0.5 s would be most of an idle job's latency
COALESCE_SECONDS: Final = 0.002  # one ring serves every submission of the same moment
# A ring costs a submitter about as much CPU as the rest of the submission. The first one goes out at
# once; those that follow within this wait for it, and the listener polls less often than this anyway.
SPACING_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1.0
STEADY_SECONDS: Final = 10.0  # a connection that held for so long was there, whatever ended it
CONNECT_TIMEOUT_SECONDS: Final = 2
GONE: Final = (RedisError, OSError, asyncio.TimeoutError)


class Doorbell:
    """Ring and listen. Ringing never waits and never fails; listening survives Redis's absence."""

    def __init__(self, redis_url: str) -> None:
        self._settings = RedisSettings.from_dsn(redis_url)
        self._settings.conn_timeout = CONNECT_TIMEOUT_SECONDS
        self._settings.conn_retries = 0
        self._redis: ArqRedis | None = None
        self._hint: str | None = None
        self._ringing: asyncio.Task[None] | None = None

    def ring(self, hint: str) -> None:
        """Ring soon, best effort. Rings of the same moment become one; `hint` is never reused."""
        self._hint = hint
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring_soon())

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` at every ring, until cancelled; when Redis goes away, wait for it to return."""
        is_lost = False
        while True:
            worker = self._worker(wake)
            began = time.monotonic()
            try:
                await worker.async_run()
            except Exception as error:  # noqa: BLE001 - nothing in Redis may end this for good
                # Said once, not at every try to come back.
                if not is_lost or time.monotonic() - began > STEADY_SECONDS:
                    log.warning("bell.lost", error=type(error).__name__)
                is_lost = True
            finally:
                await _close(worker)
            await asyncio.sleep(RETRY_SECONDS)

    async def is_up(self) -> bool:
        """Tell whether Redis answers now."""
        try:
            await asyncio.wait_for((await self._connected()).ping(), CONNECT_TIMEOUT_SECONDS)
        except GONE:
            return False
        return True

    async def close(self) -> None:
        """Let the last ring go out, then disconnect."""
        if self._ringing is not None:
            await asyncio.wait([self._ringing], timeout=CONNECT_TIMEOUT_SECONDS)
        if self._redis is not None:
            await self._redis.aclose()

    async def _ring_soon(self) -> None:
        await asyncio.sleep(COALESCE_SECONDS)
        while self._hint is not None:
            hint, self._hint = self._hint, None
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):  # a stopped Redis answers nothing
                    redis = await self._connected()
                    await redis.enqueue_job(RUN_JOB, hint, _job_id=hint, _queue_name=QUEUE_NAME)
            except GONE as error:
                metrics.RINGS.labels("lost").inc()
                log.warning("bell.unrung", error=type(error).__name__)
                return
            metrics.RINGS.labels("rung").inc()
            await asyncio.sleep(SPACING_SECONDS)

    async def _connected(self) -> ArqRedis:
        if self._redis is None:
            self._redis = await create_pool(
                self._settings,
                job_serializer=_serialize,
                job_deserializer=json.loads,
                default_queue_name=QUEUE_NAME,
            )
        return self._redis

    def _worker(self, wake: Callable[[], None]) -> Worker:
        async def run_job(ctx: dict[Any, Any], *_hints: Any, **_named: Any) -> None:  # noqa: ARG001 - so named by arq
            wake()

        return Worker(
            # Retries are ours, in the row; a kept result would swallow a later ring of the same id.
            functions=[func(run_job, name=RUN_JOB, keep_result=0, max_tries=1, timeout=10)],
            queue_name=QUEUE_NAME,
            redis_settings=self._settings,
            handle_signals=False,
            poll_delay=POLL_DELAY_SECONDS,
            keep_result=0,
            max_tries=1,
            max_jobs=64,
            log_results=False,
            health_check_interval=10,
            job_serializer=_serialize,
            job_deserializer=json.loads,
        )


async def _close(worker: Worker) -> None:
    with suppress(Exception):  # it says goodbye to a Redis that may be away
        await worker.close()


def _serialize(value: object) -> bytes:
    # JSON, never pickle: whoever can write to Redis must not run code in a worker.
    return json.dumps(value).encode()
