"""Listen to a child: store what it finishes, and pass its news on a few times a second."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog
from pydantic import TypeAdapter

from affidavit.bundle.canonical import canonical
from affidavit.documents import references
from affidavit.engine.errors import EngineError
from affidavit.engine.model import ModelRequest
from affidavit.engine.result import EngineInfo
from affidavit.engine.spec import Limits, page_ranges, select_pages
from affidavit.infra import metrics
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database, is_unavailable
from affidavit.infra.queue import Doorbell
from affidavit.jobs import execution
from affidavit.jobs.children import MAX_CHILDREN, ChildJob, wishes_of
from affidavit.jobs.claim import (
    Claim,
    ExecutionPolicy,
    MadeFile,
    ReadPage,
    Report,
    StoredBlob,
    StoredImage,
    StoredPage,
)
from affidavit.jobs.gathering import Gathering
from affidavit.jobs.status import TaskKind
from affidavit.jobs.workspace import OutputRejected, Workspace

log = structlog.get_logger()

REPORT_SECONDS: Final = 0.4  # news of one task reach the database at most so often
IMAGE_BYTES: Final = 50_000_000  # far above any page at our resolution; a bound on what we buffer
TEXT_LENGTH: Final = 300
MAX_PAGE: Final = 1_000_000
MAX_ARTIFACTS: Final = 2000  # one for each page of the longest document
MAX_NAME: Final = 200
MAX_FILE: Final = 1 << 40  # bytes; what a file of a bundle may really have, its gathering says
ARTIFACT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a segment of a path, as it is
MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*")

REQUESTS_BYTES: Final = 64_000_000  # 64 requests of 100,000 tokens, as JSON
REQUESTS: Final = TypeAdapter(tuple[ModelRequest, ...])

T = TypeVar("T")
_ABANDONED: Final[set[asyncio.Future[Any]]] = set()  # the loop itself holds its tasks but weakly

MOST_FLAGGED: Final = 500  # paths; the child says 200 at most


@dataclass(slots=True)
class Reading:
    """The state of one run of a child. Messages come from behind the walls: nothing is believed.

    A child may tell of the pages that it was asked for, each once, and of nothing else.
    """

    db: Database
    blobs: BlobStore
    held: Claim
    workspace: Workspace
    reading_key: str
    policy: ExecutionPolicy
    doorbell: Doorbell
    limits: Limits
    gathering: Gathering
    selected: list[int] | None = None  # of the whole document, once it is opened
    batch: frozenset[int] | None = None  # of this task
    done: set[int] = field(default_factory=set)
    failed: dict[int, dict[str, Any]] = field(default_factory=dict)
    page_count: int | None = None
    images: dict[int, StoredImage] = field(default_factory=dict)  # of all pages that are there
    engine: dict[str, Any] = field(default_factory=dict)
    result: StoredBlob | None = None
    flagged: tuple[str, ...] = ()
    finishes: bool = True  # whether a task that reads all of a document finishes it too
    requests: tuple[ModelRequest, ...] | None = None
    children: list[ChildJob] = field(default_factory=list)  # in the order that they came
    artifacts: dict[str, MadeFile] = field(default_factory=dict)  # by name, in the order that they came
    stage: str | None = "open"
    message: str | None = None
    page: int | None = None
    _is_asking: bool = False
    _have: frozenset[int] = frozenset()
    _read: list[ReadPage] = field(default_factory=list)
    _reported_at: float = field(default_factory=time.monotonic)
    _page_began: float = field(default_factory=time.monotonic)

    def expect(self, have: Collection[int]) -> None:
        """Begin a task of reading that needs not read the pages in `have`."""
        self._have = frozenset(have)
        if self.held.pages is not None:
            self._set_batch(self.held.pages)

    def see_images(self, known: Mapping[int, StoredPage]) -> None:
        """Take over the images of pages that were read before."""
        self.images |= {page: stored.image for page, stored in known.items() if stored.image is not None}

    @property
    def is_accounted(self) -> bool:
        """Tell whether every page of the task was read or failed."""
        return self.batch is not None and self.batch == self.done | self.failed.keys()

    @property
    def is_whole(self) -> bool:
        """Tell whether the task is all of its document, which the child then finishes too."""
        is_all = self.selected is not None and len(self.selected) <= self.policy.batch_pages
        return is_all and self.finishes

    def await_requests(self) -> None:
        """Begin the run of a child that says what to ask a model, and makes no result."""
        self.requests, self._is_asking = None, True

    def await_result(self) -> None:
        """Begin the run of a child that makes the result."""
        self._is_asking = False

    async def hear(self, message: Mapping[str, Any]) -> None:
        """Act on one message. Raises OutputRejected, Fenced, EngineError, and what the stores raise."""
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
                case "child" | "artifact" | "evidence" | "result" if self._may_finish:
                    await self._finished(message)
                case "requests" if self._is_asking and self.requests is None:
                    self.requests = await self._take_requests(message)
                case _:
                    raise OutputRejected
        except (KeyError, TypeError, ValueError):
            raise OutputRejected from None
        if time.monotonic() - self._reported_at > REPORT_SECONDS:
            await self.flush()

    @property
    def _may_finish(self) -> bool:
        return not self._is_asking and (self.held.kind is TaskKind.FINISH or self.is_whole)

    def news(self) -> Report:
        """Return what the database has not been told yet."""
        return Report(
            stage=self.stage,
            message=self.message,
            pages_done=len(self.done),
            failed=tuple(self.failed.values()),
            read=tuple(self._read),
        )

    async def flush(self) -> None:
        """Tell the database; while it is away, keep the news for the next time. Raises Fenced."""
        self._reported_at = time.monotonic()
        try:
            await _apart(execution.report(self.db, self.held, self.news(), self.reading_key))
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("report.failed", job_id=self.held.job_id, error=type(error).__name__)
        else:
            self._read.clear()

    async def _opened(self, message: Mapping[str, Any]) -> None:
        if self.held.kind is not TaskKind.READ or self.batch is not None:
            raise OutputRejected
        page_count = _number(message["page_count"], MAX_PAGE)
        self.page_count = page_count
        self.selected = select_pages(_text(message["selected"], 1 << 16), page_count, self.limits.pages)
        self._set_batch(self.selected[: self.policy.batch_pages])
        self._page_began = time.monotonic()
        is_planned = await _apart(
            execution.opened(
                self.db,
                self.held,
                media_type=_text(message["media_type"], 100),
                page_count=page_count,
                selected=self.selected,
                policy=self.policy,
                finishes=self.finishes,
            )
        )
        if is_planned:
            self.doorbell.ring(f"{self.held.task_id}.{self.held.attempt}.planned")

    def _set_batch(self, pages: Collection[int]) -> None:
        self.batch = frozenset(pages)
        self.done = set(self._have & self.batch)

    def _progress(self, message: Mapping[str, Any]) -> None:
        self.stage = _text(message["stage"], 32)
        self.message = _text(message["message"], TEXT_LENGTH)
        page = message.get("page")
        self.page = None if page is None else _number(page, MAX_PAGE)

    async def _page(self, message: Mapping[str, Any]) -> None:
        number = self._unaccounted(message["number"])
        image = message.get("image")
        page, stored = await asyncio.gather(
            self._store(message, self.limits.output_bytes), self._store_image(image)
        )
        if stored is not None:
            self.images[number] = StoredImage(stored.sha256, stored.size_bytes, stored.crc32)
        self.done.add(number)
        began, self._page_began = self._page_began, time.monotonic()
        metrics.page_read(_text(message["source"], 16), self._page_began - began)
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
                image_crc32=stored.crc32 if stored else None,
            )
        )

    async def _finished(self, message: Mapping[str, Any]) -> None:
        """Take a part of what was made of the whole document; the result comes last."""
        match message["type"]:
            case "child":
                self._child(message)
            case "artifact":
                await self._artifact(message)
            case "evidence" if self.held.store:
                self.gathering.take(_text(message["file"], 100), _number(message["size"], MAX_FILE))
            case "result":
                if self.held.store:
                    self.engine = _engine(message["engine"])
                self.flagged = _paths(message.get("flagged", ()))
                self.result = await self._store(message, self.limits.output_bytes)
            case _:
                raise OutputRejected

    def _child(self, message: Mapping[str, Any]) -> None:
        wish, topic = _text(message["wish"], MAX_NAME), _text(message["topic"], MAX_NAME)
        if wish not in wishes_of(self.held) or not self.selected or len(self.children) >= MAX_CHILDREN:
            raise OutputRejected
        try:
            pages = select_pages(_text(message["pages"], 1 << 16), max(self.selected), self.limits.pages)
        except EngineError:
            raise OutputRejected from None
        child = ChildJob(wish, topic, _number(message["part"], MAX_PAGE), page_ranges(pages))
        self.children.append(child)

    async def _artifact(self, message: Mapping[str, Any]) -> None:
        name, media_type = _text(message["name"], MAX_NAME), _text(message["media_type"], 100)
        is_sane = ARTIFACT_NAME.fullmatch(name) and MEDIA_TYPE.fullmatch(media_type)
        is_known = name.lower() in map(str.lower, self.artifacts)
        if not is_sane or is_known or len(self.artifacts) >= MAX_ARTIFACTS:
            raise OutputRejected
        stored = await self._store(message, self.limits.output_bytes)
        self.artifacts[name] = MadeFile(name, media_type, stored.sha256, stored.size_bytes, stored.crc32)

    async def _take_requests(self, message: Mapping[str, Any]) -> tuple[ModelRequest, ...]:
        size, sha256 = _number(message["size"], REQUESTS_BYTES), _text(message["sha256"], 64)
        content = await self.workspace.take(_text(message["file"], 100), size, sha256, REQUESTS_BYTES)
        requests = await asyncio.to_thread(REQUESTS.validate_json, content)
        most = self.limits.model_reply_tokens
        if len(requests) > self.limits.model_requests or any(each.max_tokens > most for each in requests):
            raise OutputRejected
        return requests

    def _page_failed(self, message: Mapping[str, Any]) -> None:
        number = self._unaccounted(message["number"])
        metrics.PAGES_FAILED.inc()
        self.failed[number] = {
            "page": number,
            "code": _text(message["code"], 64),
            "message": _text(message["message"], TEXT_LENGTH),
        }

    def _unaccounted(self, value: object) -> int:
        number = _number(value, MAX_PAGE)
        if self.batch is None or number not in self.batch or number in self.done or number in self.failed:
            raise OutputRejected
        return number

    async def _store_image(self, image: Mapping[str, Any] | None) -> StoredBlob | None:
        return None if image is None else await self._store(image, IMAGE_BYTES)

    async def _store(self, message: Mapping[str, Any], limit: int) -> StoredBlob:
        size = _number(message["size"], limit)
        name, sha256 = _text(message["file"], 100), _text(message["sha256"], 64)
        content = await self.workspace.take(name, size, sha256, limit)
        if not self.held.store:
            await references.expect(self.db, self.held.environment_id, sha256)
        stored = await self.blobs.put_bytes(self.held.environment_id, content)
        return StoredBlob(stored, size, zlib.crc32(content))


async def _apart(transaction: Coroutine[Any, Any, T]) -> T:
    """Await a transaction; when cancelled, leave it to end by itself.

    Over a connection that hangs it takes seconds to be given up, and the child, which dies of the same
    cancellation, must be dead before the lease ends.
    """
    task = asyncio.ensure_future(transaction)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        _ABANDONED.add(task)
        task.add_done_callback(_forget)
        raise
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    _ABANDONED.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.info("transaction.abandoned", error=type(error).__name__)


def _engine(value: object) -> dict[str, Any]:
    """Return what a manifest says of the engine. Raises ValueError for what it cannot spell."""
    engine = EngineInfo.model_validate(value).model_dump(mode="json")
    canonical(engine)
    return engine


def _paths(value: Sequence[object]) -> tuple[str, ...]:
    return tuple(_text(path, TEXT_LENGTH) for path in value[:MOST_FLAGGED])


def _number(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise OutputRejected
    return value


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise OutputRejected
    return value[:longest]
