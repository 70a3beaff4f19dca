"""Kill what can be killed, at the worst moment, and lose nothing."""

from __future__ import annotations

import io
import json

import psutil
import pymupdf
import redis
from PIL import Image, ImageDraw, ImageFont

from tests.documents import text_pdf
from tests.stack import Stack, until

OCR = json.dumps({"ocr": {"engine": "tesseract", "dpi": 100}})


def scan_of_pages(count: int) -> bytes:
    """Return a PDF of small page images without text, each with its number on it."""
    with pymupdf.open() as pdf:
        for number in range(1, count + 1):
            image = Image.new("L", (600, 300), 255)
            text = f"Page number {number} of the evidence"
            ImageDraw.Draw(image).text((40, 120), text, fill=0, font=ImageFont.load_default(28))
            encoded = io.BytesIO()
            image.save(encoded, "PNG")
            page = pdf.new_page(width=432, height=216)
            page.insert_image(page.rect, stream=encoded.getvalue())
        return bytes(pdf.tobytes())


def test_kill_9_of_the_worker_costs_no_page_that_was_done(stack: Stack) -> None:
    stack.start_worker("first")
    job_id = stack.submit(scan_of_pages(30), options=OCR)
    until(lambda: stack.job(job_id)["progress"]["pages"]["done"] >= 5, "the first pages")
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
    ends = stack.rows("SELECT type FROM job_events WHERE type NOT IN ('job.queued', 'job.processing')")
    assert ends == [{"type": "job.completed"}]
    assert len(stack.rows("SELECT FROM usage_records")) == 1
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert alive == []


def test_kill_9_of_the_api_right_after_the_202_loses_nothing(stack: Stack) -> None:
    job_ids = []
    for number in range(3):
        job_ids.append(stack.submit(text_pdf(f"Submission {number}")))
        stack.kill("api")
        stack.start_api()
    stack.start_worker()
    for number, job_id in enumerate(job_ids):
        assert stack.await_end(job_id)["status"] == "completed"
        assert f"Submission {number}" in stack.client.get(f"/v1/jobs/{job_id}/result").json()["markdown"]


def test_flushing_the_bell_under_load_loses_nothing(stack: Stack, redis_url: str) -> None:
    stack.start_worker()
    with redis.Redis.from_url(redis_url) as bell:
        job_ids = []
        for number in range(40):
            job_ids.append(stack.submit(text_pdf(f"Submission {number}")))
            bell.flushall()
    ends = [stack.await_end(job_id)["status"] for job_id in job_ids]
    assert ends == ["completed"] * 40


def test_canceling_kills_the_child_and_keeps_the_worker(stack: Stack) -> None:
    stack.start_worker()
    job_id = stack.submit(scan_of_pages(30), options=OCR)
    until(lambda: stack.job(job_id)["progress"]["pages"]["done"] >= 1, "the first page")
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


def test_sigterm_gives_the_work_back_without_spending_a_budget(stack: Stack) -> None:
    stack.start_worker("first")
    job_id = stack.submit(scan_of_pages(60), options=OCR)
    until(lambda: stack.job(job_id)["progress"]["pages"]["done"] >= 3, "the first pages")
    process = stack.processes.pop("first")
    process.terminate()
    assert process.wait(30) == 0
    assert stack.rows("SELECT failures, crashes FROM job_tasks WHERE failures + crashes > 0") == []
    assert stack.rows("SELECT FROM job_tasks WHERE status = 'running'") == []
    stack.start_worker("second")
    assert stack.await_end(job_id)["status"] == "completed"
