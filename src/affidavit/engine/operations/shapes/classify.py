"""What a classification takes and shows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from affidavit.engine.result import Citation, Value
from affidavit.engine.spec import Frozen

MAX_LABELS = 100
MAX_KEYWORDS = 50
UNKNOWN = "unknown"

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Keyword = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\w")]


class Label(Frozen):
    """A class that the caller names. `labels` are words that documents of it print."""

    name: Name
    description: Annotated[
        str, Field(max_length=2000, description="What such a document is, in words that it may use itself.")
    ] = ""
    labels: Annotated[tuple[Keyword, ...], Field(max_length=MAX_KEYWORDS)] = ()


class Scope(StrEnum):
    """What is classified."""

    DOCUMENT = "document"
    PAGE = "page"


class ClassifyParameters(Frozen):
    """Into which classes. Without labels, into the kinds of documents that are known."""

    labels: Annotated[tuple[Label, ...], Field(max_length=MAX_LABELS)] = ()
    scope: Annotated[
        Scope, Field(description="`page` gives a class to each page too, beside the document's.")
    ] = Scope.DOCUMENT
    allow_unknown: Annotated[
        bool, Field(description="Whether `unknown` may be the answer when no label is likely enough.")
    ] = True
    threshold: Annotated[
        int,
        Field(ge=0, le=100, description="Least confidence of a label; below it the answer is `unknown`."),
    ] = 50

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        check_names(self.labels)
        return self


def check_names(labels: Sequence[Label]) -> None:
    """Refuse two labels of one name. Raises PydanticCustomError."""
    names = [label.name for label in labels]
    if len(set(names)) < len(names):
        raise PydanticCustomError("names", "two of them have the same name")


class LabelScore(Value):
    """How likely a label is, 0 to 100."""

    label: str
    confidence: int


class PageClass(Value):
    page: int
    label: str
    confidence: int
    citations: tuple[Citation, ...] = ()


class ClassifyOutcome(Value):
    """The class of the document, or `unknown`. `citations` are the words that speak for it.

    `scores` are the likeliest labels, best first; `confidence` is in `label`, `unknown` included.
    `source` is `rules`, `model`, or `both` where they agree.
    """

    label: str
    confidence: int
    scores: tuple[LabelScore, ...] = ()
    citations: tuple[Citation, ...] = ()
    pages: tuple[PageClass, ...] = ()
    source: str = "rules"
    notes: tuple[str, ...] = ()
