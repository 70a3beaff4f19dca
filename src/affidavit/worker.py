"""The worker process: claim tasks while slots are free, listen for the bell, sweep."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from affidavit.bundle.timestamp import TimestampExtraMissing, is_supported
from affidavit.documents.orphans import find_orphans
from affidavit.documents.scrub import Pace, scrub
from affidavit.engine.ocr import reader_programs, reading_paths
from affidavit.engine.ocr.neural import ENVIRONMENT
from affidavit.engine.spec import Limits
from affidavit.engine.versions import reading_versions
from affidavit.evidence import log as evidence_log
from affidavit.evidence import signing_keys
from affidavit.evidence.log_memory import LogMemory
from affidavit.evidence.log_tree import LogDamaged
from affidavit.evidence.timestamping import Timestamper, read_roots
from affidavit.infra import isolation, metrics, tracing
from affidavit.infra.authority import Authority
from affidavit.infra.blobs import open_store
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.db import Database
from affidavit.infra.drafts import STALE
from affidavit.infra.exposition import exposed
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.keyring import Keyring, KeyringUnusable
from affidavit.infra.logs import configure
from affidavit.infra.model import ModelClient, ModelPolicy
from affidavit.infra.queue import Doorbell
from affidavit.infra.sandbox import Identity, SandboxHost, Walls
from affidavit.infra.scratch import claim_scratch, release_scratch, sweep_scratch
from affidavit.infra.secrets import Vault
from affidavit.infra.wall_trial import are_walls_held
from affidavit.jobs import burial, execution, retention, sweep
from affidavit.jobs.asking import Caps, Models
from affidavit.jobs.claim import Claim, ExecutionPolicy
from affidavit.jobs.retention import Retention
from affidavit.jobs.runner import Runner, Workshop
from affidavit.jobs.sealing import LogOrigin
from affidavit.jobs.slots import Slots
from affidavit.settings import Settings, from_environment
from affidavit.webhooks import expiry
from affidavit.webhooks.leasing import Limits as SendLimits
from affidavit.webhooks.schedule import Schedule
from affidavit.webhooks.sending import Sender, SendPolicy

log = structlog.get_logger()

ENTRY: Final = "affidavit.engine.task:run"
WARM_UP: Final = "affidavit.engine.task:warm_up"
RING_SECONDS: Final = 0.5
LOG_SECONDS: Final = 1.0  # a bundle waits for its place in the log about so long
TIMESTAMP_SECONDS: Final = 1.0
TIDY_SECONDS: Final = 30.0  # looks at the whole queue, for what is rare and harms nobody meanwhile
PATROL_SECONDS: Final = 60.0  # what has a pace of its own is looked at so often
STARTUP_RETRY_SECONDS: Final = 1.0
CLAIM_SECONDS: Final = 10.0  # half a lease: a claim that takes longer would not be worth having
ANSWER_BYTES: Final = 16 * 1024  # of a webhook's answer that are read; what follows is not waited for
RING_AHEAD: Final = 2  # rings per slot that may be outstanding, so that the order is decided late


class Worker:
    """Owns the slots. Tasks run until done; a stop drains them, and gives back what remains."""

    def __init__(self, shop: Workshop, settings: Settings) -> None:
        self._shop = shop
        self._settings = settings
        self._runner = Runner(shop)
        # A container's host and number may be those of the one before it; this name no other process had.
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._sender = Sender(shop.db, Vault(settings.secret_key.get_secret_value()), send_policy(settings))
        self._timestamper = open_timestamper(settings, shop.db)
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._is_unsure = False  # whether a claim may have been granted whose answer did not come

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain."""
        background = [asyncio.create_task(each) for each in self._background()]
        claiming = asyncio.create_task(self._claim_until(stop))
        sending = asyncio.create_task(self._sender.run(stop))
        await stop.wait()
        self._wake.set()
        await claiming
        await self._drain()
        # As long again for webhooks on their way: one that is cut off is sent again, which is a duplicate.
        await asyncio.wait([sending], timeout=self._settings.drain_seconds)
        for each in (*background, sending):
            each.cancel()
        await asyncio.gather(*background, sending, return_exceptions=True)

    async def _claim_until(self, stop: asyncio.Event) -> None:
        # Never cancelled: a claim that is committed while nobody waits for it any more would cost its
        # task a lease, and a try.
        while not stop.is_set():
            held = await self._claim() if self._shop.slots.is_free else None
            if held is None:
                await self._rest()
                continue
            self._shop.slots.take(held)
            task = asyncio.create_task(self._work(held))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _claim(self) -> Claim | None:
        db, slots = self._shop.db, self._shop.slots
        try:
            async with asyncio.timeout(CLAIM_SECONDS):
                if self._is_unsure:
                    await execution.release_strays(db, self._name, slots.held)
                    self._is_unsure = False
                lease = self._shop.policy.lease
                with metrics.CLAIM_SECONDS.time():
                    return await execution.claim(db, self._name, lease, short_only=slots.is_kept)
        except Exception as error:  # noqa: BLE001 - the database may be away; try again
            log.warning("claim.failed", error=type(error).__name__)
            self._is_unsure = True
            return None

    async def _work(self, held: Claim) -> None:
        try:
            await self._runner.run(held)
        finally:
            self._shop.slots.leave(held)
            self._wake.set()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._settings.poll_seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _drain(self) -> None:
        log.info("worker.draining", running=len(self._running))
        if self._running:
            await asyncio.wait(self._running, timeout=self._settings.drain_seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        db, settings = self._shop.db, self._settings
        kept, blobs = retention_of(settings), self._shop.blobs
        log_kept = timedelta(days=settings.webhook_retention_days)
        ahead = RING_AHEAD * settings.worker_slots
        return [
            self._shop.doorbell.listen(self._wake.set),
            _every("reap", settings.reap_seconds, lambda: sweep.reap(db, self._shop.policy)),
            _every("deadlines", settings.reap_seconds, lambda: sweep.expire_late(db)),
            _every("tidy", TIDY_SECONDS, lambda: sweep.tidy(db)),
            _every("ring", RING_SECONDS, lambda: sweep.ring_due(db, self._shop.doorbell, ahead)),
            _every("retention", settings.result_purge_seconds, lambda: retention.purge(db, kept)),
            _every("collect", settings.result_purge_seconds, lambda: retention.collect(db, blobs)),
            _every("orphans", PATROL_SECONDS, lambda: find_orphans(db, blobs, self._name)),
            _every("staging", PATROL_SECONDS, lambda: blobs.sweep_staging(STALE)),
            _every("scratch", PATROL_SECONDS, self._sweep_scratch),
            _every("log", LOG_SECONDS, self._append_to_log),
            *self._timestamping(),
            *self._burying(),
            *self._scrubbing(),
            signing_keys.keep_following(db, self._shop.keyring),
            _every("webhooks", settings.result_purge_seconds, lambda: expiry.sweep(db, log_kept)),
        ]

    async def _sweep_scratch(self) -> None:
        own = self._shop.scratch
        await asyncio.to_thread(sweep_scratch, own.parent, spare=own.name)

    async def _append_to_log(self) -> None:
        keys = self._shop.keyring
        is_timestamped = self._timestamper is not None
        memory = LogMemory(keys.folder)
        try:
            await evidence_log.append_due(self._shop.db, keys.current, memory, timestamped=is_timestamped)
        except LogDamaged as damaged:
            log.error("log.refused", reason=str(damaged))  # noqa: TRY400 - the reason says where
            await asyncio.sleep(PATROL_SECONDS)  # somebody has to look at it; a line a second helps nobody
            raise

    def _timestamping(self) -> list[Coroutine[Any, Any, None]]:
        if self._timestamper is None:
            return []
        return [_every("timestamps", TIMESTAMP_SECONDS, self._timestamper.ask_due)]

    def _burying(self) -> list[Coroutine[Any, Any, None]]:
        """Return the sweep that deletes bundles whose time is over, if it ever is."""
        if not self._settings.bundle_ttl_days:
            return []
        db, keys = self._shop.db, self._shop.keyring
        ttl = timedelta(days=self._settings.bundle_ttl_days)
        return [
            _every(
                "bundles",
                self._settings.result_purge_seconds,
                lambda: burial.expire(db, ttl, keys.current()),
            )
        ]

    def _scrubbing(self) -> list[Coroutine[Any, Any, None]]:
        settings = self._settings
        if not settings.scrub_days:
            return []
        pace = Pace(timedelta(days=settings.scrub_days), settings.scrub_bytes_per_second)
        return [
            _every("scrub", PATROL_SECONDS, lambda: scrub(self._shop.db, self._shop.blobs, self._name, pace))
        ]


def retention_of(settings: Settings) -> Retention:
    """Return how long things are kept."""
    return Retention(
        results=timedelta(hours=settings.result_ttl_hours),
        pages=timedelta(hours=settings.checkpoint_ttl_hours),
        idempotency_keys=timedelta(days=settings.idempotency_ttl_days),
        files=timedelta(days=settings.file_ttl_days) if settings.file_ttl_days else None,
        jobs=timedelta(days=settings.job_ttl_days) if settings.job_ttl_days else None,
    )


async def _every(name: str, seconds: float, sweep_once: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            with metrics.sweeping(name):
                await sweep_once()
        except Exception as error:  # noqa: BLE001 - the next round may succeed
            log.warning("sweep.failed", sweep=name, error=type(error).__name__)
        await asyncio.sleep(seconds)


def open_workshop(settings: Settings, scratch: Path) -> Workshop:
    """Wire what the tasks of a worker share. Nothing is connected yet."""
    user = Identity.named(settings.sandbox_user) if os.getuid() == 0 else None
    db = Database(settings.database_url, pool_size=settings.database_pool_size, name="affidavit-worker")
    proposed = evidence_log.propose_origin(settings.log_origin, settings.public_url)
    return Workshop(
        db=db,
        blobs=open_store(settings.blob_url, scratch=settings.data_dir / "staging"),
        doorbell=Doorbell(settings.redis_url),
        host=SandboxHost(
            entry=ENTRY,
            warm_up=WARM_UP,
            environment=dict(ENVIRONMENT),
            user=user,
            scratch=scratch / "host",
            readable=reading_paths(),
            wrapping=Wrapping(settings.sandbox),
        ),
        opener=Vault(settings.secret_key.get_secret_value()),
        policy=ExecutionPolicy(
            lease=timedelta(seconds=settings.lease_seconds),
            heartbeat=timedelta(seconds=settings.heartbeat_seconds),
            max_failures=settings.max_failures,
            max_crashes=settings.max_crashes,
            batch_pages=settings.batch_pages,
            deadline_base=timedelta(seconds=settings.job_deadline_base_seconds),
            deadline_page=timedelta(seconds=settings.job_deadline_page_seconds),
            result_ttl=timedelta(hours=settings.result_ttl_hours),
        ),
        limits=Limits(
            pages=settings.max_pages,
            pixels=settings.max_pixels,
            side_pixels=settings.max_side_pixels,
            output_bytes=settings.max_output_bytes,
            model_context_tokens=settings.model_context_tokens,
            model_reply_tokens=settings.model_reply_tokens,
            model_requests=settings.model_job_requests,
        ),
        walls=Walls(
            address_space_bytes=settings.sandbox_address_space_bytes,
            disk_bytes=settings.sandbox_disk_bytes,
            files=settings.sandbox_files,
            no_progress=timedelta(seconds=settings.task_no_progress_seconds),
            total=timedelta(seconds=settings.task_total_seconds),
        ),
        fetching=fetch_policy(settings),
        scratch=scratch,
        engine_versions=reading_versions(),
        keyring=Keyring(settings.signing_key_dir),
        log_origin=LogOrigin(db, proposed),
        models=open_models(settings),
        slots=Slots(settings.worker_slots),
    )


def open_models(settings: Settings) -> Models | None:
    """Return who asks the language models, None where there is none."""
    if not settings.model_url:
        return None
    key = settings.model_key
    client = ModelClient(
        ModelPolicy(
            url=settings.model_url,
            key=None if key is None else key.get_secret_value(),
            timeout_seconds=settings.model_timeout_seconds,
            concurrency=settings.model_concurrency,
            stream=settings.model_stream,
            tries=settings.model_tries,
        )
    )
    caps = Caps(
        total=timedelta(seconds=settings.model_total_seconds),
        requests=2 * settings.model_job_requests,  # each may be asked again
        tokens=settings.model_job_tokens,
        cost=settings.model_job_cost,
        input_price=settings.model_input_price,
        output_price=settings.model_output_price,
    )
    return Models(client, settings.model_names, caps, settings.model_concurrency)


def open_timestamper(settings: Settings, db: Database) -> Timestamper | None:
    """Return who asks for timestamps, None where none are wanted. Ends the program where it could not."""
    if not settings.timestamp_url:
        return None
    if not is_supported():
        raise SystemExit(f"AFFIDAVIT_TIMESTAMP_URL is set. {TimestampExtraMissing()}")
    roots = read_roots(settings.timestamp_ca_file)
    return Timestamper(db, Authority(settings.timestamp_url, settings.timestamp_timeout_seconds), roots)


def fetch_policy(settings: Settings) -> FetchPolicy:
    """Return what URL sources may point at."""
    return FetchPolicy(
        max_bytes=settings.max_upload_bytes,
        allow_http=settings.fetch_allow_http,
        allowed_networks=settings.fetch_allowed_networks,
        max_redirects=settings.fetch_max_redirects,
        total_seconds=settings.fetch_timeout_seconds,
    )


def send_policy(settings: Settings) -> SendPolicy:
    """Return where webhooks may go, how often they are tried, and how many at once."""
    scale = settings.webhook_schedule_scale
    pauses = SendLimits(lane_concurrency=settings.webhook_endpoint_concurrency)
    return SendPolicy(
        targets=FetchPolicy(
            max_bytes=ANSWER_BYTES,
            allow_http=settings.webhook_allow_http,
            allowed_networks=settings.webhook_allowed_networks,
            read_seconds=settings.webhook_timeout_seconds,
            total_seconds=settings.webhook_timeout_seconds,
        ),
        schedule=Schedule(scale=scale),
        limits=replace(
            pauses,
            breaker_pause=pauses.breaker_pause * scale,
            breaker_max_pause=pauses.breaker_max_pause * scale,
        ),
        concurrency=settings.webhook_concurrency,
        poll=timedelta(seconds=settings.webhook_poll_seconds),
        disable_after=timedelta(hours=settings.webhook_disable_after_hours),
    )


async def serve(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    scratch = claim_scratch(settings.data_dir.absolute() / "scratch")
    shop = open_workshop(settings, scratch)
    try:
        await _open(shop, settings.log_origin, stop)
        await shop.host.start()
        log.info("worker.started", slots=settings.worker_slots)
        metrics.SLOTS.set(settings.worker_slots)
        async with exposed(settings.metrics_host, settings.metrics_port):
            await Worker(shop, settings).run(stop)
    finally:
        await asyncio.to_thread(tracing.stop)
        await shop.host.close()
        if shop.models is not None:
            await shop.models.client.close()
        await shop.doorbell.close()
        await shop.db.close()
        release_scratch(scratch)
    log.info("worker.stopped")


async def _open(shop: Workshop, wanted: str, stop: asyncio.Event) -> None:
    """Connect, however long the database takes to come up; `wanted` is the log's name in the settings.

    Raises isolation.Unsafe, KeyringUnusable.
    """
    while not stop.is_set():
        try:
            await isolation.require(shop.db)
            await signing_keys.open_keyring(shop.db, shop.keyring)
            if wanted not in {"", name := await shop.log_origin.get()}:
                log.warning("log.name_kept", origin=name, reason="a log keeps its first name")
        except (isolation.Unsafe, KeyringUnusable):
            raise
        except Exception as error:  # noqa: BLE001 - whatever keeps us from connecting may pass
            log.warning("database.unreachable", error=type(error).__name__)
            await asyncio.sleep(STARTUP_RETRY_SECONDS)
        else:
            return


def main(arguments: Sequence[str]) -> int:
    """Run `affidavit worker`."""
    parser = argparse.ArgumentParser(prog="affidavit worker", description="Run one worker process.")
    parser.parse_args(arguments)
    settings = from_environment()
    configure(level=settings.log_level, form=settings.log_format)
    if settings.strict and not are_walls_held(settings.sandbox_user, settings.sandbox, reader_programs()):
        return 1  # it has been logged which are not
    version = importlib.metadata.version("affidavit")
    metrics.BUILD.info({"version": version, "role": "worker"})
    tracing.start(settings.otel_endpoint, role="worker", version=version)
    try:
        asyncio.run(serve(settings))
    except (isolation.Unsafe, KeyringUnusable):
        return 1  # it has been logged what to do
    return 0
