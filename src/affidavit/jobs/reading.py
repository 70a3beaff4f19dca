"""Listen to a child: store what it finishes, and pass its news on a few times a second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError

from affidavit.engine.spec import select_pages
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database
from affidavit.infra.queue import Doorbell
from affidavit.jobs import execution
from affidavit.jobs.claim import Claim, ExecutionPolicy, ReadPage, Report
from affidavit.jobs.workspace import OutputRejected, Workspace

log = structlog.get_logger()

REPORT_SECONDS: Final = 0.4  # news of one task reach the database at most so often
IMAGE_BYTES: Final = 50_000_000  # far above any page at our resolution; a bound on what we buffer
TEXT_LENGTH: Final = 300
MAX_PAGE: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A result that lies in the blob store."""

    sha256: str
    size_bytes: int


@dataclass(slots=True)
class Reading:
    """The state of one run of a child. Messages come from behind the walls: nothing is believed."""

    db: Database
    blobs: BlobStore
    held: Claim
    workspace: Workspace
    reading_key: str
    policy: ExecutionPolicy
    doorbell: Doorbell
    output_limit: int
    have: frozenset[int] = frozenset()
    pages_done: int = 0
    selected: list[int] | None = None
    result: StoredBlob | None = None
    failed: dict[int, dict[str, Any]] = field(default_factory=dict)
    stage: str | None = "open"
    message: str | None = None
    page: int | None = None
    _read: list[ReadPage] = field(default_factory=list)
    _reported_at: float = field(default_factory=time.monotonic)

    async def hear(self, message: Mapping[str, Any]) -> None:
        """Act on one message. Raises OutputRejected, Fenced, and what the stores raise."""
        try:
            match message["type"]:
                case "opened":
                    await self._opened(message)
                case "progress":
                    self._progress(message)
                case "page":
                    await self._page(message)
                case "page_failed":
                    self._page_failed(message)
                case "result":
                    self.result = await self._store(message, self.output_limit)
                case _:
                    raise OutputRejected
        except (KeyError, TypeError, ValueError):
            raise OutputRejected from None
        if time.monotonic() - self._reported_at > REPORT_SECONDS:
            await self._report()

    def news(self) -> Report:
        """Return what the database has not been told yet."""
        return Report(
            stage=self.stage,
            message=self.message,
            pages_done=self.pages_done,
            failed=tuple(self.failed.values()),
            read=tuple(self._read),
        )

    async def _report(self) -> None:
        """Tell the database; while it is away, go on reading and keep the news for the next time."""
        self._reported_at = time.monotonic()
        try:
            await execution.report(self.db, self.held, self.news(), self.reading_key)
        except (OSError, DBAPIError) as error:
            log.warning("report.failed", job_id=self.held.job_id, error=type(error).__name__)
        else:
            self._read.clear()

    async def _opened(self, message: Mapping[str, Any]) -> None:
        page_count = _number(message["page_count"], MAX_PAGE)
        self.selected = select_pages(_text(message["selected"], 1 << 16), page_count, MAX_PAGE)
        self.pages_done = len(self.have.intersection(self.selected[: self.policy.batch_pages]))
        is_planned = await execution.opened(
            self.db,
            self.held,
            media_type=_text(message["media_type"], 100),
            page_count=page_count,
            selected=self.selected,
            policy=self.policy,
        )
        if is_planned:
            self.doorbell.ring(f"{self.held.task_id}.{self.held.attempt}.planned")

    def _progress(self, message: Mapping[str, Any]) -> None:
        self.stage = _text(message["stage"], 32)
        self.message = _text(message["message"], TEXT_LENGTH)
        page = message.get("page")
        self.page = None if page is None else _number(page, MAX_PAGE)

    async def _page(self, message: Mapping[str, Any]) -> None:
        number = _number(message["number"], MAX_PAGE)
        page = await self._store(message, self.output_limit)
        image = message.get("image")
        stored = None if image is None else await self._store(image, IMAGE_BYTES)
        self.pages_done += 1
        self._read.append(
            ReadPage(
                number=number,
                sha256=page.sha256,
                size_bytes=page.size_bytes,
                source=_text(message["source"], 16),
                image_sha256=stored.sha256 if stored else None,
                image_size_bytes=stored.size_bytes if stored else None,
                image_width=_number(image["width"], MAX_PAGE) if image else None,
                image_height=_number(image["height"], MAX_PAGE) if image else None,
            )
        )

    def _page_failed(self, message: Mapping[str, Any]) -> None:
        number = _number(message["number"], MAX_PAGE)
        self.failed[number] = {
            "page": number,
            "code": _text(message["code"], 64),
            "message": _text(message["message"], TEXT_LENGTH),
        }

    async def _store(self, message: Mapping[str, Any], limit: int) -> StoredBlob:
        size = _number(message["size"], limit)
        name, sha256 = _text(message["file"], 100), _text(message["sha256"], 64)
        content = await self.workspace.take(name, size, sha256, limit)
        return StoredBlob(await self.blobs.put_bytes(self.held.environment_id, content), size)


def _number(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise OutputRejected
    return value


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise OutputRejected
    return value[:longest]
