"""What becomes of the parts of a split: a job of its own for each part of a topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Union

from pydantic import Field, create_model

from affidavit.engine.operations.shapes.filling import SchemaToFill, TemplateToFill
from affidavit.engine.spec import Frozen, Operation

MAX_TOPICS: Final = 51  # as many as a split may have, and one for all others
EVERY: Final = "*"  # for the parts of all topics that are not named


class ChildJob(Frozen):
    """What to do with each part of a topic, as a job of its own."""

    operation: Operation


class ParseJob(ChildJob):
    """Read the part."""

    operation: Literal[Operation.PARSE]


class ExtractJob(ChildJob):
    """Fill a JSON Schema from the part."""

    operation: Literal[Operation.EXTRACT]
    json_schema: SchemaToFill = None
    template: TemplateToFill = None


Topic = Annotated[str, Field(min_length=1, max_length=100)]


def with_child_jobs(split: type[Frozen], shapes: Mapping[Operation, type[Frozen]]) -> type[Frozen]:
    """Return the parameters of a split whose parts may become jobs of these operations, parse and extract."""
    jobs = (ParseJob, ExtractJob, *(_job(operation, shape) for operation, shape in shapes.items()))
    any_job: Any = Annotated[Union[jobs], Field(discriminator="operation")]  # noqa: UP007 - made here
    listed: Any = Annotated[
        dict[Topic, any_job],
        Field(
            max_length=MAX_TOPICS,
            description="By topic (`*`: any other): a job for each part. They become a batch, the job's "
            "`child_batch_id`, in the moment that the split completes; no page is read again.",
        ),
    ]
    made: type[Frozen] = _made(split.__name__, split, child_jobs=(listed, Field(default_factory=dict)))
    return made


def _job(operation: Operation, shape: type[Frozen]) -> Any:
    name = operation.value.title().replace("_", "") + "Job"
    return _made(name, ChildJob, shape, operation=(Literal[operation], ...))


def _made(name: str, *bases: type[Frozen], **members: Any) -> Any:
    every: Any = bases
    return create_model(name, __base__=every, __doc__=bases[-1].__doc__, **members)
