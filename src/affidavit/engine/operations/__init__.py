"""What can be done with a document that was read, beside filling a schema: one entry an operation.

The table is light, so that the API can judge parameters at the door: what an operation takes and shows
stands in `shapes`, and the module that does it is loaded where documents are read.

To add one: its shapes in `shapes/<name>.py`, `run` in `<name>.py`, a line in `_SINGLE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel

from affidavit.engine.operations.shapes.ask import AskOutcome, AskParameters
from affidavit.engine.operations.shapes.check_claims import CheckClaimsOutcome, CheckClaimsParameters
from affidavit.engine.operations.shapes.children import with_child_jobs
from affidavit.engine.operations.shapes.classify import ClassifyOutcome, ClassifyParameters
from affidavit.engine.operations.shapes.forms import FormsOutcome, FormsParameters
from affidavit.engine.operations.shapes.generate import GenerateOutcome, GenerateParameters
from affidavit.engine.operations.shapes.pipeline import PipelineOutcome, parameters_with
from affidavit.engine.operations.shapes.split import SplitOutcome, SplitParameters
from affidavit.engine.operations.shapes.summarize import SummarizeOutcome, SummarizeParameters
from affidavit.engine.operations.shapes.translate import TranslateOutcome, TranslateParameters
from affidavit.engine.spec import Frozen, Operation


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation: the member of the result that shows it, its shapes, and the name of its module.

    With `needs_source` it is given the bytes of the file too; with `needs_model` rules alone cannot do it.
    """

    operation: Operation
    member: str
    parameters: type[Frozen]
    outcome: type[BaseModel]
    module: str
    needs_source: bool = False
    needs_model: bool = False

    def load(self) -> ModuleType:
        """Return the module with `run`, and `prompts` when a model can help it: see `port`."""
        return import_module(f"{__name__}.{self.module}")

    def parse(self, parameters: Mapping[str, Any]) -> Frozen:
        """Return the parameters as the operation's own. Raises pydantic's ValidationError."""
        return self.parameters.model_validate(parameters)


# The order is that of `Operation`.
_SINGLE: Final[tuple[Entry, ...]] = (
    Entry(Operation.SPLIT, "split", SplitParameters, SplitOutcome, "split", needs_source=True),
    Entry(Operation.CLASSIFY, "classification", ClassifyParameters, ClassifyOutcome, "classify"),
    Entry(Operation.SCHEMA, "generated", GenerateParameters, GenerateOutcome, "generate"),
    Entry(Operation.ASK, "answer", AskParameters, AskOutcome, "ask"),
    Entry(Operation.SUMMARIZE, "summary", SummarizeParameters, SummarizeOutcome, "summarize"),
    Entry(Operation.CHECK_CLAIMS, "claims", CheckClaimsParameters, CheckClaimsOutcome, "check_claims"),
    Entry(
        Operation.TRANSLATE,
        "translation",
        TranslateParameters,
        TranslateOutcome,
        "translate",
        needs_model=True,
    ),
    Entry(Operation.FORMS, "forms", FormsParameters, FormsOutcome, "forms", needs_source=True),
)
_SHAPES: Final = {entry.operation: entry.parameters for entry in _SINGLE}
ENTRIES: Final = (
    *(
        replace(entry, parameters=with_child_jobs(entry.parameters, _SHAPES))
        if entry.operation is Operation.SPLIT
        else entry
        for entry in _SINGLE
    ),
    Entry(
        Operation.PIPELINE,
        "steps",
        parameters_with(_SHAPES),
        PipelineOutcome,
        "pipeline",
    ),
)

_BY_OPERATION: Final = {entry.operation: entry for entry in ENTRIES}


def entry_of(operation: Operation) -> Entry | None:
    """Return the entry of an operation; None for parse and extract, which the pipeline does itself."""
    return _BY_OPERATION.get(operation)


def needs_source(operation: Operation, parameters: Mapping[str, Any]) -> bool:
    """Tell whether the bytes of the file are needed once its pages were read."""
    entry = entry_of(operation)
    if entry is None:
        return False
    steps = parameters.get("steps", ()) if operation is Operation.PIPELINE else ()
    return entry.needs_source or any(needs_source(Operation(step["operation"]), step) for step in steps)


def needs_model(operation: Operation, parameters: Mapping[str, Any]) -> bool:
    """Tell whether the operation, or one of its steps, can do nothing without a language model."""
    entry = entry_of(operation)
    if entry is None:
        return False
    steps = parameters.get("steps", ()) if operation is Operation.PIPELINE else ()
    return entry.needs_model or any(needs_model(Operation(step["operation"]), step) for step in steps)


def other_jobs(operation: Operation, parameters: Mapping[str, Any]) -> list[str]:
    """Return the ids of earlier jobs whose documents are needed too, each once, in their order."""
    named = list(parameters.get("job_ids", ())) if operation is Operation.SCHEMA else []
    steps = parameters.get("steps", ()) if operation is Operation.PIPELINE else ()
    for step in steps:
        named += other_jobs(Operation(step["operation"]), step)
    return list(dict.fromkeys(named))


def served() -> tuple[Operation, ...]:
    """Return the operations that can be asked for."""
    return Operation.PARSE, Operation.EXTRACT, *_BY_OPERATION
