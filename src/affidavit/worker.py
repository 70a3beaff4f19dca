"""The worker process: claim tasks while slots are free, listen for the bell, sweep."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import re
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from affidavit.engine.ocr.neural import ENVIRONMENT
from affidavit.engine.spec import Limits
from affidavit.engine.versions import reading_versions
from affidavit.infra import isolation, metrics, tracing
from affidavit.infra.blobs import open_store
from affidavit.infra.db import Database
from affidavit.infra.exposition import exposed
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.logs import configure
from affidavit.infra.queue import Doorbell
from affidavit.infra.sandbox import Identity, SandboxHost, Walls
from affidavit.infra.secrets import Vault
from affidavit.jobs import execution, sweep
from affidavit.jobs.claim import Claim, ExecutionPolicy
from affidavit.jobs.runner import Runner, Workshop
from affidavit.settings import Settings, from_environment

log = structlog.get_logger()

ENTRY: Final = "affidavit.engine.task:run"
WARM_UP: Final = "affidavit.engine.task:warm_up"
RING_SECONDS: Final = 0.5
TIDY_SECONDS: Final = 30.0  # looks at the whole queue, for what is rare and harms nobody meanwhile
STARTUP_RETRY_SECONDS: Final = 1.0
RING_AHEAD: Final = 2  # rings per slot that may be outstanding, so that the order is decided late


class Worker:
    """Owns the slots. Tasks run until done; a stop drains them, and gives back what remains."""

    def __init__(self, shop: Workshop, settings: Settings) -> None:
        self._shop = shop
        self._settings = settings
        self._runner = Runner(shop)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain."""
        background = [asyncio.create_task(each) for each in self._background()]
        claiming = asyncio.create_task(self._claim_until(stop))
        await stop.wait()
        self._wake.set()
        await claiming
        await self._drain()
        for each in background:
            each.cancel()
        await asyncio.gather(*background, return_exceptions=True)

    async def _claim_until(self, stop: asyncio.Event) -> None:
        # Never cancelled: a claim that is committed while nobody waits for it any more would cost its
        # task a lease, and a try.
        while not stop.is_set():
            held = None
            if len(self._running) < self._settings.worker_slots:
                held = await self._claim()
            if held is None:
                await self._rest()
                continue
            task = asyncio.create_task(self._runner.run(held))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _claim(self) -> Claim | None:
        try:
            return await execution.claim(self._shop.db, self._name, self._shop.policy.lease)
        except Exception as error:  # noqa: BLE001 - the database may be away; try again
            log.warning("claim.failed", error=type(error).__name__)
            return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
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
        kept = sweep.Retention(
            results=timedelta(hours=settings.result_ttl_hours),
            pages=timedelta(hours=settings.checkpoint_ttl_hours),
            idempotency_keys=timedelta(days=settings.idempotency_ttl_days),
        )
        ahead = RING_AHEAD * settings.worker_slots
        return [
            self._shop.doorbell.listen(self._wake.set),
            _every(settings.reap_seconds, lambda: sweep.reap(db, self._shop.policy)),
            _every(settings.reap_seconds, lambda: sweep.expire_late(db)),
            _every(TIDY_SECONDS, lambda: sweep.tidy(db)),
            _every(RING_SECONDS, lambda: sweep.ring_due(db, self._shop.doorbell, ahead)),
            _every(settings.result_purge_seconds, lambda: sweep.purge(db, kept)),
            _every(settings.result_purge_seconds, lambda: sweep.collect(db, self._shop.blobs)),
        ]


async def _every(seconds: float, sweep_once: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await sweep_once()
        except Exception as error:  # noqa: BLE001 - the next round may succeed
            log.warning("sweep.failed", error=type(error).__name__, detail=str(error)[:200])
        await asyncio.sleep(seconds)


def open_workshop(settings: Settings, scratch: Path) -> Workshop:
    """Wire what the tasks of a worker share. Nothing is connected yet."""
    user = Identity.named(settings.sandbox_user) if os.getuid() == 0 else None
    return Workshop(
        db=Database(settings.database_url, pool_size=settings.database_pool_size, name="affidavit-worker"),
        blobs=open_store(settings.blob_url, scratch=settings.data_dir / "staging"),
        doorbell=Doorbell(settings.redis_url),
        host=SandboxHost(
            entry=ENTRY, warm_up=WARM_UP, environment=dict(ENVIRONMENT), user=user, scratch=scratch / "host"
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
        ),
        walls=Walls(
            address_space_bytes=settings.sandbox_address_space_bytes,
            no_progress=timedelta(seconds=settings.task_no_progress_seconds),
            total=timedelta(seconds=settings.task_total_seconds),
        ),
        fetching=fetch_policy(settings),
        scratch=scratch,
        engine_versions=reading_versions(),
    )


def fetch_policy(settings: Settings) -> FetchPolicy:
    """Return what URL sources may point at."""
    return FetchPolicy(
        max_bytes=settings.max_upload_bytes,
        allow_http=settings.fetch_allow_http,
        allowed_networks=settings.fetch_allowed_networks,
        max_redirects=settings.fetch_max_redirects,
        total_seconds=settings.fetch_timeout_seconds,
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
        await _open(shop.db, stop)
        await shop.host.start()
        log.info("worker.started", slots=settings.worker_slots)
        metrics.SLOTS.set(settings.worker_slots)
        async with exposed(settings.metrics_host, settings.metrics_port):
            await Worker(shop, settings).run(stop)
    finally:
        await asyncio.to_thread(tracing.stop)
        await shop.host.close()
        await shop.doorbell.close()
        await shop.db.close()
        shutil.rmtree(scratch, ignore_errors=True)
    log.info("worker.stopped")


def claim_scratch(folder: Path) -> Path:
    """Return an empty folder for this process, and remove those of processes that died on this machine."""
    host, own = socket.gethostname(), os.getpid()
    for left in folder.glob(f"{host}-*"):
        found = re.fullmatch(re.escape(host) + r"-(\d+)", left.name)  # not that of a host named like ours
        # In a container our number is the same every time.
        if found is not None and (int(found[1]) == own or not _is_alive(int(found[1]))):
            shutil.rmtree(left, ignore_errors=True)
    made = folder / f"{host}-{own}"
    made.mkdir(parents=True)
    return made


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _open(db: Database, stop: asyncio.Event) -> None:
    """Connect, however long the database takes to come up. Raises isolation.Unsafe."""
    while not stop.is_set():
        try:
            await isolation.require(db)
        except isolation.Unsafe:
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
    version = importlib.metadata.version("affidavit")
    metrics.BUILD.info({"version": version, "role": "worker"})
    tracing.start(settings.otel_endpoint, role="worker", version=version)
    try:
        asyncio.run(serve(settings))
    except isolation.Unsafe:
        return 1  # it has been logged what to do
    return 0
