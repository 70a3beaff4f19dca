"""The endpoints of reviews."""

from __future__ import annotations

from typing import Any, Final

from affidavit.accounts.principal import Scope
from affidavit.api.endpoint import Body, Endpoint, Reply
from affidavit.api.examples import QUEUED_JOB
from affidavit.api.objects import JobObject
from affidavit.api.review_objects import ReviewObject
from affidavit.api.review_wire import ReviewBody
from affidavit.api.routes import reviews

_AT: Final = "2026-11-20T09:30:00.000000Z"
_CORRECTION: Final = {
    "path": "total",
    "value": 2290.45,
    "citation": {"page": 1, "box": [400.0, 600.0, 460.0, 612.0]},
}
_SUMMARY: Final[dict[str, Any]] = {
    "status": "approved",
    "threshold": 85,
    "flagged": 1,
    "version": 2,
    "reviewer": "ada@example.com",
    "key_id": "key_01m6y8c3v0e8q5j2w9r4t7n1xk",
    "decided_at": _AT,
}
REVIEWED_JOB: Final = {
    **QUEUED_JOB,
    "status": "completed",
    "queue_position": None,
    "retry_after_ms": None,
    "started_at": _AT,
    "completed_at": _AT,
    "result_available": True,
    "result_url": f"{QUEUED_JOB['id']}/result",
    "review": _SUMMARY,
}
REVIEW: Final = {
    "job_id": QUEUED_JOB["id"],
    "status": "approved",
    "threshold": 85,
    "version": 2,
    "flagged": ["total"],
    "actions": [
        {
            "version": 2,
            "action": "approve",
            "at": _AT,
            "key_id": _SUMMARY["key_id"],
            "reviewer": "ada@example.com",
            "reason": None,
            "corrections": [_CORRECTION],
        }
    ],
}
BODIES: Final = {
    "approve": {
        "summary": "Approve",
        "value": {"action": "approve", "version": 1, "reviewer": "ada@example.com"},
    },
    "correct": {
        "summary": "Correct a field",
        "value": {"action": "correct", "version": 1, "corrections": [_CORRECTION]},
    },
    "reject": {
        "summary": "Reject",
        "value": {"action": "reject", "version": 1, "reason": "This is the quote, not the invoice."},
    },
}
_CODES: Final = ("NOT_FOUND", "REVIEW_NOT_PENDING")

_HOW: Final = """Correct fields, approve the result, or reject it.

A job that was submitted with `review.threshold` and has a field below it waits in `review_required`. Read the
machine's result at `/result?version=machine` and the flagged fields here. `version` is that of the review you
have seen: if another person has acted since, the call answers 409 `REVIEW_CHANGED` and nothing happens.

Corrections are checked against the schema, all or none; each may cite the words, the box or the quote that
prove it, and is looked for in the document otherwise. The machine's result stays readable beside the reviewed
one. The approval emits `job.completed`, a rejection `job.failed`."""

ENDPOINTS_OF_REVIEWS: Final = (
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/review",
        reviews.show,
        "reviews",
        "Get a review",
        "Which fields of a job asked for a review, and who did what about it when.",
        (Reply(200, "The review.", ReviewObject, REVIEW),),
        codes=_CODES,
        scopes=(Scope.JOBS_READ,),
    ),
    Endpoint(
        "POST",
        "/v1/jobs/{job_id}/review",
        reviews.decide,
        "reviews",
        "Decide about a result",
        _HOW,
        (
            Reply(
                200,
                "Done: the job as it is now.",
                JobObject,
                REVIEWED_JOB,
                headers=("Idempotent-Replayed",),
            ),
        ),
        codes=(*_CODES, "REVIEW_CHANGED", "REVIEW_CORRECTIONS_INVALID"),
        scopes=(Scope.JOBS_REVIEW,),
        body=Body(ReviewBody, BODIES),
    ),
)
