"""Do several operations over one reading, the later ones for the parts that a split has made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from affidavit.engine import pipeline
from affidavit.engine.model import ModelReply, ModelRequest, Replies
from affidavit.engine.offsets import page_offsets
from affidavit.engine.operations.port import Artifact, Context, Finished
from affidavit.engine.operations.shapes.pipeline import (
    EVERY,
    ExtractStep,
    PipelineOutcome,
    PipelineParameters,
    Step,
    StepOutcome,
    StepRun,
)
from affidavit.engine.operations.shapes.split import Part
from affidavit.engine.pipeline import Concluded
from affidavit.engine.result import Citation, Document, Result
from affidavit.engine.spec import Operation

NOT_OF_RUNS: Final = frozenset({"part", "pages"})  # the members of a run that no result has


def prompts(context: Context, parameters: PipelineParameters, replies: Replies) -> Sequence[ModelRequest]:
    """Return what the steps ask. Those after a split wait until it knows its parts."""
    asked: list[ModelRequest] = []
    parts: Sequence[Part] = ()
    for number, step in enumerate(parameters.steps, start=1):
        for turn in _turns(context, number, step, parts):
            own = pipeline.prompts(turn.context, turn.own(replies))
            asked += [request.model_copy(update={"id": turn.prefix + request.id}) for request in own]
        if step.operation is Operation.SPLIT:
            if asked:
                return asked
            parts = _parts(context, number, step, replies)
    return asked


def run(context: Context, parameters: PipelineParameters, replies: Replies) -> Finished:
    """Do the steps in their order."""
    outcomes: list[StepOutcome] = []
    artifacts: list[Artifact] = []
    parts: Sequence[Part] = ()
    for number, step in enumerate(parameters.steps, start=1):
        done = [(turn, turn.conclude(replies)) for turn in _turns(context, number, step, parts)]
        runs = tuple(turn.run(concluded.result) for turn, concluded in done)
        outcomes.append(StepOutcome(operation=step.operation, topic=step.topic, runs=runs))
        artifacts += [artifact for _, concluded in done for artifact in concluded.artifacts]
        if step.operation is Operation.SPLIT:
            parts = done[0][1].result.split.parts
    return Finished(PipelineOutcome(tuple(outcomes)), tuple(artifacts))


@dataclass(frozen=True, slots=True)
class _Turn:
    """A step for one part, or for the whole document.

    `shifts` are of each page: its place in the whole document's Markdown, less that in the part's.
    """

    context: Context
    prefix: str
    part: Part | None
    shifts: Mapping[int, int]

    def own(self, replies: Replies) -> Replies:
        """Return the replies to what this turn has asked, by the ids that it gave."""
        return tuple(
            ModelReply(id=reply.id.removeprefix(self.prefix), text=reply.text, error=reply.error)
            for reply in replies
            if reply.id.startswith(self.prefix)
        )

    def conclude(self, replies: Replies) -> Concluded:
        return pipeline.conclude(self.context, replies=self.own(replies))

    def run(self, result: Result) -> StepRun:
        """Return the members of a result that a step fills, with citations of the whole document."""
        names = StepRun.model_fields.keys() - NOT_OF_RUNS
        members = {name: _moved(getattr(result, name), self.shifts) for name in names}
        pages = tuple(page.number for page in self.context.document.pages)
        return StepRun(part=None if self.part is None else self.part.number, pages=pages, **members)


def _turns(context: Context, number: int, step: Step, parts: Sequence[Part]) -> Iterator[_Turn]:
    asked = replace(context, spec=_spec_of(context, step))
    if step.topic is None:
        yield _Turn(asked, f"s{number}.0.", None, {})
        return
    offsets = _offsets(context.document)
    for part in parts:
        if step.topic in (EVERY, part.topic):
            document = _pages_of(context.document, part)
            shifts = {page: offsets[page] - own for page, own in _offsets(document).items()}
            yield _Turn(replace(asked, document=document), f"s{number}.{part.number}.", part, shifts)


def _spec_of(context: Context, step: Step) -> Any:
    own = step.model_dump(mode="json", by_alias=True, exclude={*Step.model_fields, "json_schema", "template"})
    return context.spec.model_copy(
        update={
            "operation": step.operation,
            "json_schema": step.json_schema if isinstance(step, ExtractStep) else None,
            "parameters": own,
        }
    )


def _parts(context: Context, number: int, step: Step, replies: Replies) -> Sequence[Part]:
    (turn,) = _turns(context, number, step, ())
    parts: Sequence[Part] = turn.conclude(replies).result.split.parts
    return parts


def _pages_of(document: Document, part: Part) -> Document:
    wanted = frozenset(part.pages)
    return document.model_copy(
        update={
            "pages": tuple(page for page in document.pages if page.number in wanted),
            "failed": tuple(error for error in document.failed if error.page in wanted),
        }
    )


def _offsets(document: Document) -> dict[int, int]:
    starts = page_offsets(document.pages)
    return {page.number: start for page, start in zip(document.pages, starts, strict=True)}


def _moved(value: Any, shifts: Mapping[int, int]) -> Any:
    """Return a value whose citations count from the start of the whole document's Markdown."""
    if not shifts:
        return value
    match value:
        case Citation(page=page, range=(start, end)):
            shift = shifts.get(page, 0)
            return value.model_copy(update={"range": (start + shift, end + shift)})
        case tuple():
            return tuple(_moved(each, shifts) for each in value)
        case dict():
            return {name: _moved(each, shifts) for name, each in value.items()}
        case _ if hasattr(value, "model_copy"):
            members = {name: _moved(getattr(value, name), shifts) for name in type(value).model_fields}
            return value.model_copy(update=members)
        case _:
            return value
