"""What a question takes and shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from affidavit.engine.result import Citation, Value
from affidavit.engine.spec import Frozen

MAX_QUESTION = 1000
MAX_PASSAGES = 20


class AnswerStatus(StrEnum):
    """Whether the document answers."""

    ANSWERED = "answered"
    NOT_FOUND = "not_found"


class AnswerSource(StrEnum):
    """Who found the answer: the rules, the language model, or both alike."""

    RULES = "rules"
    MODEL = "model"
    BOTH = "both"


class AskParameters(Frozen):
    """The question, in any of the languages en, de, fr, es, it and nl."""

    question: Annotated[str, Field(min_length=2, max_length=MAX_QUESTION, pattern=r"\w")]
    passages: Annotated[
        int,
        Field(
            ge=0, le=MAX_PASSAGES, description="How many of the nearest passages to show beside the answer."
        ),
    ] = 3


class AnswerPassage(Value):
    """A passage near the question. `relevance`, 0 to 100, is how much of the question it covers."""

    text: str
    relevance: int
    citation: Citation


class AskOutcome(Value):
    """The answer with the words that it was read from, or `not_found`.

    `answer` is in the document's words, or the model's; `value` is it typed: a number, an ISO 8601 date,
    true or false, a list. `kind` is what the question was taken to ask for. `confidence` is 0 to 100.
    An answer without citations is a model's that was not found in the document.
    """

    question: str
    status: AnswerStatus
    kind: str
    answer: str | None = None
    value: Any = None
    confidence: int = 0
    citations: tuple[Citation, ...] = ()
    passages: tuple[AnswerPassage, ...] = ()
    source: AnswerSource = AnswerSource.RULES
    notes: tuple[str, ...] = ()
