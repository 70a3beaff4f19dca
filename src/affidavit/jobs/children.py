"""Make the jobs that a split asks for: a batch over the parts, written with the end of the split itself.

A child that was taken over can choose among what the caller asked for, and pages of the caller's own
document; nothing else of a job comes from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.engine.spec import Operation, Options
from affidavit.infra.ids import new_id
from affidavit.jobs import acceptance, order
from affidavit.jobs.acceptance import Draft, Row
from affidavit.jobs.claim import Claim
from affidavit.jobs.models import Job, JobEvent, Task
from affidavit.jobs.submission import PRIORITY_ORDER, FileRef, Priority, Submission

MAX_PAGES_CHARS: Final = 1000  # of options.pages; a part of more pieces than that is taken as one
MAX_CHILDREN: Final = 1000  # of one split: as many items as a batch may have
AS_THEY_ARE: Final = (
    "id",
    "kind",
    "operation",
    "status",
    "parent_id",
    "position",
    "priority",
    "store",
    "spec",
)
_OF_THE_JOB: Final = frozenset({"operation", "schema", "template"})
_PRIORITIES: Final = {rank: priority for priority, rank in PRIORITY_ORDER.items()}


@dataclass(frozen=True, slots=True)
class ChildJob:
    """A job to be: which of the caller's wishes it is, by its name, and the pages that it is for."""

    wish: str
    topic: str
    part: int
    pages: str


def wishes_of(held: Claim) -> Mapping[str, Any]:
    """Return what the caller wants to be done with the parts of each topic."""
    wishes: Mapping[str, Any] = held.spec.get("parameters", {}).get("child_jobs", {})
    return wishes


async def make(
    session: AsyncSession, held: Claim, children: Sequence[ChildJob], deadline: timedelta
) -> str | None:
    """Write the batch in the caller's transaction and return its id; None when there is nothing to do."""
    if not children:
        return None
    labels = (await session.execute(select(Job.metadata_).where(Job.id == held.job_id))).scalar_one()
    draft = _draft(held, children, labels, deadline)
    await _write(session, held, draft)
    return draft.resource_id


def _draft(
    held: Claim, children: Sequence[ChildJob], labels: Mapping[str, str], deadline: timedelta
) -> Draft:
    batch_id = new_id("job")
    drafts = [
        acceptance.draft_job(
            _submission(held, child, labels),
            sealed_password=None,
            deadline=deadline,
            job_id=new_id("job"),
            parent_id=batch_id,
            position=position,
        )
        for position, child in enumerate(children)
    ]
    return acceptance.draft_batch(batch_id, drafts, dict(labels), _priority(held))


def _submission(held: Claim, child: ChildJob, labels: Mapping[str, str]) -> Submission:
    assert held.document is not None
    wish: Mapping[str, Any] = wishes_of(held)[child.wish]
    options = Options.model_validate({**held.spec.get("options", {}), "pages": _pages(child)})
    return Submission(
        operation=Operation(wish["operation"]),
        source=FileRef(held.document.id),
        options=options,
        json_schema=wish.get("schema"),
        parameters={name: value for name, value in wish.items() if name not in _OF_THE_JOB},
        priority=_priority(held),
        metadata={"part": str(child.part), "topic": child.topic, **labels},
    )


def _pages(child: ChildJob) -> str:
    if len(child.pages) <= MAX_PAGES_CHARS:
        return child.pages
    first, last = re.split(r"\D+", child.pages)[0], re.split(r"\D+", child.pages)[-1]
    return f"{first}-{last}"


def _priority(held: Claim) -> Priority:
    return _PRIORITIES.get(held.priority, Priority.NORMAL)


async def _write(session: AsyncSession, held: Claim, draft: Draft) -> None:
    whose = {"environment_id": held.environment_id}
    now = (await session.execute(select(func.now()))).scalar_one()
    await session.execute(insert(Job), [_job(row, held, now) for row in draft.jobs])
    events = [
        {**whose, "job_id": row["id"], "seq": 1, "type": f"job.{row['status']}", "status": row["status"]}
        for row in draft.jobs
    ]
    await session.execute(insert(JobEvent), events)
    begin = await order.served(session, held.environment_id)
    tasks = [{**whose, **row, "n": 1, "vstart": begin + place} for place, row in enumerate(draft.tasks)]
    await session.execute(insert(Task), tasks)


def _job(row: Row, held: Claim, now: datetime) -> Row:
    """Return the columns of a job. Each has all of them, so that one statement writes them all."""
    is_job = "deadline_seconds" in row
    return {
        **{name: row.get(name) for name in AS_THEY_ARE},
        "environment_id": held.environment_id,
        "source": row["source"],
        "document_id": row.get("document_id"),
        "metadata_": row["metadata"],
        "event_seq": 1,
        "request_id": held.request_id,
        "traceparent": held.traceparent,
        "deadline_at": now + timedelta(seconds=row["deadline_seconds"]) if is_job else None,
        "started_at": None if is_job else now,
    }
