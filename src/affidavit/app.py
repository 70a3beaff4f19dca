"""The HTTP API process: put the parts together. No logic."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from affidavit.accounts.principal import Scope
from affidavit.accounts.service import Accounts
from affidavit.api import handlers, openapi
from affidavit.api.body import BodyLimit
from affidavit.api.endpoints import ENDPOINTS
from affidavit.api.limits import PollLimit, RequestLimit, StreamLimit, UploadLimit
from affidavit.api.middleware import Edge
from affidavit.api.protocol import BoundedHead
from affidavit.api.services import ApiPolicy, Services
from affidavit.api.traced import Traced
from affidavit.documents.service import Documents, FilePolicy
from affidavit.engine.media import SUPPORTED
from affidavit.engine.operations import served
from affidavit.engine.spec import AUTO_MODEL, NO_MODEL, OcrEngineName
from affidavit.evidence import signing_keys
from affidavit.evidence.custody import Custody
from affidavit.evidence.service import Bundles
from affidavit.evidence.timestamping import read_roots
from affidavit.infra import isolation, metrics, tracing
from affidavit.infra.blobs import BlobStore, open_store
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.db import Database
from affidavit.infra.exposition import exposed
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.keyring import Keyring
from affidavit.infra.logs import configure
from affidavit.infra.queue import Doorbell
from affidavit.infra.sandbox import Identity, Walls
from affidavit.infra.scratch import claim_scratch, release_scratch
from affidavit.infra.secrets import Vault, derive
from affidavit.jobs.amending import Amender
from affidavit.jobs.gauges import Gauges
from affidavit.jobs.inspecting import Inspector
from affidavit.jobs.keeping import Keeping
from affidavit.jobs.pressure import Pressure, PressurePolicy
from affidavit.jobs.review import Reviews
from affidavit.jobs.review_sealing import ReviewSealer
from affidavit.jobs.service import Jobs
from affidavit.jobs.submission import JobPolicy
from affidavit.jobs.usage import why_document_stays
from affidavit.settings import Settings
from affidavit.templates.service import TemplatePolicy, Templates
from affidavit.webhooks.service import WebhookPolicy, Webhooks

log = structlog.get_logger()

VERSION = importlib.metadata.version("affidavit")
JSON_BYTES = 32 * 1024 * 1024  # parsed as a whole; larger files come as multipart, which streams
STARTUP_FAILED = 3  # as uvicorn's own command exits
FORM_OVERHEAD_BYTES = 2 * 1024 * 1024  # fields, boundaries and headers around the file


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; without settings it reads them from the environment, for uvicorn --factory."""
    given = settings or Settings()
    configure(level=given.log_level, form=given.log_format)
    metrics.BUILD.info({"version": VERSION, "role": "api"})
    tracing.start(given.otel_endpoint, role="api", version=VERSION)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan, redirect_slashes=False)
    app.state.settings = given
    document = openapi.build(ENDPOINTS, version=VERSION, public_url=given.public_url)
    app.openapi = lambda: document  # type: ignore[method-assign]
    for endpoint in ENDPOINTS:
        app.add_route(endpoint.path, endpoint.handler, methods=[endpoint.method], include_in_schema=False)
    handlers.install(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=max(given.max_upload_bytes + FORM_OVERHEAD_BYTES, JSON_BYTES),
        timeout_seconds=given.body_timeout_seconds,
        min_bytes_per_second=given.body_min_bytes_per_second,
    )
    routes: dict[object, str] = {endpoint.handler: endpoint.path for endpoint in ENDPOINTS}
    if tracing.is_on():
        app.add_middleware(Traced, routes=routes)
    app.add_middleware(Edge, routes=routes)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    db = Database(settings.database_url, pool_size=settings.database_pool_size, name="affidavit-api")
    doorbell = Doorbell(settings.redis_url)
    keyring = Keyring(settings.signing_key_dir)
    await isolation.require(db)
    await signing_keys.open_keyring(db, keyring)
    scratch = claim_scratch(settings.data_dir.absolute() / "scratch")
    used = _services(settings, db, doorbell, scratch, keyring)
    app.state.services = used
    await used.pressure.look()
    background = [
        asyncio.create_task(each)
        for each in (
            used.pressure.run(),
            used.documents.sweep_drafts(),
            signing_keys.keep_following(db, keyring),
        )
    ]
    log.info("api.started", version=VERSION)
    try:
        async with exposed(settings.metrics_host, settings.metrics_port, Gauges(db).refresh):
            yield
    finally:
        for each in background:
            each.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await asyncio.to_thread(tracing.stop)
        await used.inspector.close()
        await used.jobs.close()
        await doorbell.close()
        await db.close()
        release_scratch(scratch)
        log.info("api.stopped")


def _services(
    settings: Settings, db: Database, doorbell: Doorbell, scratch: Path, keyring: Keyring
) -> Services:
    secret_key = settings.secret_key.get_secret_value()
    blobs = open_store(settings.blob_url, scratch=settings.data_dir / "staging")
    idempotency_ttl = timedelta(days=settings.idempotency_ttl_days)
    bundles = Bundles(db, blobs)
    pressure = Pressure(
        db,
        PressurePolicy(
            max_pages=settings.max_queued_pages,
            max_wait=timedelta(seconds=settings.max_queue_seconds),
            bytes_per_page=settings.bytes_per_page,
            min_free_bytes=settings.min_free_disk_bytes,
        ),
        blobs.probe,
    )
    return Services(
        accounts=Accounts(db, secret_key),
        documents=Documents(
            db, blobs, why_document_stays, FilePolicy(settings.max_upload_bytes, idempotency_ttl)
        ),
        jobs=Jobs(
            db,
            doorbell,
            Vault(secret_key),
            JobPolicy(
                deadline_base=timedelta(seconds=settings.job_deadline_base_seconds),
                deadline_page=timedelta(seconds=settings.job_deadline_page_seconds),
                idempotency_ttl=idempotency_ttl,
            ),
            pressure,
        ),
        reviews=Reviews(
            db,
            _amender(settings, blobs, scratch),
            ReviewSealer(db, blobs, keyring),
            result_ttl=timedelta(hours=settings.result_ttl_hours),
            idempotency_ttl=idempotency_ttl,
        ),
        keeping=Keeping(db, keyring),
        bundles=bundles,
        inspector=_inspector(settings, db, blobs, bundles, scratch),
        custody=Custody(db, keyring, idempotency_ttl=idempotency_ttl),
        blobs=blobs,
        db=db,
        keyring=keyring,
        fetch=FetchPolicy(
            max_bytes=settings.max_upload_bytes,
            allow_http=settings.fetch_allow_http,
            allowed_networks=settings.fetch_allowed_networks,
        ),
        webhooks=Webhooks(
            db,
            Vault(secret_key),
            WebhookPolicy(settings.webhook_max_endpoints, idempotency_ttl),
        ),
        templates=Templates(db, TemplatePolicy(idempotency_ttl)),
        webhook_targets=FetchPolicy(
            allow_http=settings.webhook_allow_http, allowed_networks=settings.webhook_allowed_networks
        ),
        secret=derive(secret_key, "idempotency"),
        poll_limit=PollLimit(settings.poll_limit_per_second),
        stream_limit=StreamLimit(settings.max_streams_per_key, settings.max_streams),
        request_limit=RequestLimit(settings.rate_limit_per_second),
        public_limit=RequestLimit(settings.public_rate_limit_per_second, each="address"),
        upload_limit=UploadLimit(settings.max_concurrent_uploads),
        pressure=pressure,
        capabilities=_capabilities(settings),
        policy=ApiPolicy(
            public_url=settings.public_url,
            max_upload_bytes=settings.max_upload_bytes,
            max_json_bytes=JSON_BYTES,
            max_batch_items=settings.max_batch_items,
            sync_wait_seconds=settings.sync_wait_seconds,
            min_free_disk_bytes=settings.min_free_disk_bytes,
            max_deadline_seconds=settings.max_deadline_seconds,
            heartbeat_seconds=settings.stream_heartbeat_seconds,
            models=settings.model_names,
        ),
    )


def _amender(settings: Settings, blobs: BlobStore, scratch: Path) -> Amender:
    return Amender(
        blobs=blobs,
        scratch=scratch,
        walls=_walls(settings),
        user=_user(settings),
        wrapping=Wrapping(settings.sandbox),
        readable=(),
        limit=settings.max_output_bytes,
    )


def _inspector(
    settings: Settings, db: Database, blobs: BlobStore, bundles: Bundles, scratch: Path
) -> Inspector:
    return Inspector(
        db,
        blobs,
        bundles,
        scratch=scratch,
        walls=_walls(settings),
        user=_user(settings),
        wrapping=Wrapping(settings.sandbox),
        authorities=read_roots(settings.timestamp_ca_file) if settings.timestamp_url else (),
    )


def _walls(settings: Settings) -> Walls:
    return Walls(
        address_space_bytes=settings.sandbox_address_space_bytes,
        disk_bytes=settings.sandbox_disk_bytes,
        files=settings.sandbox_files,
        no_progress=timedelta(seconds=settings.task_no_progress_seconds),
        total=timedelta(seconds=settings.task_total_seconds),
    )


def _user(settings: Settings) -> Identity | None:
    return Identity.named(settings.sandbox_user) if os.getuid() == 0 else None


def _capabilities(settings: Settings) -> dict[str, Any]:
    return {
        "version": VERSION,
        "operations": list(served()),
        "media_types": list(SUPPORTED),
        "ocr_engines": [name for name in OcrEngineName if name is not OcrEngineName.NULL],
        "models": [AUTO_MODEL, NO_MODEL, *settings.model_names],
        "scopes": list(Scope),
        "url_schemes": ["https", "http"] if settings.fetch_allow_http else ["https"],
        "limits": {
            "upload_bytes": settings.max_upload_bytes,
            "json_body_bytes": JSON_BYTES,
            "pages": settings.max_pages,
            "pixels": settings.max_pixels,
            "batch_items": settings.max_batch_items,
            "sync_wait_seconds": settings.sync_wait_seconds,
            "deadline_seconds": settings.max_deadline_seconds,
            "status_polls_per_second": settings.poll_limit_per_second,
            "streams_per_key": settings.max_streams_per_key,
            "requests_per_second": settings.rate_limit_per_second,
            "queued_pages": settings.max_queued_pages,
            "queue_seconds": settings.max_queue_seconds,
            "bytes_per_page": settings.bytes_per_page,
            "concurrent_uploads": settings.max_concurrent_uploads,
        },
    }


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open requests are finished first."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=BoundedHead,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=75,  # above the 60 s that common proxies keep theirs
        timeout_graceful_shutdown=25,
    )
    server = Server(config, app)
    try:
        server.run()
    except KeyboardInterrupt:
        return  # uvicorn raises it again once it has stopped
    if not server.started:
        sys.exit(STARTUP_FAILED)


class Server(uvicorn.Server):
    """uvicorn's server, which before it waits for open requests ends those that only wait for a job."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        used: Services | None = getattr(self._app.state, "services", None)
        if used is not None:
            used.jobs.drain()
        await super().shutdown(sockets)
