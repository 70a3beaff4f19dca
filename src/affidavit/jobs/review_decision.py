"""What a person decides about a result, and what is told of it: to callers, in rows, in bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from affidavit.evidence.manifest import moment
from affidavit.jobs.review_gate import PENDING
from affidavit.jobs.review_models import Review, ReviewAction

Said = dict[str, Any]


class Action(StrEnum):
    """What a person does about a result."""

    CORRECT = "correct"  # change fields; the review goes on
    APPROVE = "approve"  # with the corrections so far and those that come along
    REJECT = "reject"


STANDING: Final = {Action.CORRECT: PENDING, Action.APPROVE: "approved", Action.REJECT: "rejected"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person does, having seen the review's `version`. Corrections are as the engine takes them."""

    action: Action
    version: int
    key_id: str
    reviewer: str | None = None
    reason: str | None = None
    corrections: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ActionView:
    """Something that a person did."""

    version: int
    action: str
    at: datetime
    key_id: str
    reviewer: str | None
    reason: str | None
    corrections: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A review as it is now."""

    job_id: str
    summary: dict[str, Any]
    flagged: list[str]
    actions: list[ActionView] = field(default_factory=list)


def ruling_said(review: Review, decision: Decision, at: datetime, before: Sequence[ReviewAction]) -> Said:
    """Return what `reviewed.json` says beside the extraction, given what was done before the decision."""
    actions = [*(asdict(view_of(each)) for each in before), decision_said(review, decision, at)]
    return {
        "decision": STANDING[decision.action],
        "decided_at": moment(at),
        "key_id": decision.key_id,
        "reviewer": decision.reviewer,
        "reason": decision.reason,
        "threshold": review.threshold,
        "flagged": review.flagged,
        "actions": [{**each, "at": moment(each["at"])} for each in actions],
    }


def decision_said(review: Review, decision: Decision, at: datetime) -> Said:
    """Return what is done now, as rows and bundles have it."""
    return {
        "version": review.version + 1,
        "action": decision.action.value,
        "at": at,
        "key_id": decision.key_id,
        "reviewer": decision.reviewer,
        "reason": decision.reason,
        "corrections": [dict(each) for each in decision.corrections],
    }


def view_of(action: ReviewAction) -> ActionView:
    """Return what was done, as callers see it."""
    return ActionView(
        version=action.version,
        action=action.action,
        at=action.created_at,
        key_id=action.key_id,
        reviewer=action.reviewer,
        reason=action.reason,
        corrections=action.corrections,
    )
