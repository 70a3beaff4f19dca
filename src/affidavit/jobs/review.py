"""Hold a result back until a person has looked at it, and do what that person decides.

The machine's result stays what it was. Corrections are kept one by one, with who and when; the approval
applies them all to the machine's result, which gives the result that is served from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.errors import Conflict, IdempotencyKeyReused, RequestInvalid, Unavailable
from affidavit.evidence.receipts import new_receipt_id
from affidavit.evidence.sealing import SealedBundle
from affidavit.infra.db import Database, scoped
from affidavit.infra.idempotency import Fingerprint, claim
from affidavit.infra.ids import new_id
from affidavit.jobs.amending import Amended, Amendment
from affidavit.jobs.claim import JobError, StoredBlob
from affidavit.jobs.ending import end
from affidavit.jobs.models import Job
from affidavit.jobs.review_decision import (
    STANDING,
    Action,
    Decision,
    ReviewView,
    decision_said,
    ruling_said,
    view_of,
)
from affidavit.jobs.review_finding import find_actions, find_pages, find_review, not_pending
from affidavit.jobs.review_gate import summary
from affidavit.jobs.review_models import Review, ReviewAction
from affidavit.jobs.review_sealing import ReviewSealer, Ruling, deed_of
from affidavit.jobs.status import JobStatus
from affidavit.jobs.transitions import lock_parent
from affidavit.jobs.views import StoredResult, refuse_gone

MAX_ACTIONS: Final = 200  # of one review
REJECTED: Final = JobError(
    code="REVIEW_REJECTED",
    message="A reviewer rejected what was extracted. The job's review says who, when and why.",
    category="review",
)


_USED: Final = scoped("""
SELECT k.parts FROM idempotency_keys k WHERE k.environment_id = scope.id AND k.scope = $2 AND k.key = $3
""")


class Corrector(Protocol):
    """Applies corrections to a stored result; `amending.Amender` behind walls."""

    async def amend(self, wanted: Amendment) -> Amended: ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What was made before the transaction: the amended result, and the bundle of the decision.

    Both are None where there is no need; `at` is when it was decided.
    """

    at: datetime
    result: StoredBlob | None = None
    sealed: SealedBundle | None = None
    receipt_id: str | None = None


class Reviews:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(
        self,
        db: Database,
        corrector: Corrector,
        sealer: ReviewSealer,
        *,
        result_ttl: timedelta,
        idempotency_ttl: timedelta,
    ) -> None:
        self._db = db
        self._corrector = corrector
        self._sealer = sealer
        self._result_ttl = result_ttl
        self._idempotency_ttl = idempotency_ttl

    async def show(self, environment_id: str, job_id: str) -> ReviewView:
        """Return a job's review with all that was done. Raises NotFound when it never had one."""
        async with self._db.begin(environment_id) as session:
            job, review = await find_review(session, environment_id, job_id)
            actions = await find_actions(session, environment_id, job_id)
        return ReviewView(job_id, job.review or {}, review.flagged, [view_of(each) for each in actions])

    async def machine_result(self, environment_id: str, job_id: str) -> StoredResult:
        """Say where the machine's own result is. Raises NotFound; Gone RESULT_DELETED, RESULT_EXPIRED."""
        async with self._db.begin(environment_id) as session:
            job, review = await find_review(session, environment_id, job_id)
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
        prepared = await self._prepared(environment_id, job_id, decision)
        async with self._db.begin(environment_id) as session:
            turn = new_id("turn")
            if key is not None:
                done = await claim(session, environment_id, key, turn, self._idempotency_ttl)
                if done != turn:
                    return True
            await lock_parent(session, job_id)
            job, review = await find_review(session, environment_id, job_id, lock=True)
            _refuse_other(job, review, decision)
            _refuse_moved(job, prepared)
            await self._act(session, job, review, decision, prepared)
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

    async def _prepared(self, environment_id: str, job_id: str, decision: Decision) -> _Prepared:
        """Apply all corrections and seal what is decided, outside of any transaction."""
        async with self._db.begin(environment_id) as session:
            job, review = await find_review(session, environment_id, job_id)
            _refuse_other(job, review, decision)
            before = await find_actions(session, environment_id, job_id)
            pages = await find_pages(session, job, review)
            at = (await session.execute(select(func.now()))).scalar_one()
        if len(before) >= MAX_ACTIONS and decision.action is Action.CORRECT:
            raise RequestInvalid(f"A review takes at most {MAX_ACTIONS} actions. Approve or reject it.")
        amended = await self._amended(job, review, decision, before, pages)
        result = None if amended is None else amended.result
        if result is not None:  # it is shown to nobody unless it is approved, and goes if it is not
            await references.expect(self._db, environment_id, result.sha256)
        if decision.action is Action.CORRECT or job.bundle_id is None:
            return _Prepared(at, result)
        said = ruling_said(review, decision, at, before)
        ruling = Ruling(environment_id, job.bundle_id, at, said)
        sealed = await self._sealer.seal(ruling, None if amended is None else amended.extraction)
        return _Prepared(at, result, sealed, None if sealed is None else new_receipt_id())

    async def _amended(
        self,
        job: Job,
        review: Review,
        decision: Decision,
        before: Sequence[ReviewAction],
        pages: Mapping[int, str],
    ) -> Amended | None:
        """Apply all corrections; None when there are none, or no need."""
        corrections = [each for action in before for each in action.corrections]
        corrections += [dict(each) for each in decision.corrections]
        if not corrections or decision.action is Action.REJECT:
            return None
        return await self._corrector.amend(
            Amendment(
                job.environment_id,
                review.machine_sha256,
                pages,
                job.spec.get("json_schema") or {"type": "object"},
                corrections,
                seal=decision.action is Action.APPROVE and job.bundle_id is not None,
            )
        )

    async def _act(
        self,
        session: AsyncSession,
        job: Job,
        review: Review,
        decision: Decision,
        prepared: _Prepared,
    ) -> None:
        noted = await self._note(session, review, decision, prepared)
        match decision.action:
            case Action.CORRECT:
                changed = update(Job).where(Job.id == job.id).values(review=noted, updated_at=func.now())
                await session.execute(changed)
            case Action.REJECT:
                detail = {"code": REJECTED.code}
                columns = {"error": REJECTED.to_json(), "review": noted, **_sealed_as(prepared)}
                await _settle(session, job.id, JobStatus.FAILED, detail=detail, **columns)
            case Action.APPROVE:
                result = prepared.result or StoredBlob(review.machine_sha256, review.machine_size_bytes)
                await references.add(session, job.environment_id, job.id, [result.sha256])
                await _settle(
                    session,
                    job.id,
                    JobStatus.COMPLETED,
                    review=noted,
                    result_sha256=result.sha256,
                    result_size_bytes=result.size_bytes,
                    result_expires_at=self._result_ttl,
                    **_sealed_as(prepared),
                )
        if prepared.sealed is not None:
            assert prepared.receipt_id is not None
            deed = deed_of(STANDING[decision.action], decision.key_id)
            await self._sealer.commit(session, prepared.sealed, deed, prepared.receipt_id)

    async def _note(
        self, session: AsyncSession, review: Review, decision: Decision, prepared: _Prepared
    ) -> dict[str, Any]:
        """Write down who did what, and return what the job shows of its review now."""
        said = decision_said(review, decision, prepared.at)
        version, at = said["version"], said.pop("at")
        ids = {"job_id": review.job_id, "environment_id": review.environment_id}
        await session.execute(insert(ReviewAction).values(**ids, **said, created_at=at))
        await session.execute(update(Review).where(Review.job_id == review.job_id).values(version=version))
        decided = {} if decision.action is Action.CORRECT else {"decided_at": at.isoformat()}
        if prepared.receipt_id is not None:
            decided["receipt_id"] = prepared.receipt_id
        return summary(
            review.threshold,
            len(review.flagged),
            STANDING[decision.action],
            version,
            reviewer=decision.reviewer,
            key_id=decision.key_id,
            **decided,
        )


def _sealed_as(prepared: _Prepared) -> dict[str, Any]:
    """Return the columns of a job that show the bundle of what was decided, if there is one."""
    sealed = prepared.sealed
    if sealed is None:
        return {}
    return {"bundle_id": sealed.contents.bundle_id, "manifest_sha256": sealed.manifest_sha256}


async def _settle(session: AsyncSession, job_id: str, to: JobStatus, **columns: Any) -> None:
    if await end(session, job_id, to, is_parent_locked=True, **columns) is None:
        raise not_pending()


def _refuse_other(job: Job, review: Review, decision: Decision) -> None:
    if job.status != JobStatus.REVIEW_REQUIRED:
        raise not_pending()
    if decision.version != review.version:
        raise Conflict(
            f"The review has version {review.version} by now. Look at it again, then decide.",
            code="REVIEW_CHANGED",
        )


def _refuse_moved(job: Job, prepared: _Prepared) -> None:
    """Refuse what was sealed after another bundle than the job has now."""
    sealed = prepared.sealed
    if sealed is None or sealed.contents.parent is None:
        return
    if sealed.contents.parent.bundle_id != job.bundle_id:
        raise Unavailable("The job's bundle has changed meanwhile. Send the review again.")
