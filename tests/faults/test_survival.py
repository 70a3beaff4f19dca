"""One installation that the tests of this file break and mend, one after the other."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis
from standardwebhooks.webhooks import Webhook

from affidavit.infra.queue import QUEUE_NAME
from tests.documents import text_pdf
from tests.faults.receiver import Answer, Receiver
from tests.faults.scans import OCR, scan_of_pages
from tests.faults.site import Site
from tests.stack import until

ACCEPTANCE = b'"operation"'  # stands in the parameters of the statement that accepts a submission
SECRET = "whsec_" + base64.b64encode(b"a secret of the receiver, 32 byte").decode()
ENDS = "SELECT status FROM job_events WHERE job_id = $1 AND status NOT IN ('queued', 'processing')"
DELIVERIES = "SELECT status, attempts FROM webhook_deliveries WHERE job_id = $1"
COMMITS = 4  # of a job of one page, its news and its end, and some of the sweeps


@pytest.mark.parametrize("skip", range(COMMITS))
def test_a_commit_whose_answer_is_lost_counts_once(site: Site, skip: int) -> None:
    site.stack.await_api()
    lost = site.worker_line.lose_answer_to(b"COMMIT", skip=skip)
    job_id = site.stack.submit(text_pdf(f"Commit {skip} goes unanswered"))
    until(lost.is_set, "the answer to a commit to be lost, the job's or a sweep's")
    site.worker_line.restore()
    site.assert_done_once(job_id)


def test_an_acceptance_whose_answer_is_lost_is_the_same_job_when_it_is_repeated(site: Site) -> None:
    site.stack.await_api()
    lost = site.api_line.lose_answer_to(ACCEPTANCE)
    data = text_pdf("Accepted, and nobody knows")
    first = site.post(data, key="lost-acceptance")
    assert lost.is_set()
    assert first.status_code == 503
    assert "retry-after" in first.headers
    job_id = site.post_until_accepted(data, key="lost-acceptance")
    site.assert_done_once(job_id)
    made = site.stack.rows("SELECT resource_id FROM idempotency_keys WHERE key = 'lost-acceptance'")
    assert made == [{"resource_id": job_id}]
    since = "SELECT id FROM jobs WHERE created_at >= (SELECT created_at FROM jobs WHERE id = $1)"
    assert site.stack.rows(since, job_id) == [{"id": job_id}]


def test_a_database_that_is_locked_up_is_said_to_be_away_and_nobody_waits_for_ever(site: Site) -> None:
    job_id = site.stack.submit(text_pdf("Before the lock"))
    site.assert_done_once(job_id)
    before = site.stack.rows("SELECT count(*) AS n FROM jobs")

    def submit_at_once() -> list[int]:
        with ThreadPoolExecutor(30) as callers:
            posts = [callers.submit(site.post, text_pdf(f"Caller {n}")) for n in range(30)]
            answers = [post.result() for post in posts]
        assert all("retry-after" in answer.headers for answer in answers)
        assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
        return [answer.status_code for answer in answers]

    assert set(asyncio.run(locked(site.servers.database_url, submit_at_once))) == {503}
    assert site.stack.rows("SELECT count(*) AS n FROM jobs") == before
    site.assert_done_once(site.stack.submit(text_pdf("After the lock")))


async def locked(url: str, act: Callable[[], list[int]]) -> list[int]:
    """Do something while another transaction has the table of jobs for itself."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
            return await asyncio.to_thread(act)
    finally:
        await connection.close()


def test_a_frozen_postgres_is_answered_with_503_and_costs_no_job(site: Site) -> None:
    running = site.stack.submit(scan_of_pages(12), options=OCR)
    until(lambda: site.stack.job(running)["progress"]["pages"]["done"] >= 1, "the first page")
    with site.frozen("postgres"):
        answer = site.post(text_pdf("Nobody can note this"), key="frozen")
        assert answer.status_code == 503, answer.text
        assert "retry-after" in answer.headers
    site.assert_done_once(site.post_until_accepted(text_pdf("Nobody can note this"), key="frozen"))
    site.assert_done_once(running)


def test_a_frozen_valkey_costs_neither_submissions_nor_jobs(site: Site) -> None:
    site.stack.await_api()
    with site.frozen("valkey"):
        for number in range(3):
            site.assert_done_once(site.stack.submit(text_pdf(f"Without a bell {number}")))
    site.assert_done_once(site.stack.submit(text_pdf("With a bell again")))


def test_a_valkey_that_takes_no_more_costs_neither_submissions_nor_jobs(site: Site) -> None:
    with site.bell as bell:
        bell.config_set("maxmemory", "1")
        try:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                bell.set("more", "than fits")
            for number in range(3):
                site.assert_done_once(site.stack.submit(text_pdf(f"Into a full bell {number}")))
        finally:
            bell.config_set("maxmemory", "0")


class Forged:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self._path), "w")


def test_rings_that_nobody_sent_run_nothing(site: Site, tmp_path: Path) -> None:
    forged = {
        "task_of_nobody.7.7": b'{"t":null,"f":"run_job","a":["task_of_nobody"],"k":{},"et":1}',
        "other_function": b'{"t":null,"f":"os.system","a":["true"],"k":{},"et":1}',
        "no_json": b"\xff\x00{",
        "pickled": pickle.dumps(Forged(tmp_path / "made-by-a-pickle")),
    }
    with site.bell as bell:
        for name, body in forged.items():
            bell.set(f"arq:job:{name}", body)
            bell.zadd(QUEUE_NAME, {name: 1})
        bell.zadd(QUEUE_NAME, {"without_a_body": 1, "due_in_a_year": (time.time() + 3e7) * 1000})
        for number in range(3):
            job_id = site.stack.submit(text_pdf(f"Among forged rings {number}"))
            # The same ring again and again, and a stale one.
            bell.set(f"arq:job:{job_id}.1", b'{"t":null,"f":"run_job","a":["x"],"k":{},"et":1}')
            bell.zadd(QUEUE_NAME, {f"{job_id}.1": 1})
            site.assert_done_once(job_id)
        until(lambda: bell.zscore(QUEUE_NAME, "pickled") is None, "the forged rings to be taken")
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_a_dead_engine_host_is_replaced_and_its_task_done(site: Site) -> None:
    job_id = site.stack.submit(scan_of_pages(8), options=OCR)
    until(lambda: site.stack.readers("worker") != [], "the document to be read")
    worker = site.stack.processes["worker"].pid
    for host in site.stack.hosts("worker"):
        host.kill()
    site.assert_done_once(job_id)
    assert site.stack.processes["worker"].pid == worker


def test_a_child_that_always_dies_fails_its_job_by_name_and_nothing_else(site: Site) -> None:
    poison = site.stack.submit(scan_of_pages(8), options=OCR)
    deadline = time.monotonic() + 60
    while site.stack.job(poison)["status"] not in ("completed", "failed"):
        for reader in site.stack.readers("worker"):
            reader.kill()
        assert time.monotonic() < deadline
    job = site.stack.job(poison)
    assert job["status"] == "failed"
    assert job["error"]["code"] in ("ENGINE_CRASHED", "PAGES_FAILED")
    assert site.stack.processes["worker"].poll() is None
    site.assert_done_once(site.stack.submit(text_pdf("Not poison")))


def test_a_network_cut_stops_the_child_before_another_worker_has_the_task(site: Site) -> None:
    """The lease is the worker's, by its own clock, until it is the next one's, by the database's."""
    job_id = site.stack.submit(scan_of_pages(30), options=OCR)
    until(lambda: site.stack.readers("worker") != [], "the document to be read")
    site.worker_line.stall()
    try:
        site.stack.start_worker("other")
        until(lambda: site.stack.readers("worker") == [], "the cut-off child to be dead")
        claimed = site.stack.rows("SELECT FROM job_tasks WHERE job_id = $1 AND attempt > 1", job_id)
        assert claimed == []
    finally:
        site.worker_line.restore()
    site.assert_done_once(job_id)
    site.stack.processes.pop("other").terminate()


def test_a_process_that_cannot_reach_its_database_comes_back_by_itself(site: Site) -> None:
    for line in (site.api_line, site.worker_line):
        line.refuse()
    answer = site.post(text_pdf("Cut off"), key="cut-off")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    for line in (site.api_line, site.worker_line):
        line.restore()
    site.assert_done_once(site.post_until_accepted(text_pdf("Cut off"), key="cut-off"))


def test_an_answer_to_a_webhook_that_is_lost_brings_it_again_with_the_same_id(site: Site) -> None:
    with Receiver(answers=[Answer.DROPPED, Answer.FAILED, Answer.ACCEPTED]) as receiver:
        job_id = site.stack.submit(
            text_pdf("Told three times"), webhook=json.dumps({"url": receiver.url, "secret": SECRET})
        )
        until(lambda: len(receiver.heard) == 3, "the third attempt")
        site.assert_done_once(job_id)
        until(
            lambda: site.stack.rows(DELIVERIES, job_id) == [{"status": "delivered", "attempts": 3}],
            "the delivery to be marked",
        )
    assert len({(heard.id, heard.body) for heard in receiver.heard}) == 1
    for heard in receiver.heard:
        Webhook(SECRET).verify(heard.body, heard.headers)


def test_a_sender_that_dies_after_the_post_sends_it_again_with_the_same_id(site: Site) -> None:
    with Receiver(answers=[Answer.HUNG, Answer.ACCEPTED]) as receiver:
        job_id = site.stack.submit(
            text_pdf("Told twice"), webhook=json.dumps({"url": receiver.url, "secret": SECRET})
        )
        until(lambda: len(receiver.heard) == 1, "the first attempt")
        site.stack.kill("worker")
        site.restart_worker()
        until(lambda: len(receiver.heard) == 2, "the second attempt")
        site.assert_done_once(job_id)
    assert len({(heard.id, heard.body) for heard in receiver.heard}) == 1


def test_a_flipped_bit_of_a_result_is_found_when_it_is_read(site: Site) -> None:
    job_id = site.stack.submit(text_pdf("Whole, for now"))
    site.assert_done_once(job_id)
    (row,) = site.stack.rows("SELECT environment_id, result_sha256 FROM jobs WHERE id = $1", job_id)
    (blob,) = (site.stack.folder / "blobs").rglob(row["result_sha256"])
    good = blob.read_bytes()
    blob.chmod(0o600)
    try:
        blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        answer = site.stack.client.get(f"/v1/jobs/{job_id}/result")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
    finally:
        blob.write_bytes(good)
    assert site.stack.client.get(f"/v1/jobs/{job_id}/result").status_code == 200


def test_cancels_that_race_with_the_end_leave_each_job_one_end(site: Site) -> None:
    job_ids = [site.stack.submit(text_pdf(f"Racing {number}")) for number in range(12)]
    for at, job_id in enumerate(job_ids):
        until(lambda at=at: sum_done(site, job_ids) >= at // 2, "some to be done")
        site.stack.client.delete(f"/v1/jobs/{job_id}")
    for job_id in job_ids:
        status = site.stack.await_end(job_id)["status"]
        assert site.stack.rows(ENDS, job_id) == [{"status": status}]
        charged = site.stack.rows("SELECT FROM usage_records WHERE job_id = $1", job_id)
        assert len(charged) == (status == "completed")


def sum_done(site: Site, job_ids: list[str]) -> int:
    """Count those that have ended."""
    statement = "SELECT count(*) AS n FROM jobs WHERE id = ANY($1) AND status IN ('completed', 'canceled')"
    return int(site.stack.rows(statement, job_ids)[0]["n"])


def test_a_power_cut_loses_nothing_that_was_accepted(site: Site) -> None:
    """The last of this file: everything is killed at once, and started again."""
    job_ids = [site.stack.submit(scan_of_pages(6), options=OCR)]
    until(lambda: site.stack.readers("worker") != [], "the document to be read")
    job_ids += [site.stack.submit(text_pdf(f"Accepted before the cut {n}")) for n in range(4)]
    victims = [*site.server("postgres"), *site.server("valkey")]
    for name in ("api", "worker"):
        site.stack.kill(name)
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(victims, timeout=20)
    site.servers.revive()
    site.start()
    site.stack.await_api()
    for job_id in job_ids:
        site.assert_done_once(job_id)
