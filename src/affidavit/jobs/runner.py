"""Drive one claimed task through its steps: prepare, run the walled child, store, commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from sqlalchemy.exc import DBAPIError

from affidavit.engine.errors import EngineError
from affidavit.engine.media import HEAD_BYTES, media_type_of
from affidavit.engine.spec import Limits, Operation, Options, Spec, select_pages
from affidavit.infra.blobs import BlobCorrupt, BlobMissing, BlobStore, StoreUnavailable
from affidavit.infra.db import Database
from affidavit.infra.fetch import FetchError, FetchPolicy, fetch
from affidavit.infra.ids import new_id
from affidavit.infra.queue import Doorbell
from affidavit.infra.sandbox import Ending, Outcome, SandboxHost, Walls
from affidavit.jobs import execution
from affidavit.jobs.claim import Beat, Claim, ExecutionPolicy, Fenced, JobError, SourceDocument
from affidavit.jobs.ending import private_reading_key
from affidavit.jobs.reading import Reading
from affidavit.jobs.status import TaskKind
from affidavit.jobs.workspace import OutputRejected, Workspace, open_workspace

log = structlog.get_logger()

# How often a task may end this way before its job fails; what is not here has the whole budget.
# The same bytes in the same walls run out of the same memory and time again.
TRIES: Final[Mapping[Ending, int]] = {
    Ending.OUT_OF_MEMORY: 1,
    Ending.TIMED_OUT: 1,
    Ending.NO_PROGRESS: 2,
    Ending.CRASHED: 2,
}
COMMIT_TRIES: Final = 5
COMMIT_PAUSE_SECONDS: Final = 1.0

INTERNAL: Final = JobError(
    code="INTERNAL",
    message="The worker failed while it handled this job. Try again; if it stays so, report the job's id.",
    category="internal",
    retryable=True,
)
STORAGE: Final = JobError(
    code="STORAGE_UNAVAILABLE",
    message="The blob store could not be used. Try again later.",
    category="internal",
    retryable=True,
)
SOURCE_LOST: Final = JobError(
    code="SOURCE_LOST",
    message="The stored document is damaged or gone. Send it again.",
    category="internal",
)
BAD_OUTPUT: Final = JobError(
    code="ENGINE_CRASHED",
    message="The engine returned something that does not verify.",
    category="engine",
    retryable=True,
)


class Opener(Protocol):
    """Decrypts what was sealed at submission."""

    def open(self, sealed: bytes, owner: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """All that tasks of this worker share."""

    db: Database
    blobs: BlobStore
    doorbell: Doorbell
    host: SandboxHost
    opener: Opener
    policy: ExecutionPolicy
    limits: Limits
    walls: Walls
    fetching: FetchPolicy
    scratch: Path
    engine_versions: Mapping[str, str]


class Runner:
    """Runs claims. Whatever happens to one, `run` returns and the others go on."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    async def run(self, held: Claim) -> None:
        """Work on a claimed task until it is committed, given back or lost.

        Cancelling gives the task back without spending any of its budgets.
        """
        work = asyncio.create_task(self._work(held))
        beat = asyncio.create_task(self._beat(held))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await self._stop(work)
                log.info("task.stopped", **_ids(held), why=beat.result().name)
                if beat.result() is Beat.ENDED:
                    await execution.abandon(self._shop.db, held)
            if not work.cancelled():
                work.result()
        except asyncio.CancelledError:
            await self._stop(work)
            await execution.release(self._shop.db, held)
            log.info("task.released", **_ids(held))
            raise
        except Exception as error:
            log.exception("task.lost", **_ids(held), error=type(error).__name__)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _stop(self, work: asyncio.Task[None]) -> None:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def _beat(self, held: Claim) -> Beat:
        """Renew the lease until it is lost. Returns before it could end unnoticed.

        When the database is away, our own clock decides: the child is dead before another worker
        can have the task.
        """
        lease, pause = self._shop.policy.lease, self._shop.policy.heartbeat.total_seconds()
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            asked = time.monotonic()
            if asked - renewed > lease.total_seconds() - pause:
                return Beat.LOST
            try:
                async with asyncio.timeout(pause):
                    beat = await execution.heartbeat(self._shop.db, held, lease)
            except Exception as error:  # noqa: BLE001 - any failure to renew is the same to us
                log.warning("heartbeat.failed", **_ids(held), error=type(error).__name__)
                continue
            if beat is not Beat.HELD:
                return beat
            renewed = asked

    async def _work(self, held: Claim) -> None:
        log.info("task.started", **_ids(held), kind=held.kind, attempt=held.attempt)
        try:
            failure = await self._attempt(held)
            if failure is not None:
                await self._fail(held, *failure)
        except Fenced:
            if not await execution.is_done(self._shop.db, held):
                log.info("task.fenced", **_ids(held), attempt=held.attempt)
            return

    async def _attempt(self, held: Claim) -> tuple[JobError, int] | None:
        """Do the task; return why it failed and how many tries that is worth."""
        steps = {TaskKind.FETCH: self._fetch, TaskKind.READ: self._read, TaskKind.FINISH: self._finish}
        try:
            async with open_workspace(self._shop.scratch, f"{held.task_id}-{held.attempt}") as workspace:
                return await steps[held.kind](held, workspace)
        except Fenced:
            raise
        except Exception as error:
            found = _judged(error, self._shop.policy.max_failures)
            if found[0] is INTERNAL:
                log.exception("task.failed", **_ids(held), error=type(error).__name__)
            return found

    async def _fail(self, held: Claim, error: JobError, tries: int) -> None:
        over = await execution.fail(self._shop.db, held, error, self._shop.policy, tries=tries)
        event = "job.failed" if over else "task.retried"
        log.info(event, **_ids(held), code=error.code, attempt=held.attempt)

    async def _fetch(self, held: Claim, workspace: Workspace) -> tuple[JobError, int] | None:
        url = str(held.source["url"])
        try:
            fetched = await fetch(url, policy=self._shop.fetching, into=workspace.document)
        except FetchError as error:
            found = JobError(error.code, str(error), "source", phase="fetch", retryable=error.retryable)
            return found, self._shop.policy.max_failures
        head = await asyncio.to_thread(_head, workspace.document)
        media_type = media_type_of(head, fetched.filename)
        await self._shop.blobs.put_file(held.environment_id, workspace.document, fetched.sha256)
        document = SourceDocument(
            new_id("file"), fetched.sha256, fetched.size_bytes, fetched.filename, media_type
        )
        await self._commit(held, lambda: execution.document_arrived(self._shop.db, held, document))
        self._ring(held)
        return None

    async def _read(self, held: Claim, workspace: Workspace) -> tuple[JobError, int] | None:
        assert held.document is not None
        spec = self._spec(held)
        key = self._reading_key(held, spec)
        known = await execution.checkpoints(self._shop.db, held, key)
        have = self._usable(held, known, spec)
        reading = self._listen(held, workspace, key, have=frozenset(have))
        if held.pages is not None:
            reading.pages_done = len(have)
            if len(have) == len(held.pages):
                await self._finish_reading(held, reading, spec)
                return None
        else:
            await workspace.put_pages(self._shop.blobs, held.environment_id, _digests(have))
        await workspace.put_document(self._shop.blobs, held.environment_id, held.document.sha256)
        request = {
            "kind": "read",
            "spec": spec.model_dump(mode="json"),
            "filename": held.document.filename,
            "pages": None if held.pages is None else list(held.pages),
            "batch": self._shop.policy.batch_pages,
            "have": sorted(have),
            "finish": held.pages is None,
        }
        outcome = await self._run_child(request, workspace, reading, document=workspace.document)
        if outcome.failure is not None:
            return _unfinished(outcome, reading)
        if reading.result is not None:
            await self._complete(held, reading)
        else:
            await self._finish_reading(held, reading, spec)
        return None

    def _usable(
        self, held: Claim, known: Mapping[int, tuple[str, int]], spec: Spec
    ) -> dict[int, tuple[str, int]]:
        """Return the pages that need no reading; of an unopened document, one batch at most."""
        if held.pages is not None:
            return {page: known[page] for page in held.pages if page in known}
        try:
            asked = select_pages(spec.options.pages, max(known, default=0), len(known))
        except EngineError:  # the child knows how many pages there are, and what to say
            asked = sorted(known)
        return {page: known[page] for page in asked[: self._shop.policy.batch_pages] if page in known}

    async def _finish(self, held: Claim, workspace: Workspace) -> tuple[JobError, int] | None:
        spec = self._spec(held)
        key = self._reading_key(held, spec)
        pages, failed = await execution.batches(self._shop.db, held)
        known = await execution.checkpoints(self._shop.db, held, key)
        lost = {page["page"] for page in failed}
        good = [page for page in pages if page not in lost]
        await workspace.put_pages(
            self._shop.blobs, held.environment_id, _digests({page: known[page] for page in good})
        )
        request = {
            "kind": "finish",
            "spec": spec.model_dump(mode="json"),
            "media_type": held.media_type,
            "page_count": held.page_count,
            "pages": good,
            "failed": failed,
        }
        reading = self._listen(held, workspace, key)
        reading.stage = "finish"
        reading.selected = pages
        outcome = await self._run_child(request, workspace, reading, document=None)
        if outcome.failure is not None:
            return _unfinished(outcome, reading)
        if reading.result is None:
            return BAD_OUTPUT, TRIES[Ending.CRASHED]
        await self._complete(held, reading)
        return None

    async def _run_child(
        self, request: Mapping[str, object], workspace: Workspace, reading: Reading, document: Path | None
    ) -> Outcome:
        outcome = await self._shop.host.run(
            request,
            document=document,
            workspace=workspace.inner,
            walls=self._shop.walls,
            on_message=reading.hear,
        )
        if outcome.ending not in (Ending.FINISHED, Ending.REFUSED):
            log.warning(
                "child.ended",
                **_ids(reading.held),
                ending=outcome.ending,
                signal=outcome.signal,
                at=outcome.trace,
            )
        return outcome

    async def _finish_reading(self, held: Claim, reading: Reading, spec: Spec) -> None:
        news = reading.news()
        await self._commit(
            held,
            lambda: execution.finish_reading(
                self._shop.db, held, news, reading.reading_key, allow_partial=spec.options.allow_partial
            ),
        )
        self._ring(held)

    def _ring(self, held: Claim) -> None:
        """Say that a committed task may have left another one to do."""
        self._shop.doorbell.ring(f"{held.task_id}.{held.attempt}.done")

    async def _complete(self, held: Claim, reading: Reading) -> None:
        news, result = reading.news(), reading.result
        assert result is not None
        await self._commit(
            held,
            lambda: execution.complete(
                self._shop.db,
                held,
                news=news,
                reading_key=reading.reading_key,
                result_sha256=result.sha256,
                result_size_bytes=result.size_bytes,
                pages=len(reading.selected or ()),
                policy=self._shop.policy,
            ),
        )
        log.info("job.completed", **_ids(held), pages=len(reading.selected or ()))

    async def _commit(self, held: Claim, write: Callable[[], Awaitable[None]]) -> None:
        """Commit, and settle an unclear answer: a repeat is fenced, and the row says by whom."""
        for last in (*[False] * (COMMIT_TRIES - 1), True):
            try:
                await write()
            except Fenced:
                if not await execution.is_done(self._shop.db, held):
                    raise
            except (OSError, DBAPIError):
                if last:
                    raise
                await asyncio.sleep(COMMIT_PAUSE_SECONDS)
                continue
            return

    def _listen(
        self, held: Claim, workspace: Workspace, key: str, have: frozenset[int] = frozenset()
    ) -> Reading:
        return Reading(
            db=self._shop.db,
            blobs=self._shop.blobs,
            held=held,
            workspace=workspace,
            reading_key=key,
            policy=self._shop.policy,
            doorbell=self._shop.doorbell,
            output_limit=self._shop.limits.output_bytes,
            have=have,
        )

    def _spec(self, held: Claim) -> Spec:
        options = Options.model_validate(held.spec.get("options", {}))
        if held.sealed_password is not None:
            password = self._shop.opener.open(held.sealed_password, held.job_id).decode()
            options = options.model_copy(update={"password": password})
        return Spec(
            operation=Operation(held.operation),
            options=options,
            json_schema=held.spec.get("json_schema"),
            limits=self._shop.limits,
        )

    def _reading_key(self, held: Claim, spec: Spec) -> str:
        key = spec.reading_key(dict(self._shop.engine_versions))
        return key if held.store else private_reading_key(held.job_id, key)


def _ids(held: Claim) -> dict[str, Any]:
    return {"job_id": held.job_id, "task_id": held.task_id}


def _digests(pages: Mapping[int, tuple[str, int]]) -> dict[int, str]:
    return {number: sha256 for number, (sha256, _) in pages.items()}


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _judged(error: Exception, budget: int) -> tuple[JobError, int]:
    """Say what went wrong in the worker's own part, and how many tries that is worth."""
    match error:
        case EngineError():
            found = JobError(
                error.code, error.message, error.category, page=error.page, retryable=error.retryable
            )
            return found, 1
        case OutputRejected():
            return BAD_OUTPUT, TRIES[Ending.CRASHED]
        case BlobMissing() | BlobCorrupt():
            return SOURCE_LOST, 1
        case StoreUnavailable():
            return STORAGE, budget
        case _:
            return INTERNAL, budget


def _unfinished(outcome: Outcome, reading: Reading) -> tuple[JobError, int]:
    """Say how a child failed, where it was, and how many tries that is worth."""
    failure = outcome.failure
    assert failure is not None
    error = JobError(
        code=failure.code,
        message=failure.message,
        category=failure.category,
        phase=reading.stage,
        page=failure.page,
        retryable=failure.retryable,
    )
    if outcome.ending is not Ending.REFUSED and error.page is None:
        error = replace(error, page=reading.page)
    return error, TRIES.get(outcome.ending, 3)
