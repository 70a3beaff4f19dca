"""Apply corrections to a stored result, behind the same walls as reading: the API's side of `review_task`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from affidavit.engine.spec import TEXT_BYTES
from affidavit.errors import FieldError, RequestInvalid, Unavailable
from affidavit.infra.blobs import BlobStore
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.ids import new_id
from affidavit.infra.sandbox import Identity, SandboxHost, Walls
from affidavit.jobs.claim import StoredBlob
from affidavit.jobs.workspace import OutputRejected, Workspace, open_workspace

log = structlog.get_logger()

ENTRY: Final = "affidavit.engine.review_task:run"
MACHINE: Final = "machine.json.zst"  # as the entry calls it
EXTRACTION: Final = "extraction.json"  # as the entry calls it too
FAILED: Final = "The corrections could not be applied now. Send the review again."
INVALID: Final = "REVIEW_CORRECTIONS_INVALID"
AT_ONCE: Final = 2  # each is a process of its own, for a second or two


@dataclass(frozen=True, slots=True)
class Amendment:
    """What to amend: the machine's result, the pages it was read from, and all corrections.

    With `seal` what is extracted then is wanted by itself, for a bundle.
    """

    environment_id: str
    machine_sha256: str
    pages: Mapping[int, str]
    schema: Mapping[str, Any]
    corrections: Sequence[Mapping[str, Any]]
    seal: bool = False


@dataclass(frozen=True, slots=True)
class Amended:
    """What came of it: the result, stored but not yet referenced, and the JSON for a bundle, if asked for.

    The JSON is what a walled child wrote: nobody outside of walls reads it.
    """

    result: StoredBlob
    extraction: bytes | None = None


@dataclass(slots=True)
class Amender:
    """Makes amended results. Reviews are rare, so each has a host of its own that ends with it."""

    blobs: BlobStore
    scratch: Path
    walls: Walls
    user: Identity | None
    wrapping: Wrapping
    readable: tuple[Path, ...]
    limit: int  # bytes of a result
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def amend(self, wanted: Amendment) -> Amended:
        """Return the amended result.

        Raises RequestInvalid REVIEW_CORRECTIONS_INVALID with an error for each correction at fault,
        Unavailable when the child did not do it, and what the stores raise.
        """
        async with self._gate, self._folder() as workspace:
            machine = workspace.inner / MACHINE
            await self.blobs.materialize(wanted.environment_id, wanted.machine_sha256, machine)
            lost = await workspace.put_pages(self.blobs, wanted.environment_id, wanted.pages)
            pages = [] if lost else sorted(wanted.pages)
            return await self._run(wanted, workspace, pages)

    def _folder(self) -> Any:
        return open_workspace(self.scratch, new_id("review"))

    async def _run(self, wanted: Amendment, workspace: Workspace, pages: list[int]) -> Amended:
        request = {
            "schema": wanted.schema,
            "corrections": list(wanted.corrections),
            "pages": pages,
            "limit": self.limit,
            "seal": wanted.seal,
        }
        said = _Said()
        host = self._host(workspace)
        try:
            outcome = await host.run(
                request, document=None, workspace=workspace.inner, walls=self.walls, on_message=said.hear
            )
        finally:
            await host.close()
            await asyncio.to_thread(shutil.rmtree, self._host_folder(workspace), ignore_errors=True)
        if outcome.failure is not None and outcome.failure.code == INVALID:
            raise RequestInvalid(outcome.failure.message, code=INVALID, errors=said.faults)
        if outcome.failure is not None or said.result is None:
            log.warning("amendment.failed", ending=outcome.ending, signal=outcome.signal, at=outcome.trace)
            raise Unavailable(FAILED)
        try:
            result = await self._store(wanted.environment_id, workspace, said.result)
            extraction = await asyncio.to_thread(_left, workspace, said.evidence) if wanted.seal else None
        except (KeyError, TypeError, ValueError, OutputRejected):
            raise Unavailable(FAILED) from None
        return Amended(result, extraction)

    async def _store(self, environment_id: str, workspace: Workspace, told: Mapping[str, Any]) -> StoredBlob:
        size = int(told["size"])
        content = await workspace.take(str(told["file"]), size, str(told["sha256"]), self.limit)
        return StoredBlob(await self.blobs.put_bytes(environment_id, content), size)

    def _host(self, workspace: Workspace) -> SandboxHost:
        return SandboxHost(
            entry=ENTRY,
            warm_up=None,
            environment={},
            user=self.user,
            scratch=self._host_folder(workspace),
            readable=self.readable,
            wrapping=self.wrapping,
        )

    def _host_folder(self, workspace: Workspace) -> Path:
        return workspace.outer.with_name(f"{workspace.outer.name}-host")


def _left(workspace: Workspace, told: Mapping[str, Any]) -> bytes:
    """Return what the child left for the bundle, unread. Raises OutputRejected, KeyError, ValueError."""
    size = int(told["size"])
    with workspace.open_left(EXTRACTION) as file:
        content = file.read(TEXT_BYTES + 1)
    if len(content) != size or size > TEXT_BYTES:
        raise OutputRejected
    return content


@dataclass(slots=True)
class _Said:
    """What a child has told."""

    result: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    faults: list[FieldError] = field(default_factory=list)

    async def hear(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "result":
                self.result = message
            case "evidence":
                self.evidence = message
            case "fault":
                self.faults.append(FieldError(str(message["path"]), str(message["message"]), "correction"))
