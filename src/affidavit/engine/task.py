"""The entry point of a walled child: read a batch of pages, or finish a document.

`run` is given a request and tells what it does in messages; both are plain JSON, so that nothing of
a child that was taken over is ever unpickled. Files are left in the workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pymupdf

from affidavit.engine import evidence, pipeline
from affidavit.engine.errors import EngineError, NoRoom, PagesFailed
from affidavit.engine.hearing import Asked
from affidavit.engine.model import ModelReply, Replies
from affidavit.engine.ocr import warming
from affidavit.engine.output import Output
from affidavit.engine.pipeline import Context, OpenedDocument, PageReading, Source
from affidavit.engine.result import Document, Page, PageError
from affidavit.engine.review import flagged
from affidavit.engine.spec import OcrMode, OcrOptions, Operation, Options, Spec, page_ranges

Emit = Callable[[Mapping[str, object]], None]
MESSAGE_LENGTH: Final = 2000  # characters; a line of the pipe holds 64 KiB
OUT_OF_MEMORY: Final = "ENGINE_OUT_OF_MEMORY"  # the code that a whole task has when it runs out


def run(request: Mapping[str, Any], document: int | None, workspace: Path, emit: Emit) -> None:
    """Do what `request` asks (`read`, `prompt` or `finish`) and end with `done`, or `error` for a refusal.

    `document` is a descriptor of the file, None to finish what needs no bytes. An exception is a crash.
    """
    spec = Spec.model_validate(request["spec"])
    output = Output(workspace, spec.limits.output_bytes)
    source = None if document is None else Source.from_descriptor(document, request.get("filename"))
    try:
        match request["kind"]:
            case "read":
                assert source is not None
                Reading(spec, output, emit).run(request, source)
            case "prompt":
                prompt(_context(request, spec, source, output), _replies(request), output, emit)
            case "finish":
                context = _context(request, spec, source, output)
                finish(context, output, emit, _replies(request), _asked(request), seals=_seals(request))
            case kind:
                raise ValueError(f"no task is of kind {kind}")
    except EngineError as error:
        emit(refusal(error))
    else:
        emit({"type": "done"})


@dataclass(slots=True)
class Reading:
    """The run of one `read` task: pages that were read and pages that failed, so far."""

    spec: Spec
    output: Output
    emit: Emit
    pages: dict[int, Page] = field(default_factory=dict)
    failed: list[PageError] = field(default_factory=list)

    def run(self, request: Mapping[str, Any], source: Source) -> None:
        """Read the batch, and finish when it is all there is. Raises EngineError."""
        self._progress("open", "Open the document")
        opened = pipeline.open_document(source, self.spec, progress=self._progress)
        batch = request["pages"]
        is_whole = False
        if batch is None:
            selected = opened.selected()
            self._tell_opened(opened, selected)
            batch = selected[: request["batch"]]
            is_whole = request["finish"] and len(batch) == len(selected)
        for number in batch:
            if number not in request["have"]:
                self._read(opened, number, keeps=is_whole)
        if is_whole:
            document = self._document(opened, batch)
            context = Context(document, self.spec, source, _others(request, self.output))
            finish(context, self.output, self.emit, seals=_seals(request))

    def _document(self, opened: OpenedDocument, batch: list[int]) -> Document:
        lost = {error.page for error in self.failed}
        pages = (
            self.pages.get(number) or self.output.read_page(number) for number in batch if number not in lost
        )
        return Document(
            media_type=opened.media_type,
            page_count=opened.page_count,
            pages=tuple(pages),
            failed=tuple(self.failed),
        )

    def _read(self, opened: OpenedDocument, number: int, *, keeps: bool) -> None:
        try:
            reading = opened.read_page(number)
        except NoRoom:
            raise  # the page is not to blame, and the others would fare no better
        except EngineError as error:
            self._fail(number, error)
            return
        self._keep(reading)
        if keeps:
            self.pages[number] = reading.page

    def _keep(self, reading: PageReading) -> None:
        page = self.output.write_page(reading.page)
        image = None
        if reading.image is not None:
            file = self.output.write_image(reading.page.number, reading.image.data)
            image = {**file.to_json(), "width": reading.image.width, "height": reading.image.height}
        self.emit(
            {
                "type": "page",
                "number": reading.page.number,
                **page.to_json(),
                "source": reading.page.source.value,
                "image": image,
            }
        )

    def _fail(self, number: int, error: EngineError) -> None:
        is_memory = isinstance(error.__cause__, MemoryError)
        code = OUT_OF_MEMORY if is_memory else error.code
        failed = PageError(page=number, code=code, message=error.message[:MESSAGE_LENGTH])
        self.failed.append(failed)
        self.emit({"type": "page_failed", "number": number, "code": code, "message": failed.message})

    def _tell_opened(self, opened: OpenedDocument, selected: list[int]) -> None:
        self.emit(
            {
                "type": "opened",
                "media_type": opened.media_type,
                "page_count": opened.page_count,
                "selected": page_ranges(selected),
            }
        )

    def _progress(self, stage: str, message: str, *, page: int | None = None) -> None:
        self.emit({"type": "progress", "stage": stage, "message": message, "page": page})


def prompt(context: Context, replies: Replies, output: Output, emit: Emit) -> None:
    """Write what a language model is to be asked next, given its replies so far, and tell of it.

    Raises ModelLimitReached, OutputLimitExceeded, and what the operation raises.
    """
    _refuse_lost_pages(context)
    emit({"type": "progress", "stage": "model", "message": "Ask the language model", "page": None})
    requests = pipeline.prompts(context, replies)
    emit({"type": "requests", **output.write_requests(requests).to_json(), "count": len(requests)})


def finish(
    context: Context,
    output: Output,
    emit: Emit,
    replies: Replies = (),
    asked: Asked | None = None,
    *,
    seals: bool = False,
) -> None:
    """Write the result of a document, and files made beside it, and tell of them.

    `replies` are those to what `prompt` wrote, `asked` what is known of the model: None, and there is none.
    With `seals` the files of a bundle are written too. Raises PagesFailed, OutputLimitExceeded, and what the
    operation raises.
    """
    _refuse_lost_pages(context)
    emit({"type": "progress", "stage": "finish", "message": "Assemble the result", "page": None})
    concluded = pipeline.conclude(context, replies=replies, asked=asked)
    written = output.write_result(concluded.result)
    for child in pipeline.children(context, concluded.result):
        emit({"type": "child", **child})
    for number, artifact in enumerate(concluded.artifacts, start=1):
        file = output.write_artifact(number, artifact.data)
        about = {"name": artifact.name, "media_type": artifact.media_type}
        emit({"type": "artifact", **about, **file.to_json()})
    told: dict[str, object] = {"complete": concluded.result.completeness.ok}
    if seals:
        for plain in evidence.write(context.document, concluded.result, output):
            emit({"type": "evidence", "file": plain.name, "size": plain.size})
        told["engine"] = concluded.result.engine.model_dump(mode="json")
    if context.spec.review is not None:
        told["flagged"] = list(flagged(concluded.result, context.spec.review))
    emit({"type": "result", **written.to_json(), **told})


def _refuse_lost_pages(context: Context) -> None:
    failed = context.document.failed
    if failed and not context.spec.options.allow_partial:
        raise PagesFailed([error.page for error in failed], failed[0].message)


def warm_up() -> None:
    """Load all that a task needs, once, in the process that forks the children.

    Models first; then a page goes through the stages, since many modules are loaded on first use. A
    reader that does not work here is left for the task that asks for it to report.
    """
    warming.warm_up()
    with pymupdf.open() as pdf:
        pdf.new_page(width=300, height=100).insert_text((20, 50), "Total 119,00")
        source = Source(pdf.tobytes())
    schema = {"type": "object", "properties": {"total": {"type": "number"}}}
    for mode in (OcrMode.NEVER, OcrMode.ALWAYS):
        spec = Spec(
            operation=Operation.EXTRACT, json_schema=schema, options=Options(ocr=OcrOptions(mode=mode))
        )
        with suppress(EngineError):
            read = pipeline.read(source, spec)
            pipeline.finish(read.document, spec)


def _seals(request: Mapping[str, Any]) -> bool:
    return bool(request.get("seal"))


def _replies(request: Mapping[str, Any]) -> Replies:
    return tuple(ModelReply.model_validate(reply) for reply in request.get("replies", ()))


def _asked(request: Mapping[str, Any]) -> Asked | None:
    asked = request.get("asked")
    return None if asked is None else Asked.model_validate(asked)


def _context(request: Mapping[str, Any], spec: Spec, source: Source | None, output: Output) -> Context:
    return Context(_stored(request, output), spec, source, _others(request, output))


def _others(request: Mapping[str, Any], output: Output) -> tuple[Document, ...]:
    return tuple(_stored(other, output) for other in request.get("others", ()))


def _stored(request: Mapping[str, Any], output: Output) -> Document:
    folder = request.get("folder", "pages")
    return Document(
        media_type=request["media_type"],
        page_count=request["page_count"],
        pages=tuple(output.read_page(number, folder) for number in request["pages"]),
        failed=tuple(PageError.model_validate(error) for error in request["failed"]),
    )


def refusal(error: EngineError) -> dict[str, object]:
    """Return the last message of a child that was not able to do its task."""
    return {
        "type": "error",
        "code": error.code,
        "category": error.category.value,
        "message": error.message[:MESSAGE_LENGTH],
        "page": error.page,
        "retryable": error.retryable,
    }
