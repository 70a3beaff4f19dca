"""The steps of one claimed task: fetch, read or finish; run the walled child, store, commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, assert_never

import structlog

from affidavit.documents import references
from affidavit.engine.errors import EngineError
from affidavit.engine.media import HEAD_BYTES, media_type_of
from affidavit.engine.ocr import programs
from affidavit.engine.operations import needs_source, other_jobs
from affidavit.engine.spec import Limits, OcrOptions, Operation, Options, Spec, select_pages
from affidavit.evidence.sealing import SealedBundle
from affidavit.infra import metrics
from affidavit.infra.blobs import BlobStore
from affidavit.infra.db import Database, is_unavailable
from affidavit.infra.fetch import FetchPolicy, fetch
from affidavit.infra.ids import new_id
from affidavit.infra.keyring import Keyring
from affidavit.infra.profile import PARSE, Profile
from affidavit.infra.queue import Doorbell
from affidavit.infra.sandbox import Ending, Outcome, SandboxHost, Walls
from affidavit.jobs import execution, others, verdict
from affidavit.jobs.asking import Asking, Models, model_for
from affidavit.jobs.claim import Claim, ExecutionPolicy, SourceDocument, StoredBlob, StoredPage
from affidavit.jobs.ending import private_reading_key
from affidavit.jobs.gathering import Gathering
from affidavit.jobs.reading import Reading
from affidavit.jobs.sealing import LogOrigin, Read, Sealer
from affidavit.jobs.slots import Slots
from affidavit.jobs.source import Opener, source_url
from affidavit.jobs.status import TaskKind
from affidavit.jobs.verdict import Verdict
from affidavit.jobs.workspace import OutputRejected, Workspace

log = structlog.get_logger()

# A database that is away is waited for as long as the lease lasts, which the heartbeat knows; this only
# bounds a failure that would go on for ever while the heartbeat succeeds.
COMMIT_TRIES: Final = 60
COMMIT_PAUSE_SECONDS: Final = 1.0


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
    keyring: Keyring
    log_origin: LogOrigin
    models: Models | None = None
    slots: Slots = field(default_factory=lambda: Slots(1))


@dataclass(frozen=True, slots=True)
class Steps:
    """One attempt at one task, in a folder of its own."""

    shop: Workshop
    held: Claim
    workspace: Workspace

    async def take(self) -> Verdict | None:
        """Do the task and commit it; return why it failed, if it did. Raises Fenced, and what befalls it."""
        match self.held.kind:
            case TaskKind.FETCH:
                await self._fetch()
                return None
            case TaskKind.READ:
                return await self._read()
            case TaskKind.FINISH:
                return await self._finish()
            case unknown:
                assert_never(unknown)

    async def _fetch(self) -> None:
        held, target = self.held, self.workspace.document
        url = source_url(held.source, self.shop.opener, held.job_id)
        fetched = await fetch(url, policy=self.shop.fetching, into=target)
        head = await asyncio.to_thread(_head, target)
        if not held.store:
            await references.expect(self.shop.db, held.environment_id, fetched.sha256)
        await self.shop.blobs.put_file(held.environment_id, target, fetched.sha256)
        document = SourceDocument(
            new_id("file"),
            fetched.sha256,
            fetched.size_bytes,
            fetched.filename,
            media_type_of(head, fetched.filename),
        )
        await self._commit(lambda: execution.document_arrived(self.shop.db, held, document))
        self._ring()

    async def _read(self) -> Verdict | None:
        async with self._gathering() as gathering:
            return await self._read_into(gathering)

    async def _read_into(self, gathering: Gathering) -> Verdict | None:
        spec = self._spec()
        reading = self._listen(spec, gathering)
        # A child that has read all pages finishes them too, unless a model is to be asked in between.
        reading.finishes = self._model(spec) is None
        known = await execution.checkpoints(self.shop.db, self.held, reading.reading_key)
        have = await self._usable(known, spec, reading.reading_key)
        reading.expect(have)
        reading.see_images({page: known[page] for page in have})
        if not reading.is_accounted:
            profile = _profile(spec.options.ocr)
            request = self._read_request(spec, sorted(have), finishes=reading.finishes)
            if request["finish"]:
                request |= await self._others(spec)
            outcome = await self._run_child(request, reading, profile)
            if outcome.failure is not None:
                await reading.flush()
                return verdict.of_outcome(outcome, stage=reading.stage, page=reading.page)
        return await self._end_reading(reading, spec)

    async def _end_reading(self, reading: Reading, spec: Spec) -> Verdict | None:
        if not reading.is_accounted or reading.is_whole != (reading.result is not None):
            return Verdict(verdict.BAD_OUTPUT, verdict.TRIES[Ending.CRASHED])
        if reading.result is not None:
            self.shop.slots.saw_short()
            return await self._complete(reading, reading.result, sorted(reading.failed))
        news, partial = reading.news(), spec.options.allow_partial
        await self._commit(
            lambda: execution.finish_reading(
                self.shop.db, self.held, news, reading.reading_key, allow_partial=partial
            )
        )
        self._ring()
        return None

    async def _usable(self, known: Mapping[int, StoredPage], spec: Spec, key: str) -> set[int]:
        """Return the pages that need no reading, put where the child may need them.

        Of a document that is not opened yet these are of one batch at most: if that is all of it, the
        child finishes it too.
        """
        held = self.held
        if held.pages is not None:
            return known.keys() & set(held.pages)
        try:
            asked = select_pages(spec.options.pages, max(known, default=0), len(known))
        except EngineError:  # the child knows how many pages there are, and what to say
            asked = sorted(known)
        have = {page: known[page].sha256 for page in asked[: self.shop.policy.batch_pages] if page in known}
        lost = await self.workspace.put_pages(self.shop.blobs, held.environment_id, have)
        if lost:
            await execution.forget_pages(self.shop.db, held, key, lost)
        return have.keys() - lost

    def _model(self, spec: Spec) -> str | None:
        return model_for(self.shop.models, spec.operation, spec.options)

    def _read_request(self, spec: Spec, have: list[int], *, finishes: bool) -> dict[str, object]:
        held = self.held
        return {
            "kind": "read",
            "spec": spec.model_dump(mode="json"),
            "filename": None if held.document is None else held.document.filename,
            "pages": None if held.pages is None else list(held.pages),
            "batch": self.shop.policy.batch_pages,
            "have": have,
            "finish": held.pages is None and finishes,
            "seal": held.store,
        }

    async def _finish(self) -> Verdict | None:
        async with self._gathering() as gathering:
            return await self._finish_into(gathering)

    async def _finish_into(self, gathering: Gathering) -> Verdict | None:
        held, spec = self.held, self._spec()
        reading = self._listen(spec, gathering)
        reading.stage = "finish"
        pages, failed = await execution.batches(self.shop.db, held)
        known = await execution.checkpoints(self.shop.db, held, reading.reading_key)
        good = sorted(set(pages) - {page["page"] for page in failed})
        have = {page: known[page].sha256 for page in good if page in known}
        lost = await self.workspace.put_pages(self.shop.blobs, held.environment_id, have)
        if gone := sorted(set(good) - have.keys() | lost):
            return await self._read_again(gone, reading.reading_key)
        reading.selected, reading.page_count = pages, held.page_count
        reading.see_images(known)
        request: dict[str, object] = {
            "kind": "finish",
            "spec": spec.model_dump(mode="json"),
            "media_type": held.media_type,
            "page_count": held.page_count,
            "pages": good,
            "failed": failed,
            "seal": held.store,
            "filename": None if held.document is None else held.document.filename,
            **await self._others(spec),
        }
        if self.shop.models is not None and (model := self._model(spec)) is not None:
            asking = Asking(self.shop.models, model, spec, held)
            if (failure := await asking.converse(request, reading, self._run_child)) is not None:
                return failure
            request |= asking.to_json()
        reading.await_result()
        outcome = await self._run_child(request, reading)
        if outcome.failure is not None:
            return verdict.of_outcome(outcome, stage=reading.stage, page=reading.page)
        if reading.result is None:
            return Verdict(verdict.BAD_OUTPUT, verdict.TRIES[Ending.CRASHED])
        return await self._complete(reading, reading.result, [page["page"] for page in failed])

    async def _read_again(self, pages: list[int], key: str) -> Verdict | None:
        held, shop = self.held, self.shop
        log.warning("pages.gone", **_ids(held), pages=len(pages))
        if not await execution.read_again(shop.db, held, key, pages, shop.policy):
            return Verdict(verdict.STORAGE)
        self._ring()
        return None

    async def _run_child(
        self, request: Mapping[str, object], reading: Reading, profile: Profile = PARSE
    ) -> Outcome:
        held, document = self.held, await self._document()
        outcome = await self.shop.host.run(
            request,
            document=document,
            workspace=self.workspace.inner,
            walls=self.shop.walls,
            on_message=reading.hear,
            profile=profile,
        )
        metrics.CHILDREN.labels(outcome.ending).inc()
        if outcome.ending not in (Ending.FINISHED, Ending.REFUSED):
            log.warning(
                "child.ended", **_ids(held), ending=outcome.ending, signal=outcome.signal, at=outcome.trace
            )
        return outcome

    async def _others(self, spec: Spec) -> dict[str, object]:
        """Put further documents where the child looks, and return what to tell it of them."""
        shop, job_ids = self.shop, other_jobs(spec.operation, spec.parameters)
        if not job_ids:
            return {}
        return {
            "others": await others.put(
                shop.db, shop.blobs, self.workspace, self.held, job_ids, shop.limits, shop.engine_versions
            )
        }

    async def _document(self) -> Path | None:
        """Put the file where the child is given it, if it needs it: to read, or to finish some operations."""
        held = self.held
        parameters = held.spec.get("parameters", {})
        if held.kind is not TaskKind.READ and not needs_source(Operation(held.operation), parameters):
            return None
        assert held.document is not None
        if not self.workspace.document.exists():
            await self.workspace.put_document(self.shop.blobs, held.environment_id, held.document.sha256)
        return self.workspace.document

    async def _complete(self, reading: Reading, result: StoredBlob, failed: Sequence[int]) -> Verdict | None:
        try:
            sealed = await self._sealed(reading, failed) if self.held.store else None
        except OutputRejected:
            return Verdict(verdict.BAD_OUTPUT, verdict.TRIES[Ending.CRASHED])
        await self._commit_result(reading, result, sealed)
        return None

    async def _sealed(self, reading: Reading, failed: Sequence[int]) -> SealedBundle:
        shop, began = self.shop, time.monotonic()
        good = sorted(set(reading.selected or ()) - set(failed))
        read = Read(reading.page_count or len(good), good, failed, reading.images)
        sealer = Sealer(shop.blobs, shop.keyring, shop.log_origin, shop.engine_versions)
        made = tuple(reading.artifacts.values())
        sealed = await sealer.seal(self.held, reading.gathering, read, made, reading.engine)
        metrics.SEAL_SECONDS.observe(time.monotonic() - began)
        return sealed

    async def _commit_result(self, reading: Reading, result: StoredBlob, sealed: SealedBundle | None) -> None:
        news, pages = reading.news(), len(reading.selected or ())
        await self._commit(
            lambda: execution.complete(
                self.shop.db,
                self.held,
                news=news,
                reading_key=reading.reading_key,
                result_sha256=result.sha256,
                result_size_bytes=result.size_bytes,
                pages=pages,
                policy=self.shop.policy,
                artifacts=tuple(reading.artifacts.values()),
                flagged=reading.flagged,
                children=reading.children,
                sealed=sealed,
            )
        )
        seconds = self.held.age_seconds + time.monotonic() - self.held.asked_at
        metrics.JOB_SECONDS.labels(self.held.operation).observe(seconds)
        if sealed is not None:
            metrics.BUNDLES_SEALED.labels(self.held.operation).inc()
            metrics.BUNDLE_BYTES.inc(sealed.contents.size_bytes)
        if reading.children:
            self._ring()
        log.info("job.completed", **_ids(self.held), pages=pages)

    async def _commit(self, write: Callable[[], Awaitable[None]]) -> None:
        await commit(self.shop.db, self.held, write)

    def _ring(self) -> None:
        """Say that a committed task may have left another one to do."""
        self.shop.doorbell.ring(f"{self.held.task_id}.{self.held.attempt}.done")

    def _gathering(self) -> Gathering:
        shop = self.shop
        return Gathering(shop.db, shop.blobs, self.held, self.workspace, shop.limits.output_bytes)

    def _listen(self, spec: Spec, gathering: Gathering) -> Reading:
        key = spec.reading_key(dict(self.shop.engine_versions))
        return Reading(
            db=self.shop.db,
            blobs=self.shop.blobs,
            held=self.held,
            workspace=self.workspace,
            reading_key=key if self.held.store else private_reading_key(self.held.job_id, key),
            policy=self.shop.policy,
            doorbell=self.shop.doorbell,
            limits=self.shop.limits,
            gathering=gathering,
        )

    def _spec(self) -> Spec:
        held = self.held
        options = Options.model_validate(held.spec.get("options", {}))
        if held.sealed_password is not None:
            password = self.shop.opener.open(held.sealed_password, held.job_id).decode()
            options = options.model_copy(update={"password": password})
        return Spec(
            operation=Operation(held.operation),
            options=options,
            json_schema=held.spec.get("json_schema"),
            parameters=held.spec.get("parameters", {}),
            limits=self.shop.limits,
            review=held.spec.get("review"),
        )


@lru_cache(maxsize=256)
def _profile(ocr: OcrOptions) -> Profile:
    """Remember what was found: to look for what is installed costs more than the rest of a short task."""
    return Profile.of(programs(ocr))


async def commit(db: Database, held: Claim, write: Callable[[], Awaitable[None]]) -> None:
    """Commit, and settle an unclear answer: a repeat is fenced, and the row says by whom.

    A database that is away is waited for. Raises Fenced.
    """
    unclear = False
    for tries_left in reversed(range(COMMIT_TRIES)):
        try:
            if unclear and await execution.is_done(db, held):
                return
            await write()
        except Exception as error:
            if tries_left == 0 or not is_unavailable(error):
                raise
            log.warning("commit.delayed", **_ids(held), error=type(error).__name__)
            unclear = True
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)
        else:
            return


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _ids(held: Claim) -> dict[str, Any]:
    return {"job_id": held.job_id, "task_id": held.task_id}
