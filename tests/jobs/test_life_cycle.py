"""The life of jobs in any order of events, with handles that went stale and are used all the same.

A worker is a handle: a claim that somebody holds. Handles stay in their bundle when their lease has died
or their job has ended, so that later steps work on with them, as a machine that was paused does. Time
passes by rows that are set back, never by waiting.

AFFIDAVIT_TEST_EXAMPLES asks for more examples than the suite has time for, and for new ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from affidavit.errors import Conflict, Gone, IdempotencyKeyReused
from affidavit.infra.db import SYSTEM, Database
from affidavit.infra.idempotency import fingerprint
from affidavit.infra.ids import new_id
from affidavit.jobs import ending, execution, sweep
from affidavit.jobs.claim import Beat, Claim, Fenced, JobError, ReadPage, Report, SourceDocument
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import TERMINAL, JobStatus, TaskKind
from affidavit.jobs.submission import JobPolicy, Priority, UrlRef
from tests.jobs.conftest import LEASE, POLICY, OpenSealer, submission
from tests.jobs.life import Promises

T = TypeVar("T")
EXAMPLES = int(os.environ.get("AFFIDAVIT_TEST_EXAMPLES", "0"))
KEY = "reading"
LONG = 2 * POLICY.batch_pages + 1
BROKEN = JobError("OCR_FAILED", "It failed.", "engine", retryable=True)
HOPELESS = JobError("CORRUPT_DOCUMENT", "It is damaged.", "input")
STATE = """
SELECT t.status = 'running' AND t.attempt = $2 AS is_held, j.status = 'processing' AS is_live
FROM job_tasks t JOIN jobs j ON j.id = t.job_id WHERE t.id = $1
"""
NUMBERS = count(1)


class DeafBell:
    """A bell that nobody hears."""

    def __init__(self) -> None:
        self.rings: list[str] = []

    def ring(self, hint: str) -> None:
        self.rings.append(hint)


class LifeCycle(RuleBasedStateMachine):
    jobs = Bundle("jobs")
    handles = Bundle("handles")
    environments = st.sampled_from([0, 1])

    def __init__(self, runner: asyncio.Runner, db: Database, service: Jobs, bell: DeafBell) -> None:
        super().__init__()
        self.runner, self.db, self.service, self.bell = runner, db, service, bell
        example = next(NUMBERS)
        self.names = [f"env_{example}_{side}" for side in "ab"]
        self.promises = Promises(self.names)
        self.keys: dict[tuple[int, str], tuple[str, str]] = {}
        self.long: set[tuple[str, int]] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(target=jobs)
    def begin(self) -> object:
        return multiple(*(self.submit(side, Priority.NORMAL, url=False) for side in (0, 1)))

    @initialize(target=handles)
    def begin_to_work(self) -> object:
        for side in (0, 1):
            self.submit(side, Priority.NORMAL, url=False)
        return multiple(*(self.claim("v", short_only=False, wait=False) for _ in range(2)))

    # What callers do.

    @rule(target=jobs, side=environments, priority=st.sampled_from(Priority), url=st.booleans())
    def submit(self, side: int, priority: Priority, url: bool) -> tuple[str, str]:
        source = {"source": UrlRef("https://example.com/a.pdf")} if url else {}
        wanted = submission(priority=priority, **source)
        return self.names[side], self.run(self.service.submit(self.names[side], wanted)).job.id

    @rule(target=jobs, side=environments, key=st.sampled_from("kl"), seed=st.sampled_from("ab"))
    def submit_with_key(self, side: int, key: str, seed: str) -> object:
        known = self.keys.get((side, key))
        given = fingerprint("POST /v1/parse", key, {"seed": seed})
        try:
            accepted = self.run(self.service.submit(self.names[side], submission(seed), given))
        except IdempotencyKeyReused:
            assert known is not None
            assert known[0] != seed
            return multiple()
        assert accepted.replayed == (known is not None)
        assert known in (None, (seed, accepted.job.id))
        self.keys[side, key] = (seed, accepted.job.id)
        return multiple() if known else (self.names[side], accepted.job.id)

    @rule(target=jobs, side=environments, items=st.integers(1, 3))
    def submit_batch(self, side: int, items: int) -> tuple[str, str]:
        batch = self.service.submit_batch(self.names[side], [submission() for _ in range(items)], {})
        return self.names[side], self.run(batch).job.id

    @rule(job=jobs)
    def cancel(self, job: tuple[str, str]) -> None:
        try:
            assert self.run(self.service.cancel(*job)).status is JobStatus.CANCELED
        except Conflict:
            assert self.run(self.service.get(*job)).status in TERMINAL

    @rule(target=jobs, job=consumes(jobs))
    def retry(self, job: tuple[str, str]) -> object:
        try:
            again = self.run(self.service.retry(*job, None)).job.id
        except (Conflict, Gone):
            return job
        return multiple(job, (job[0], again))

    # What workers do, each with a handle that may be of long ago.

    @rule(target=handles, worker=st.sampled_from("vw"), short_only=st.booleans(), wait=st.booleans())
    def claim(self, worker: str, short_only: bool, wait: bool) -> object:
        if wait:
            self.run(self.db.fetch("UPDATE job_tasks SET run_after = now() WHERE status = 'queued'"))
        held = self.run(execution.claim(self.db, worker, LEASE, short_only=short_only))
        if held is None:
            return multiple()
        assert held.attempt > self.promises.attempts.get(held.task_id, 0)
        return held

    @rule(held=handles)
    def heartbeat(self, held: Claim) -> None:
        is_held, is_live = self.state(held)
        beat = self.run(execution.heartbeat(self.db, held, LEASE))
        assert beat is (Beat.LOST if not is_held else Beat.HELD if is_live else Beat.ENDED)

    @rule(held=handles, pages=st.sampled_from([1, 8, LONG]))
    def open_document(self, held: Claim, pages: int) -> None:
        if (
            held.kind is not TaskKind.READ
            or held.pages is not None
            or (held.task_id, held.attempt) in self.long
        ):
            return
        selected = list(range(1, pages + 1))
        opened = execution.opened(
            self.db, held, media_type="application/pdf", page_count=pages, selected=selected, policy=POLICY
        )
        if self.is_done(held, opened) and pages == LONG:
            self.long.add((held.task_id, held.attempt))

    @rule(held=handles, page=st.integers(1, LONG))
    def report(self, held: Claim, page: int) -> None:
        read = ReadPage(number=page, sha256=f"{page:064x}", size_bytes=3, source="native")
        self.is_done(held, execution.report(self.db, held, Report(stage="read", read=(read,)), KEY))

    @rule(held=handles)
    def finish_ok(self, held: Claim) -> None:
        self.is_done(held, self.finished(held))

    @rule(held=handles)
    def finish_with_a_lost_page(self, held: Claim) -> None:
        if held.kind is TaskKind.READ and self.is_batch(held):
            lost = {"page": 1, "code": "PAGE_FAILED", "message": "It failed."}
            news = Report(failed=(lost,))
            self.is_done(
                held, execution.finish_reading(self.db, held, news, KEY, allow_partial=held.attempt % 2 == 0)
            )

    @rule(held=handles)
    def find_pages_gone(self, held: Claim) -> None:
        if held.kind is TaskKind.FINISH:
            self.is_done(held, execution.read_again(self.db, held, KEY, [1], POLICY))

    @rule(held=handles, error=st.sampled_from([BROKEN, HOPELESS]))
    def fail(self, held: Claim, error: JobError) -> None:
        is_held, _ = self.state(held)
        try:
            self.run(execution.fail(self.db, held, error, POLICY, tries=3))
        except Fenced:
            assert not is_held
        else:
            assert is_held

    @rule(held=handles, how=st.sampled_from([execution.release, execution.abandon]))
    def give_up(self, held: Claim, how: Any) -> None:
        if how is execution.release or self.state(held) == (True, False):
            self.run(how(self.db, held))

    # What time and the sweep do.

    @rule(held=handles)
    def lease_dies(self, held: Claim) -> None:
        past = (
            "UPDATE job_tasks SET lease_until = now() - interval '1 s' WHERE id = $1 AND status = 'running'"
        )
        self.run(self.db.fetch(past, held.task_id))

    @rule(target=handles, held=handles)
    def pause_until_another_has_the_task(self, held: Claim) -> object:
        self.lease_dies(held)
        self.sweep("reap")
        return self.claim("w", short_only=False, wait=True)

    @rule(what=st.sampled_from(["reap", "tidy", "ring", "release_strays"]))
    def sweep(self, what: str) -> None:
        match what:
            case "reap":
                self.run(sweep.reap(self.db, POLICY))
            case "tidy":
                self.run(sweep.tidy(self.db))
            case "ring":
                self.run(sweep.ring_due(self.db, self.bell, 4))  # type: ignore[arg-type]
                assert len(self.bell.rings) == len(set(self.bell.rings))
            case "release_strays":
                self.run(execution.release_strays(self.db, "v", []))

    @rule(job=jobs)
    def deadline_passes(self, job: tuple[str, str]) -> None:
        past = "UPDATE jobs SET deadline_at = now() - interval '1 s' WHERE id = $1 AND kind = 'job'"
        self.run(self.db.fetch(past, job[1]))
        self.run(sweep.expire_late(self.db))

    @rule(job=jobs)
    def purge(self, job: tuple[str, str]) -> None:
        if self.run(self.service.get(*job)).status in TERMINAL:
            self.run(self.purged(*job))

    @invariant()
    def promises_hold(self) -> None:
        self.run(self.promises.check(self.db))

    def teardown(self) -> None:
        """Let everything end that can, as live workers would; then nothing may be left."""
        try:
            self.run(self.end_all())
        finally:
            super().teardown()

    async def end_all(self) -> None:
        await self.db.fetch(
            "UPDATE job_tasks SET lease_until = now() - interval '1 s' WHERE status = 'running'"
        )
        while await sweep.reap(self.db, POLICY):
            pass
        await sweep.tidy(self.db)
        await self.db.fetch("UPDATE job_tasks SET run_after = now() WHERE status = 'queued'")
        while (held := await execution.claim(self.db, "last", LEASE)) is not None:
            await self.finished(held)
        await self.promises.check(self.db)
        await self.promises.check_quiet(self.db)

    def state(self, held: Claim) -> tuple[bool, bool]:
        """Tell whether the task is this handle's, and whether its job goes on."""
        row = self.run(self.db.fetch_row(STATE, held.task_id, held.attempt))
        assert row is not None
        return row["is_held"], row["is_live"]

    def is_done(self, held: Claim, work: Coroutine[Any, Any, object]) -> bool:
        """Do what only the holder of a live task may; tell whether it was done."""
        may = all(self.state(held))
        try:
            self.run(work)
        except Fenced:
            assert not may
            return False
        assert may
        return True

    def is_batch(self, held: Claim) -> bool:
        return held.pages is not None or (held.task_id, held.attempt) in self.long

    async def finished(self, held: Claim) -> None:
        """End a task as a worker does that has succeeded. Raises Fenced."""
        match held.kind:
            case TaskKind.FETCH:
                document = SourceDocument(new_id("file"), "d" * 64, 10, "a.pdf", "application/pdf")
                await execution.document_arrived(self.db, held, document)
            case TaskKind.READ if self.is_batch(held):
                await execution.finish_reading(self.db, held, Report(), KEY, allow_partial=True)
            case _:
                sha256 = f"{next(NUMBERS):064x}"
                await execution.complete(
                    self.db,
                    held,
                    news=Report(),
                    reading_key=KEY,
                    result_sha256=sha256,
                    result_size_bytes=1,
                    pages=1,
                    policy=POLICY,
                )
                self.promises.committed[held.job_id] = sha256

    async def purged(self, environment_id: str, job_id: str) -> None:
        async with self.db.begin(SYSTEM) as session:
            await ending.purge_result(session, environment_id, job_id)


def test_no_order_of_events_breaks_a_promise(database_url: str) -> None:
    policy = JobPolicy(timedelta(hours=1), timedelta(seconds=30), timedelta(days=30))
    bell = DeafBell()
    with asyncio.Runner() as runner:
        db = Database(database_url, pool_size=2, name="life")
        service = Jobs(db, bell, OpenSealer(), policy)  # type: ignore[arg-type]
        run_state_machine_as_test(
            lambda: LifeCycle(runner, db, service, bell),
            settings=settings(
                max_examples=EXAMPLES or 30,
                stateful_step_count=30,
                derandomize=not EXAMPLES,
                phases=tuple(Phase) if EXAMPLES else (Phase.generate,),  # to shrink takes minutes
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(db.close())
