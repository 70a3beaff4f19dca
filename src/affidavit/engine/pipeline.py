"""Run the stages: bytes and a specification to pages, pages to a result."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from affidavit.engine import ocr as readers
from affidavit.engine import operations
from affidavit.engine.errors import EngineError, ModelLimitReached, NoRoom, PageFailed
from affidavit.engine.hearing import Asked, Hearing, judge
from affidavit.engine.model import ModelRequest, Replies
from affidavit.engine.offsets import PAGE_SEPARATOR, page_offsets
from affidavit.engine.operations.port import Artifact, Context, Finished
from affidavit.engine.operations.shapes.children import EVERY
from affidavit.engine.ports import OcrEngine, Progress
from affidavit.engine.result import (
    ArtifactInfo,
    Block,
    Cell,
    Document,
    EngineInfo,
    OcrInfo,
    Page,
    PageError,
    Range,
    Result,
    ResultPage,
    Table,
    Usage,
    Word,
)
from affidavit.engine.source import Source
from affidavit.engine.spec import NO_MODEL, Operation, Spec, select_pages
from affidavit.engine.stages import fields, model_fields, planted
from affidavit.engine.stages.completeness import account
from affidavit.engine.stages.fields import Extraction
from affidavit.engine.stages.ingest import OpenFile, open_file
from affidavit.engine.stages.ocr import spelled
from affidavit.engine.stages.reading import PageReading, read_page
from affidavit.engine.stages.render import PageImage

__all__ = [
    "Concluded",
    "Context",
    "OpenedDocument",
    "PageReading",
    "Source",
    "conclude",
    "finish",
    "open_document",
    "placed_pages",
    "prompts",
    "read",
]


def _silent(stage: str, message: str, *, page: int | None = None) -> None:
    """Listen to no progress."""


@dataclass(slots=True)
class OpenedDocument:
    """A document whose pages can be read, in any order."""

    file: OpenFile
    spec: Spec
    progress: Progress = _silent
    engine: OcrEngine | None = None

    @property
    def media_type(self) -> str:
        return self.file.media_type

    @property
    def page_count(self) -> int:
        return self.file.page_count

    def selected(self) -> list[int]:
        """Return the pages asked for. Raises PageRangeInvalid, PageLimitExceeded."""
        return select_pages(self.spec.options.pages, self.page_count, self.spec.limits.pages)

    def read_page(self, number: int) -> PageReading:
        """Read a page by its 1-based number. Raises EngineError, with the page in it."""
        try:
            return read_page(self.file.sheet(number), self.spec, self._engine, self.progress)
        except EngineError as error:
            error.page = error.page or number
            raise
        except OSError as error:
            raise NoRoom if error.errno in NoRoom.errnos else PageFailed("OSError", page=number) from error
        except Exception as error:  # one page must not take the others with it
            raise PageFailed(type(error).__name__, page=number) from error

    def _engine(self) -> OcrEngine:
        if self.engine is None:
            self.engine = readers.choose(self.spec.options.ocr)
        return self.engine


def open_document(
    source: Source, spec: Spec, ocr: OcrEngine | None = None, progress: Progress = _silent
) -> OpenedDocument:
    """Open the document. `ocr` replaces the engine that the options choose. Raises EngineError."""
    return OpenedDocument(open_file(source, spec), spec, progress, ocr)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """The pages that were asked for, and the images of those that have one, by page number."""

    document: Document
    images: Mapping[int, PageImage] = field(default_factory=dict)


def read(
    source: Source, spec: Spec, ocr: OcrEngine | None = None, progress: Progress = _silent
) -> ReadDocument:
    """Read all pages that the specification asks for; what fails is listed in the document."""
    opened = open_document(source, spec, ocr, progress)
    pages: list[Page] = []
    failed: list[PageError] = []
    images: dict[int, PageImage] = {}
    for outcome in _outcomes(opened):
        if isinstance(outcome, PageError):
            failed.append(outcome)
            continue
        pages.append(outcome.page)
        if outcome.image is not None:
            images[outcome.page.number] = outcome.image
    document = Document(
        media_type=opened.media_type,
        page_count=opened.page_count,
        pages=tuple(pages),
        failed=tuple(failed),
    )
    return ReadDocument(document, images)


def _outcomes(opened: OpenedDocument) -> Iterator[PageReading | PageError]:
    for number in opened.selected():
        try:
            yield opened.read_page(number)
        except EngineError as error:
            yield PageError(page=number, code=error.code, message=error.message)


@dataclass(frozen=True, slots=True)
class Concluded:
    """A result, and the files that were made beside it."""

    result: Result
    artifacts: tuple[Artifact, ...] = ()


def prompts(context: Context, replies: Replies = ()) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked next, given its replies so far; nothing when it can be finished.

    Raises ModelLimitReached when that is more than one job may ask.
    """
    spec = context.spec
    wanted = () if spec.options.model == NO_MODEL else _prompts(context, replies)
    if len(wanted) > spec.limits.model_requests:
        raise ModelLimitReached
    return wanted


def _prompts(context: Context, replies: Replies) -> tuple[ModelRequest, ...]:
    if context.spec.operation is Operation.EXTRACT:
        return model_fields.prompts(context.document, context.spec, replies)
    entry = operations.entry_of(context.spec.operation)
    if entry is None:
        return ()
    ask = getattr(entry.load(), "prompts", None)
    return () if ask is None else tuple(ask(context, entry.parse(context.spec.parameters), replies))


def finish(document: Document, spec: Spec, ocr: OcrEngine | None = None, replies: Replies = ()) -> Result:
    """Make the result of a document's pages: joined, with ranges into the whole, and what was asked for.

    `ocr` names the models of the engine that read the pages, where the caller has it at hand.
    """
    return conclude(Context(document, spec), ocr, replies).result


def conclude(
    context: Context, ocr: OcrEngine | None = None, replies: Replies = (), asked: Asked | None = None
) -> Concluded:
    """Do as `finish`, with all that the operation may need, and return its files too.

    `asked` is what is known of the model that gave the replies. Raises ModelError when one that the
    caller had named left something unanswered.
    """
    document, spec = context.document, context.spec
    offsets = page_offsets(document.pages)
    heard = _heard(context, replies, asked)
    found = _extracted(document, spec, replies)
    done = _operated(context, replies)
    result = Result(
        operation=spec.operation.value,
        media_type=document.media_type,
        markdown=PAGE_SEPARATOR.join(page.markdown for page in document.pages),
        pages=tuple(placed_pages(document, keeps_words=spec.options.words)),
        tables=tuple(
            _moved_table(table, offset)
            for page, offset in zip(document.pages, offsets, strict=True)
            for table in page.tables
        ),
        completeness=account(document),
        warnings=heard.warnings,
        engine=EngineInfo(version=version(), ocr=_ocr_info(document, spec, ocr), model=heard.info),
        usage=Usage(pages=len(document.pages)),
        data=found.data,
        fields=found.fields,
        ungrounded_fields=found.ungrounded_fields,
        schema_violations=found.schema_violations,
        confidence=found.confidence,
        data_schema=spec.json_schema,
        **done.members,
    )
    return Concluded(result, done.artifacts)


@dataclass(frozen=True, slots=True)
class _Operated:
    """The member of the result that an operation fills, if it is one of those, and its files."""

    members: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()


def _operated(context: Context, replies: Replies) -> _Operated:
    entry = operations.entry_of(context.spec.operation)
    if entry is None:
        return _Operated()
    finished: Finished = entry.load().run(context, entry.parse(context.spec.parameters), replies)
    members: dict[str, Any] = {entry.member: finished.outcome}
    if finished.artifacts:
        members["artifacts"] = tuple(_about(artifact) for artifact in finished.artifacts)
    return _Operated(members, finished.artifacts)


def children(context: Context, result: Result) -> Iterator[dict[str, object]]:
    """Yield which parts of a split are to become jobs, each with the wish of the caller that it meets."""
    wishes = context.spec.parameters.get("child_jobs", {})
    if context.spec.operation is not Operation.SPLIT or not wishes:
        return
    for part in result.split.parts:
        wish = part.topic if part.topic in wishes else EVERY
        if wish in wishes:
            yield {"wish": wish, "topic": part.topic, "part": part.number, "pages": part.range}


def _about(artifact: Artifact) -> ArtifactInfo:
    return ArtifactInfo(
        name=artifact.name,
        media_type=artifact.media_type,
        size_bytes=len(artifact.data),
        sha256=hashlib.sha256(artifact.data).hexdigest(),
    )


_NOTHING: Final = Extraction(
    data=None, fields={}, ungrounded_fields=(), schema_violations=(), confidence=None
)


def _heard(context: Context, replies: Replies, asked: Asked | None) -> Hearing:
    if asked is None:
        return Hearing()
    requests = () if asked.failure is not None else prompts(context)
    heard = judge(requests, replies, asked, context.spec.options)
    return replace(heard, warnings=(*heard.warnings, *planted.warnings_of(context.document)))


def _extracted(document: Document, spec: Spec, replies: Replies) -> Extraction:
    if spec.operation is not Operation.EXTRACT:
        return _NOTHING
    schema, strict = spec.json_schema or {}, spec.options.strict
    if not any(reply.text for reply in replies):
        return fields.extract(document, schema, strict=strict)
    return model_fields.combined(document, spec, replies)


def placed_pages(document: Document, *, keeps_words: bool = True) -> Iterator[ResultPage]:
    """Yield the pages as a result has them, one at a time: their ranges count from the document's start."""
    for page, offset in zip(document.pages, page_offsets(document.pages), strict=True):
        yield _placed(page, offset, keeps_words=keeps_words)


def _placed(page: Page, offset: int, *, keeps_words: bool) -> ResultPage:
    """Return the page with its ranges counted from the start of the document's Markdown."""
    return ResultPage(
        number=page.number,
        width=page.width,
        height=page.height,
        rotation=page.rotation,
        upright=page.upright,
        dpi=page.dpi,
        source=page.source,
        range=_shifted(page.range, offset),
        blocks=tuple(_moved_block(block, offset) for block in page.blocks),
        lines=page.lines if keeps_words else None,
        words=tuple(_moved(word, offset) for word in page.words) if keeps_words else None,
        text_layer_words=page.text_layer_words,
        ocr_engine=page.ocr_engine,
        damaged=page.damaged,
        warnings=page.warnings,
    )


Ranged = TypeVar("Ranged", Word, Cell, Table)


def _moved(value: Ranged, offset: int) -> Ranged:
    if value.range is None or not offset:  # most documents are of one page, and a copy takes 4 µs
        return value
    return value.model_copy(update={"range": _shifted(value.range, offset)})


def _moved_block(block: Block, offset: int) -> Block:
    return block.model_copy(update={"range": _shifted(block.range, offset)})


def _moved_table(table: Table, offset: int) -> Table:
    moved = _moved(table, offset)
    return moved.model_copy(update={"cells": tuple(_moved(cell, offset) for cell in table.cells)})


def _shifted(span: Range, offset: int) -> Range:
    return span[0] + offset, span[1] + offset


def _ocr_info(document: Document, spec: Spec, ocr: OcrEngine | None) -> OcrInfo:
    used = sorted({page.ocr_engine for page in document.pages if page.ocr_engine})
    if not used:
        return OcrInfo()
    engine = ocr or readers.choose(spec.options.ocr)
    models = engine.models() if spelled(engine) in used else {}
    return OcrInfo(engines=tuple(used), models=models)


def version() -> str:
    """Return the version of this package."""
    return importlib.metadata.version("affidavit")
