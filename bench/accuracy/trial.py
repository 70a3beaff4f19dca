"""Extract one document's data from its schema, and judge every leaf of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accuracy.reading import Shelf
from accuracy.scoring import MISSING, Outcome, compare
from accuracy.truth import Path_, Truth
from affidavit.engine import pipeline
from affidavit.engine.errors import EngineError
from affidavit.engine.result import Document, FieldValue, Result
from affidavit.engine.spec import Operation, Spec

_PLAIN_NAME = re.compile(r"""[^.\[\]"\\]+""")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one document. `error` is the code that a job would end with."""

    truth: Truth
    outcomes: tuple[Outcome, ...]
    seconds: float
    document: Document | None = None
    result: Result | None = None
    error: str | None = None

    def field(self, outcome: Outcome) -> FieldValue | None:
        """Return the field that an outcome's value was got from."""
        if self.result is None or outcome.got_path is None:
            return None
        return self.result.fields.get(key_of(outcome.got_path))


def run(truth: Truth, shelf: Shelf, *, rasterised: bool = False) -> Trial:
    """Read the document, or take it from the shelf, and extract its data as a job does."""
    start = time.perf_counter()
    try:
        document = shelf.document(truth, rasterised=rasterised)
        start = time.perf_counter()
        result = pipeline.finish(document, Spec(operation=Operation.EXTRACT, json_schema=truth.schema))
    except EngineError as error:
        return failed(truth, error.code, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    return Trial(truth, judged(truth, result.data), seconds, document, result)


def failed(truth: Truth, code: str, seconds: float = 0.0) -> Trial:
    """Return the trial of a document that gave no data: every leaf wrong."""
    return Trial(truth, judged(truth, MISSING), seconds, error=code)


def judged(truth: Truth, data: Any) -> tuple[Outcome, ...]:
    """Return an outcome per leaf that is printed."""
    return tuple(compare(truth.expected, data, truth.hidden))


def key_of(path: Path_) -> str:
    """Return a place in the data as `Result.fields` spells it."""
    return "".join(_pieces(path))


def _pieces(path: Path_) -> Iterator[str]:
    for at, step in enumerate(path):
        if isinstance(step, int):
            yield f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            yield f".{step}" if at else step
        else:
            yield f"[{json.dumps(step, ensure_ascii=False)}]"
