"""The requests about reviews, as they come over the wire. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from affidavit.api.wire import Query, Wire
from affidavit.jobs.review_decision import Action

MAX_CORRECTIONS = 500
MAX_VALUE = 100_000  # characters

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]


class PlaceBody(Wire):
    """Where you saw a value: words by their ids; or a box on a page, in page units; or a quote."""

    page: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    box: Annotated[list[Coordinate] | None, Field(min_length=4, max_length=4)] = None
    words: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=500)] = Field(
        default_factory=list
    )
    quote: Annotated[str | None, Field(min_length=1, max_length=5000)] = None

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        if self.box is not None and self.page is None:
            raise PydanticCustomError("place", "names a box without its page")
        if self.box is None and not self.words and self.quote is None:
            raise PydanticCustomError("place", "names neither words, nor a box, nor a quote")
        return self


class CorrectionBody(Wire):
    """One field's new value, null for none; or `remove`, which takes an item out of an array.

    Paths are the keys of `fields` in the machine's result. The index after an array's last item adds one.
    """

    path: Annotated[str, Field(min_length=1, max_length=1000, examples=["total", "lines[0].quantity"])]
    value: Annotated[str, Field(max_length=MAX_VALUE)] | bool | int | float | None = None
    remove: bool = False
    citation: PlaceBody | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.remove and (self.value is not None or self.citation is not None):
            raise PydanticCustomError("correction", "removes an item and gives a value at once")
        return self


class ReviewBody(Wire):
    """What you decide about a result that waits for a review."""

    action: Annotated[
        Action,
        Field(
            description="`correct` keeps corrections, and the review goes on; `approve` completes the job "
            "with all corrections; `reject` fails it with `REVIEW_REJECTED`."
        ),
    ]
    version: Annotated[
        int, Field(ge=1, description="The version of the review that you have seen; another one answers 409.")
    ]
    corrections: Annotated[list[CorrectionBody], Field(max_length=MAX_CORRECTIONS)] = Field(
        default_factory=list
    )
    reviewer: Annotated[str | None, Field(min_length=1, max_length=200, description="Who decided.")] = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.action is Action.REJECT and self.corrections:
            raise PydanticCustomError("corrections", "a rejection takes no corrections")
        if self.action is Action.CORRECT and not self.corrections:
            raise PydanticCustomError("corrections", "a correction names at least one field")
        return self


class ResultQuery(Query):
    """Which result to send."""

    version: Annotated[
        Literal["final", "machine"],
        Field(description="`machine`: what was extracted before any review, also while the review goes on."),
    ] = "final"
