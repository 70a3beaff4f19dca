"""What a check of claims takes and shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from affidavit.engine.operations.shapes.ask import AnswerSource
from affidavit.engine.result import Citation, Value
from affidavit.engine.spec import Frozen

MAX_CLAIMS = 100
MAX_CLAIM = 1000


class Verdict(StrEnum):
    """What the document says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_FOUND = "not_found"


Claim = Annotated[str, Field(min_length=3, max_length=MAX_CLAIM, pattern=r"\w")]


class CheckClaimsParameters(Frozen):
    """Statements to hold against the document, one fact in each."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1, max_length=MAX_CLAIMS)]


class CheckedClaim(Value):
    """A claim with its verdict, how sure it is (0 to 100), and the words that decide it."""

    claim: str
    verdict: Verdict
    confidence: int
    citations: tuple[Citation, ...] = ()
    source: AnswerSource = AnswerSource.RULES


class CheckClaimsOutcome(Value):
    """The claims in their order, and how many of each verdict."""

    claims: tuple[CheckedClaim, ...]
    supported: int
    contradicted: int
    not_found: int
