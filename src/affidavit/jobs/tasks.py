"""Statements about tasks and the pages that they read, in the caller's transaction.

Locks go task first, then parent, then job, then the share of the queue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.documents import references
from affidavit.documents.models import PageCheckpoint
from affidavit.infra.ids import new_id
from affidavit.jobs import order
from affidavit.jobs.claim import Claim, Fenced, Report
from affidavit.jobs.models import Task
from affidavit.jobs.status import TaskKind, TaskStatus

Row = dict[str, Any]

# Shares of the progress bar: opening and fetching, reading, and finishing.
READ_FROM: Final = 5
READ_TO: Final = 90

_HOLD: Final = text(
    "SELECT id FROM job_tasks WHERE id = :task_id AND attempt = :attempt AND status = 'running' FOR UPDATE"
)

# What was done stays done: a new attempt that has not yet said what it found does not take it back.
_NOTE: Final = text("""
UPDATE job_tasks SET pages_done = greatest(pages_done, :done), pages_read = pages_read + :read,
    failed_pages = :failed
WHERE id = :task_id AND attempt = :attempt AND status = 'running' RETURNING id
""").bindparams(bindparam("failed", type_=JSONB))

_LOCK_JOB: Final = text("SELECT id FROM jobs WHERE id = :job_id AND status = 'processing' FOR NO KEY UPDATE")

_SHOW: Final = text(f"""
UPDATE jobs j SET
    pages_done = least(s.done, coalesce(j.pages_total, s.done)), pages_failed = s.failed,
    stage = :stage, message = :message, updated_at = now(),
    percent = greatest(j.percent, CASE WHEN j.pages_total > 0
        THEN {READ_FROM} + ({READ_TO} - {READ_FROM}) * least(s.done + s.failed, j.pages_total) / j.pages_total
        ELSE {READ_FROM} END)
FROM (
    SELECT coalesce(sum(pages_done), 0) AS done, coalesce(sum(jsonb_array_length(failed_pages)), 0) AS failed
    FROM job_tasks WHERE job_id = :job_id
) s
WHERE j.id = :job_id
""")  # noqa: S608 - constants of ours

_OPENED: Final = text("""
UPDATE jobs SET media_type = :media_type, page_count = :page_count, pages_total = :selected,
    deadline_at = CASE WHEN spec ->> 'deadline_seconds' IS NULL
        THEN created_at + CAST(:deadline AS interval) ELSE deadline_at END, updated_at = now(),
    percent = greatest(percent, :percent)
WHERE id = :job_id AND status = 'processing' RETURNING id
""")

_UNREAD: Final = text("""
SELECT count(*) FROM job_tasks WHERE job_id = :job_id
AND (status IN ('queued', 'running') OR (kind = 'finish' AND status = 'done'))
""")

_FAILED_PAGES: Final = text(
    "SELECT failed_pages FROM job_tasks WHERE job_id = :job_id AND kind = 'read' ORDER BY n"
)

_ENDS: Final = text("SELECT max(n) AS last, min(vstart) AS begin FROM job_tasks WHERE job_id = :job_id")

_TURNED_BACK: Final = text(
    "SELECT count(*) FROM job_tasks WHERE job_id = :job_id AND kind = 'finish' AND status = 'canceled'"
)


async def hold(session: AsyncSession, held: Claim) -> None:
    """Lock the task until the end of the transaction. Raises Fenced."""
    found = await session.execute(_HOLD, {"task_id": held.task_id, "attempt": held.attempt})
    if found.first() is None:
        raise Fenced


async def plan(session: AsyncSession, held: Claim, batches: Sequence[Sequence[int]]) -> None:
    """Keep the first batch for the held task, and queue one for each of the others.

    Each goes behind as many pages of the environment as the job has before it, so that what is submitted
    later comes between.
    """
    await session.execute(update(Task).where(Task.id == held.task_id).values(pages=list(batches[0])))
    begin = await order.served(session, held.environment_id) + len(batches[0])
    await _add(session, _reads(held, batches[1:], n=held.n + 1, vstart=begin, since=None))


async def add_read(session: AsyncSession, held: Claim) -> None:
    """Queue the reading of a document that has arrived, at the place that it has waited for."""
    row = _row(held, held.n + 1, TaskKind.READ, held.vstart) | {"created_at": held.submitted_at}
    await _add(session, [row])


async def add_again(session: AsyncSession, held: Claim, batches: Sequence[Sequence[int]]) -> None:
    """Queue pages of the job to be read once more."""
    last, begin = await _ends(session, held)
    await _add(session, _reads(held, batches, n=last + 1, vstart=begin, since=held.submitted_at))


async def add_finish(session: AsyncSession, held: Claim) -> None:
    """Queue the finish. It keeps the job's own place: nothing but this is left between it and its end."""
    last, begin = await _ends(session, held)
    await _add(session, [_row(held, last + 1, TaskKind.FINISH, begin) | {"created_at": held.submitted_at}])


async def _ends(session: AsyncSession, held: Claim) -> tuple[int, int]:
    """Return the number of the job's last task and the place of its first."""
    row = (await session.execute(_ENDS, {"job_id": held.job_id})).one()
    return row.last, row.begin


def _reads(
    held: Claim, batches: Sequence[Sequence[int]], *, n: int, vstart: int, since: datetime | None
) -> list[Row]:
    rows = []
    for number, pages in enumerate(batches, start=n):
        row = _row(held, number, TaskKind.READ, vstart) | {"pages": list(pages)}
        rows.append(row if since is None else row | {"created_at": since})
        vstart += len(pages)
    return rows


def _row(held: Claim, n: int, kind: TaskKind, vstart: int) -> Row:
    return {
        "id": new_id("task"),
        "job_id": held.job_id,
        "environment_id": held.environment_id,
        "n": n,
        "kind": kind,
        "status": TaskStatus.QUEUED,
        "priority": held.priority,
        "vstart": vstart,
    }


async def _add(session: AsyncSession, rows: Sequence[Row]) -> None:
    if not rows:
        return
    # A second attempt plans the same tasks again; those that are there stay as they are.
    statement = insert(Task).on_conflict_do_nothing(index_elements=["job_id", "n"])
    await session.execute(statement, rows)


async def open_job(
    session: AsyncSession,
    held: Claim,
    *,
    media_type: str,
    page_count: int,
    selected: int,
    deadline: timedelta,
) -> None:
    """Write what opening the document taught. Raises Fenced."""
    values = {
        "job_id": held.job_id,
        "media_type": media_type,
        "page_count": page_count,
        "selected": selected,
        "deadline": deadline,
        "percent": READ_FROM,
    }
    if (await session.execute(_OPENED, values)).first() is None:
        raise Fenced


async def note(session: AsyncSession, held: Claim, news: Report, reading_key: str) -> None:
    """Lock the task, count its pages and checkpoint those that were read. Raises Fenced."""
    values = {"done": news.pages_done, "read": len(news.read), "failed": list(news.failed)}
    fence = {"task_id": held.task_id, "attempt": held.attempt}
    if (await session.execute(_NOTE, values | fence)).first() is None:
        raise Fenced
    await _checkpoint(session, held, news, reading_key)


async def show(session: AsyncSession, held: Claim, news: Report) -> None:
    """Lock the job and show how far its tasks are. Raises Fenced when it has ended."""
    # The sum over the tasks must be of a snapshot that begins after the lock: an UPDATE that has
    # waited for its row would still add up what was there before it waited.
    if (await session.execute(_LOCK_JOB, {"job_id": held.job_id})).first() is None:
        raise Fenced
    await session.execute(_SHOW, {"job_id": held.job_id, "stage": news.stage, "message": news.message})


async def is_all_read(session: AsyncSession, held: Claim) -> bool:
    """Tell whether every page of the job was dealt with and nobody finishes it yet."""
    return not (await session.execute(_UNREAD, {"job_id": held.job_id})).scalar_one()


async def failed_pages(session: AsyncSession, job_id: str) -> list[int]:
    """Return the pages of the job that could not be read."""
    rows: Sequence[list[Mapping[str, Any]]] = (
        (await session.execute(_FAILED_PAGES, {"job_id": job_id})).scalars().all()
    )
    return [page["page"] for pages in rows for page in pages]


async def count_turned_back(session: AsyncSession, job_id: str) -> int:
    """Return how often a finish of the job found pages gone."""
    return int((await session.execute(_TURNED_BACK, {"job_id": job_id})).scalar_one())


async def forget_pages(session: AsyncSession, held: Claim, reading_key: str, pages: Collection[int]) -> None:
    """Drop checkpoints whose pages are gone or damaged, so that they are read anew."""
    assert held.document is not None
    await session.execute(
        delete(PageCheckpoint).where(
            PageCheckpoint.environment_id == held.environment_id,
            PageCheckpoint.document_sha256 == held.document.sha256,
            PageCheckpoint.reading_key == reading_key,
            PageCheckpoint.page.in_(pages),
        )
    )


async def _checkpoint(session: AsyncSession, held: Claim, news: Report, reading_key: str) -> None:
    if held.document is None or not news.read:
        return
    rows = [
        {
            "environment_id": held.environment_id,
            "document_sha256": held.document.sha256,
            "reading_key": reading_key,
            "page": page.number,
            "sha256": page.sha256,
            "size_bytes": page.size_bytes,
            "source": page.source,
            "image_sha256": page.image_sha256,
            "image_size_bytes": page.image_size_bytes,
            "image_width": page.image_width,
            "image_height": page.image_height,
            "image_crc32": page.image_crc32,
        }
        # In one order, or two jobs that read the same document could wait for each other's pages.
        for page in sorted(news.read, key=lambda page: page.number)
    ]
    await session.execute(insert(PageCheckpoint).on_conflict_do_nothing(), rows)
    owner = references.pages_owner(held.document.sha256, reading_key)
    digests = [page.sha256 for page in news.read]
    digests += [page.image_sha256 for page in news.read if page.image_sha256 is not None]
    await references.add(session, held.environment_id, owner, digests)
