"""What is said of reviews over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from affidavit.jobs.review_decision import Action


class ReviewSummary(BaseModel):
    """How the review of a job stands. `flagged` counts the fields that asked for it."""

    status: Literal["pending", "approved", "rejected"]
    threshold: int
    flagged: int
    version: int
    reviewer: str | None = None
    key_id: str | None = None
    decided_at: datetime | None = None
    receipt_id: Annotated[
        str | None, Field(description="Of the decision; anyone who knows it can check the receipt.")
    ] = None


class ReviewAction(BaseModel):
    """Something that a person did; `version` is the review's after it, `key_id` the API key used."""

    version: int
    action: Action
    at: datetime
    key_id: str
    reviewer: str | None
    reason: str | None
    corrections: list[dict[str, Any]]


class ReviewObject(BaseModel):
    """A review: which fields asked for it, and all that was done."""

    job_id: str
    status: Literal["pending", "approved", "rejected"]
    threshold: int
    version: int
    flagged: Annotated[list[str], Field(description="Paths of fields, the first 200 of them.")]
    actions: list[ReviewAction]
