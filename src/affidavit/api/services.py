"""What the routes work with, put together once by `app.py` and kept in the application's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request

from affidavit.accounts.service import Accounts
from affidavit.api.limits import PollLimit, RequestLimit, StreamLimit, UploadLimit
from affidavit.documents.service import Documents
from affidavit.evidence.custody import Custody
from affidavit.evidence.service import Bundles
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database
from affidavit.infra.fetch import FetchPolicy
from affidavit.infra.keyring import Keyring
from affidavit.jobs.inspecting import Inspector
from affidavit.jobs.keeping import Keeping
from affidavit.jobs.pressure import Pressure
from affidavit.jobs.review import Reviews
from affidavit.jobs.service import Jobs
from affidavit.templates.service import Templates
from affidavit.webhooks.service import Webhooks


@dataclass(frozen=True, slots=True)
class ApiPolicy:
    """What the API grants, and the address under which callers reach it."""

    public_url: str
    max_upload_bytes: int
    max_json_bytes: int
    max_batch_items: int
    sync_wait_seconds: float
    min_free_disk_bytes: int
    max_deadline_seconds: int
    heartbeat_seconds: float
    models: tuple[str, ...] = ()  # language models that may be asked for by name


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases below the API, and the parts that health asks after."""

    accounts: Accounts
    documents: Documents
    jobs: Jobs
    reviews: Reviews
    bundles: Bundles
    inspector: Inspector
    custody: Custody
    keeping: Keeping
    blobs: BlobStore
    db: Database
    keyring: Keyring
    fetch: FetchPolicy
    webhooks: Webhooks
    templates: Templates
    webhook_targets: FetchPolicy
    secret: bytes  # keys the digests of passwords in the fingerprints of idempotency
    poll_limit: PollLimit
    stream_limit: StreamLimit
    request_limit: RequestLimit
    public_limit: RequestLimit  # of those without a key, by their address
    upload_limit: UploadLimit
    pressure: Pressure
    capabilities: Mapping[str, Any]
    policy: ApiPolicy


def services(request: Request) -> Services:
    """Return the services of the application that the request came to."""
    return cast(Services, request.app.state.services)
