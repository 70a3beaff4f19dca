"""Kill what can be killed, at the worst moment, and lose nothing."""

from __future__ import annotations

import psutil
import pytest
import redis

from affidavit.infra.queue import QUEUE_NAME
from tests.documents import text_pdf
from tests.faults.clock import faked_clock
from tests.faults.scans import OCR, scan_of_pages
from tests.stack import Stack, until


def pages_done(stack: Stack, job_id: str) -> int:
    return int(stack.job(job_id)["progress"]["pages"]["done"])


def assert_one_end(stack: Stack) -> None:
    """Check that the only job of the stack ended once, well, and was charged and sealed once."""
    ends = stack.rows("SELECT type FROM job_events WHERE type NOT IN ('job.queued', 'job.processing')")
    assert ends == [{"type": "job.completed"}]
    assert len(stack.rows("SELECT FROM usage_records")) == 1
    assert len(stack.rows("SELECT FROM bundles")) == 1


def test_kill_9_of_the_worker_costs_no_page_that_was_done(stack: Stack) -> None:
    stack.start_worker("first")
    job_id = stack.submit(scan_of_pages(30), options=OCR)
    until(lambda: pages_done(stack, job_id) >= 5, "the first pages")
    orphans = stack.children("first")
    stack.kill("first")
    done = stack.rows("SELECT page FROM page_checkpoints")
    assert 5 <= len(done) < 30
    stack.start_worker("second")
    assert stack.await_end(job_id)["status"] == "completed"
    result = stack.client.get(f"/v1/jobs/{job_id}/result").json()
    assert [page["number"] for page in result["pages"]] == list(range(1, 31))
    assert all(f"number {number} of" in result["markdown"] for number in (1, 17, 30))
    assert result["completeness"]["ok"] is True
    (work,) = stack.rows("SELECT sum(pages_read) AS pages, max(attempt) AS attempts FROM job_tasks")
    assert work == {"pages": 30, "attempts": 2}
    assert_one_end(stack)
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert alive == []


def test_a_worker_that_was_stalled_beyond_its_lease_commits_nothing(stack: Stack) -> None:
    stack.start_worker("first")
    job_id = stack.submit(scan_of_pages(8), options=OCR)
    until(lambda: pages_done(stack, job_id) >= 1, "the first page")
    stack.pause("first")
    stack.start_worker("second")
    until(
        lambda: stack.rows("SELECT FROM job_tasks WHERE attempt = 2 AND status = 'running'") != [],
        "another worker to take the task over",
    )
    stack.resume("first")
    assert stack.await_end(job_id)["status"] == "completed"
    ends = ("task.fenced", "task.stopped", "job.completed")
    until(lambda: any(end in stack.log("first") for end in ends), "the stalled worker to notice")
    assert "job.completed" not in stack.log("first")
    assert "job.completed" in stack.log("second")
    assert stack.rows("SELECT attempt, crashes, pages_read FROM job_tasks") == [
        {"attempt": 2, "crashes": 1, "pages_read": 8}
    ]
    assert_one_end(stack)


def test_kill_9_of_the_api_right_after_the_202_loses_nothing(stack: Stack) -> None:
    job_ids = []
    for number in range(2):
        job_ids.append(stack.submit(text_pdf(f"Submission {number}")))
        stack.kill("api")
        stack.start_api()
    stack.start_worker()
    stack.await_api()
    for number, job_id in enumerate(job_ids):
        assert stack.await_end(job_id)["status"] == "completed"
        assert f"Submission {number}" in stack.client.get(f"/v1/jobs/{job_id}/result").json()["markdown"]


def test_flushing_the_bell_loses_nothing(stack: Stack, redis_url: str) -> None:
    stack.start_worker()
    job_ids = [stack.submit(text_pdf("The first of all"))]
    with redis.Redis.from_url(redis_url) as bell:
        for burst in range(3):
            assert stack.await_end(job_ids[-1])["status"] == "completed"
            stack.pause("worker")  # so that it cannot hear before the flush
            bell.flushall()
            for number in range(5):
                job_ids.append(stack.submit(text_pdf(f"Submission {number} of {burst}")))
                until(lambda: bell.zcard(QUEUE_NAME) > 0, "the bell to ring")
                bell.flushall()
            stack.resume("worker")
    assert [stack.await_end(job_id)["status"] for job_id in job_ids] == ["completed"] * 16


def test_canceling_kills_the_child_and_keeps_the_worker(stack: Stack) -> None:
    stack.start_worker()
    job_id = stack.submit(scan_of_pages(30), options=OCR)
    until(lambda: pages_done(stack, job_id) >= 1, "the first page")
    assert stack.client.delete(f"/v1/jobs/{job_id}").json()["status"] == "canceled"
    until(
        lambda: stack.rows("SELECT FROM job_tasks WHERE status IN ('queued', 'running')") == [],
        "the tasks to end",
    )
    read = stack.rows("SELECT count(*) AS n FROM page_checkpoints")[0]["n"]
    assert read < 30
    after = stack.submit(text_pdf("Still at work"))
    assert stack.await_end(after)["status"] == "completed"
    assert stack.rows("SELECT count(*) AS n FROM page_checkpoints")[0]["n"] == read + 1


@pytest.mark.parametrize("stack", [{"drain_seconds": 0.2}], indirect=True)
def test_sigterm_gives_the_work_back_without_spending_a_budget(stack: Stack) -> None:
    stack.start_worker("first")
    job_id = stack.submit(scan_of_pages(24), options=OCR)
    until(lambda: pages_done(stack, job_id) >= 3, "the first pages")
    process = stack.processes.pop("first")
    process.terminate()
    assert process.wait(30) == 0
    assert stack.rows("SELECT FROM job_tasks WHERE attempt = 1 AND status = 'queued'") != []
    assert stack.rows("SELECT FROM job_tasks WHERE failures + crashes > 0 OR status = 'running'") == []
    assert [left for left in (stack.folder / "scratch").iterdir() if f"-{process.pid}" in left.name] == []
    stack.start_worker("second")
    assert stack.await_end(job_id)["status"] == "completed"
    assert_one_end(stack)


@pytest.mark.skipif(faked_clock("+1h") is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("stack", [{"lease_seconds": 20, "heartbeat_seconds": 1}], indirect=True)
def test_workers_whose_clocks_are_hours_apart_keep_their_leases(stack: Stack) -> None:
    for name, shift in (("early", "-1h"), ("late", "+1h")):
        stack.preload[name] = faked_clock(shift) or {}
        stack.start_worker(name)
    # Long enough for some beats, wide enough for both.
    job_ids = [stack.submit(scan_of_pages(16), options=OCR) for _ in range(2)]
    assert [stack.await_end(job_id, patience=150)["status"] for job_id in job_ids] == ["completed"] * 2
    assert stack.rows("SELECT max(crashes) AS crashes, max(attempt) AS attempts FROM job_tasks") == [
        {"crashes": 0, "attempts": 1}
    ]
    owners = stack.rows("SELECT DISTINCT lease_owner FROM job_tasks WHERE lease_owner IS NOT NULL")
    assert len(owners) == 2


def test_a_worker_that_dies_of_a_document_three_times_has_it_no_more(stack: Stack) -> None:
    poison = stack.submit(scan_of_pages(30), options=OCR)
    for attempt in (1, 2, 3):
        stack.start_worker()
        until(
            lambda attempt=attempt: (
                stack.rows("SELECT FROM job_tasks WHERE attempt >= $1 AND status = 'running'", attempt) != []
                or stack.job(poison)["status"] == "failed"
            ),
            "the next try",
        )
        stack.kill("worker")
    stack.start_worker()
    job = stack.await_end(poison)
    assert (job["status"], job["error"]["code"]) == ("failed", "POISON_DOCUMENT")
    assert stack.await_end(stack.submit(text_pdf("Not poison")))["status"] == "completed"
