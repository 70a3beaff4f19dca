"""Take the servers away, and wait for nobody to mend anything by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from affidavit.infra.embedded import EmbeddedServers
from tests.conftest import migrate
from tests.documents import text_pdf
from tests.faults.scans import OCR, scan_of_pages
from tests.stack import free_port, running, until


@pytest.fixture
def servers_of_its_own(tmp_path: Path) -> Iterator[EmbeddedServers]:
    with EmbeddedServers(tmp_path / "servers") as servers:
        migrate(servers.database_url)
        yield servers


def test_kill_9_of_postgres_in_the_middle_of_a_job_costs_nothing(
    servers_of_its_own: EmbeddedServers, tmp_path: Path
) -> None:
    servers = servers_of_its_own
    settings = {"lease_seconds": 20, "heartbeat_seconds": 2}
    with running(servers.database_url, servers.redis_url, tmp_path / "stack", **settings) as stack:
        stack.start_worker()
        job_id = stack.submit(scan_of_pages(16), options=OCR)
        until(lambda: stack.job(job_id)["progress"]["pages"]["done"] >= 2, "the first pages")
        psutil.Process(servers.pids["postgres"]).kill()
        until(lambda: "sweep.failed" in stack.log("worker"), "the worker to miss the database")
        servers.revive()
        assert stack.await_end(job_id)["status"] == "completed"
        (work,) = stack.rows(
            "SELECT sum(pages_read) AS pages, sum(failures) AS failures, sum(crashes) AS crashes "
            "FROM job_tasks"
        )
        assert work == {"pages": 16, "failures": 0, "crashes": 0}


def test_jobs_are_accepted_and_done_without_redis(database_url: str, tmp_path: Path) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    with running(database_url, nobody, tmp_path / "stack") as stack:
        stack.start_worker()
        for number in range(3):  # one after the other: nothing but a look of its own wakes an idle worker
            job_id = stack.submit(text_pdf(f"Submission {number}"))
            assert stack.await_end(job_id)["status"] == "completed"
