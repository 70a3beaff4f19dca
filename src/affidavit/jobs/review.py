"""Hold a result back until a person has looked at it, and do what that person decides.

The machine's result stays what it was. Corrections are kept one by one, with who and when; the approval
applies them all to the machine's result, which gives the result that is served from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.models import Document, PageCheckpoint
from affidavit.errors import Conflict, IdempotencyKeyReused, NotFound, RequestInvalid
from affidavit.infra.db import Database, scoped
from affidavit.infra.idempotency import Fingerprint, claim
from affidavit.infra.ids import new_id
from affidavit.jobs.amending import Amendment
from affidavit.jobs.claim import JobError, StoredBlob
from affidavit.jobs.ending import end
from affidavit.jobs.models import Job
from affidavit.jobs.review_gate import PENDING, summary
from affidavit.jobs.review_models import Review, ReviewAction
from affidavit.jobs.status import JobStatus
from affidavit.jobs.transitions import lock_parent
from affidavit.jobs.views import StoredResult, refuse_gone

MAX_ACTIONS: Final = 200  # of one review
REJECTED: Final = JobError(
    code="REVIEW_REJECTED",
    message="A reviewer rejected what was extracted. The job's review says who, when and why.",
    category="review",
)


class Action(StrEnum):
    """What a person does about a result."""

    CORRECT = "correct"  # change fields; the review goes on
    APPROVE = "approve"  # with the corrections so far and those that come along
    REJECT = "reject"


_USED: Final = scoped("""
SELECT k.parts FROM idempotency_keys k WHERE k.environment_id = scope.id AND k.scope = $2 AND k.key = $3
""")
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


class Corrector(Protocol):
    """Applies corrections to a stored result; `amending.Amender` behind walls."""

    async def amend(self, wanted: Amendment) -> StoredBlob: ...


class Reviews:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(
        self, db: Database, corrector: Corrector, *, result_ttl: timedelta, idempotency_ttl: timedelta
    ) -> None:
        self._db = db
        self._corrector = corrector
        self._result_ttl = result_ttl
        self._idempotency_ttl = idempotency_ttl

    async def show(self, environment_id: str, job_id: str) -> ReviewView:
        """Return a job's review with all that was done. Raises NotFound when it never had one."""
        async with self._db.begin(environment_id) as session:
            job, review = await _find(session, environment_id, job_id)
            actions = await _actions(session, environment_id, job_id)
        return ReviewView(job_id, job.review or {}, review.flagged, [_view(each) for each in actions])

    async def machine_result(self, environment_id: str, job_id: str) -> StoredResult:
        """Say where the machine's own result is. Raises NotFound; Gone RESULT_DELETED, RESULT_EXPIRED."""
        async with self._db.begin(environment_id) as session:
            job, review = await _find(session, environment_id, job_id)
        refuse_gone(is_deleted=job.deleted_by is not None, is_available=job.purged_at is None)
        return StoredResult(review.machine_sha256, review.machine_size_bytes, job.store)

    async def decide(
        self, environment_id: str, job_id: str, decision: Decision, key: Fingerprint | None = None
    ) -> bool:
        """Do what a person decided; True when an earlier request with the same key had done it.

        Raises NotFound; Conflict REVIEW_NOT_PENDING, REVIEW_CHANGED; RequestInvalid when corrections are at
        fault, and what the idempotency key, the stores and the walled child raise.
        """
        if await self._is_replay(environment_id, key):
            return True
        amended = await self._prepared(environment_id, job_id, decision)
        async with self._db.begin(environment_id) as session:
            turn = new_id("turn")
            if key is not None:
                done = await claim(session, environment_id, key, turn, self._idempotency_ttl)
                if done != turn:
                    return True
            await lock_parent(session, job_id)
            job, review = await _find(session, environment_id, job_id, lock=True)
            _refuse_other(job, review, decision)
            await self._act(session, job, review, decision, amended)
        return False

    async def _is_replay(self, environment_id: str, key: Fingerprint | None) -> bool:
        """Tell whether the key was used for this already, before anything is prepared for nothing."""
        row = None
        if key is not None:
            row = await self._db.fetch_row_in(environment_id, _USED, key.scope, key.key)
        if key is None or row is None:
            return False
        if differing := key.differing(row["parts"]):
            raise IdempotencyKeyReused(differing)
        return True

    async def _prepared(self, environment_id: str, job_id: str, decision: Decision) -> StoredBlob | None:
        """Apply all corrections outside of any transaction; None when there are none, or no need."""
        async with self._db.begin(environment_id) as session:
            job, review = await _find(session, environment_id, job_id)
            _refuse_other(job, review, decision)
            before = await _actions(session, environment_id, job_id)
            pages = await _pages(session, job, review)
        if len(before) >= MAX_ACTIONS and decision.action is Action.CORRECT:
            raise RequestInvalid(f"A review takes at most {MAX_ACTIONS} actions. Approve or reject it.")
        if decision.action is Action.REJECT:
            return None
        corrections = [each for action in before for each in action.corrections]
        corrections += [dict(each) for each in decision.corrections]
        if not corrections:
            return None
        schema = job.spec.get("json_schema") or {"type": "object"}
        return await self._corrector.amend(
            Amendment(environment_id, review.machine_sha256, pages, schema, corrections)
        )

    async def _act(
        self,
        session: AsyncSession,
        job: Job,
        review: Review,
        decision: Decision,
        amended: StoredBlob | None,
    ) -> None:
        version = review.version + 1
        noted = await self._note(session, review, decision, version)
        match decision.action:
            case Action.CORRECT:
                changed = update(Job).where(Job.id == job.id).values(review=noted, updated_at=func.now())
                await session.execute(changed)
            case Action.REJECT:
                detail = {"code": REJECTED.code}
                columns = {"error": REJECTED.to_json(), "review": noted}
                await _settle(session, job.id, JobStatus.FAILED, detail=detail, **columns)
            case Action.APPROVE:
                result = amended or StoredBlob(review.machine_sha256, review.machine_size_bytes)
                await references.add(session, job.environment_id, job.id, [result.sha256])
                await _settle(
                    session,
                    job.id,
                    JobStatus.COMPLETED,
                    review=noted,
                    result_sha256=result.sha256,
                    result_size_bytes=result.size_bytes,
                    result_expires_at=self._result_ttl,
                )

    async def _note(
        self, session: AsyncSession, review: Review, decision: Decision, version: int
    ) -> dict[str, Any]:
        """Write down who did what, and return what the job shows of its review now."""
        action = {
            "job_id": review.job_id,
            "version": version,
            "environment_id": review.environment_id,
            "action": decision.action,
            "key_id": decision.key_id,
            "reviewer": decision.reviewer,
            "reason": decision.reason,
            "corrections": [dict(each) for each in decision.corrections],
        }
        at = await session.scalar(insert(ReviewAction).values(action).returning(ReviewAction.created_at))
        await session.execute(update(Review).where(Review.job_id == review.job_id).values(version=version))
        assert at is not None
        decided = {} if decision.action is Action.CORRECT else {"decided_at": at.isoformat()}
        return summary(
            review.threshold,
            len(review.flagged),
            STANDING[decision.action],
            version,
            reviewer=decision.reviewer,
            key_id=decision.key_id,
            **decided,
        )


async def _settle(session: AsyncSession, job_id: str, to: JobStatus, **columns: Any) -> None:
    if await end(session, job_id, to, is_parent_locked=True, **columns) is None:
        raise _not_pending()


async def _find(
    session: AsyncSession, environment_id: str, job_id: str, *, lock: bool = False
) -> tuple[Job, Review]:
    mine = Job.environment_id == environment_id
    wanted = (
        select(Job, Review).join(Review, Review.job_id == Job.id, isouter=True).where(Job.id == job_id, mine)
    )
    if lock:
        wanted = wanted.with_for_update(of=Job)
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("job")
    if row.Review is None:
        raise _not_pending()
    return row.Job, row.Review


def _refuse_other(job: Job, review: Review, decision: Decision) -> None:
    if job.status != JobStatus.REVIEW_REQUIRED:
        raise _not_pending()
    if decision.version != review.version:
        raise Conflict(
            f"The review has version {review.version} by now. Look at it again, then decide.",
            code="REVIEW_CHANGED",
        )


def _not_pending() -> Conflict:
    return Conflict("This job waits for no review.", code="REVIEW_NOT_PENDING")


async def _actions(session: AsyncSession, environment_id: str, job_id: str) -> list[ReviewAction]:
    mine = ReviewAction.environment_id == environment_id
    wanted = select(ReviewAction).where(mine, ReviewAction.job_id == job_id).order_by(ReviewAction.version)
    return list((await session.scalars(wanted)).all())


async def _pages(session: AsyncSession, job: Job, review: Review) -> dict[int, str]:
    """Return the pages that the result was made from, by number; those that are gone are left out."""
    wanted = (
        select(PageCheckpoint.page, PageCheckpoint.sha256)
        .join(Document, Document.sha256 == PageCheckpoint.document_sha256)
        .where(
            Document.id == job.document_id,
            Document.environment_id == job.environment_id,
            PageCheckpoint.environment_id == job.environment_id,
            PageCheckpoint.reading_key == review.reading_key,
        )
    )
    return {row.page: row.sha256 for row in (await session.execute(wanted)).all()}


def _view(action: ReviewAction) -> ActionView:
    return ActionView(
        version=action.version,
        action=action.action,
        at=action.created_at,
        key_id=action.key_id,
        reviewer=action.reviewer,
        reason=action.reason,
        corrections=action.corrections,
    )
