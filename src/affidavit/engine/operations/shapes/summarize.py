"""What a summary takes and shows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.engine.operations.shapes.ask import AnswerSource
from affidavit.engine.result import Citation, Value
from affidavit.engine.spec import Frozen

MAX_POINTS = 50
MAX_FOCUS = 500


class SummarizeParameters(Frozen):
    """How long a summary is to be, and what about."""

    points: Annotated[int, Field(ge=1, le=MAX_POINTS, description="How many points at most.")] = 7
    focus: Annotated[
        str | None, Field(min_length=1, max_length=MAX_FOCUS, description="What matters most to the reader.")
    ] = None


class SummaryPoint(Value):
    """One point, in the document's own words or the model's, with the words that bear it out.

    `heading` is what the part of the document that it is from is called.
    """

    text: str
    page: int | None
    heading: str | None = None
    citations: tuple[Citation, ...] = ()
    confidence: int


class SummarizeOutcome(Value):
    """The points in the order of the document, and the same as one text.

    `source` is `rules` for sentences of the document, `model` for a model's words. `dropped` counts the
    points of a model that nothing in the document bore out.
    """

    text: str
    points: tuple[SummaryPoint, ...]
    source: AnswerSource = AnswerSource.RULES
    dropped: int = 0
