"""What a pipeline of steps takes and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Annotated, Any, Final, Literal, Self, Union

from pydantic import Field, RootModel, create_model, model_validator
from pydantic_core import PydanticCustomError

from affidavit.engine.operations.shapes.filling import SchemaToFill, TemplateToFill
from affidavit.engine.result import FieldValue, Said, SchemaViolation, Value
from affidavit.engine.spec import Frozen, Operation

MAX_STEPS: Final = 10
EVERY: Final = "*"
# They work on the file itself, or make files, whose names must differ.
ONCE: Final = frozenset({Operation.SPLIT, Operation.FORMS})


class Step(Frozen):
    """One step. It sees the whole document, or with `for` the parts that a split before it made."""

    operation: Operation
    topic: Annotated[
        str | None,
        Field(
            alias="for",
            min_length=1,
            max_length=100,
            description="Do it for each part of this topic, as a split before named it; `*`: for every part.",
        ),
    ] = None


class ParseStep(Step):
    """Read the document. Every pipeline does so first, whether it says so or not."""

    operation: Literal[Operation.PARSE]


class ExtractStep(Step):
    """Fill a JSON Schema."""

    operation: Literal[Operation.EXTRACT]
    json_schema: SchemaToFill = None
    template: TemplateToFill = None


class PipelineParameters(Frozen):
    """What to do with one document, step by step, over one reading of it."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_STEPS)]

    @model_validator(mode="after")
    def _steps_follow(self) -> Self:
        done: set[Operation] = set()
        for step in self.steps:
            if step.topic is not None and Operation.SPLIT not in done:
                raise PydanticCustomError("steps", "'for' needs a split in a step before")
            if step.topic is not None and step.operation in ONCE:
                raise PydanticCustomError("steps", "split and forms take no 'for': they see the whole file")
            if step.operation in ONCE and step.operation in done:
                raise PydanticCustomError("steps", "split and forms may each be one step only")
            done.add(step.operation)
        return self


def parameters_with(shapes: Mapping[Operation, type[Frozen]]) -> type[PipelineParameters]:
    """Return the parameters of a pipeline whose steps may be of these operations, parse and extract."""
    steps = (ParseStep, ExtractStep, *(_step(operation, shape) for operation, shape in shapes.items()))
    any_step: Any = Annotated[Union[steps], Field(discriminator="operation")]  # noqa: UP007 - made here
    listed: Any = Annotated[
        tuple[any_step, ...],
        Field(min_length=1, max_length=MAX_STEPS, description="In their order; all see the same reading."),
    ]
    whole: type[PipelineParameters] = _made("PipelineParameters", PipelineParameters, steps=(listed, ...))
    return whole


def _step(operation: Operation, shape: type[Frozen]) -> Any:
    name = operation.value.title().replace("_", "") + "Step"
    return _made(name, Step, shape, operation=(Literal[operation], ...))


def _made(name: str, *bases: type[Frozen], **members: Any) -> Any:
    every: Any = bases
    return create_model(name, __base__=every, __doc__=bases[-1].__doc__, **members)


def _is_empty(value: Sized) -> bool:
    return not value


class StepRun(Value):
    """What came of a step for one part, or for the whole document: the members of a result that it fills.

    `part` is the part's number, as the split gave it, None for the whole document. Citations are of the
    whole document. `pages` are 1-based.
    """

    part: int | None = None
    pages: tuple[int, ...]
    data: Said = None
    fields: Annotated[dict[str, FieldValue], Field(default_factory=dict, exclude_if=_is_empty)]
    ungrounded_fields: Annotated[tuple[str, ...], Field(exclude_if=_is_empty)] = ()
    schema_violations: Annotated[tuple[SchemaViolation, ...], Field(exclude_if=_is_empty)] = ()
    confidence: Said = None
    split: Said = None
    classification: Said = None
    generated: Said = None
    answer: Said = None
    summary: Said = None
    claims: Said = None
    translation: Said = None
    forms: Said = None


class StepOutcome(Value):
    """A step, and what came of it for each part that it was for. `topic` is its `for`."""

    operation: Operation
    topic: str | None = None
    runs: tuple[StepRun, ...]


class PipelineOutcome(RootModel[tuple[StepOutcome, ...]]):
    """The steps in their order."""
