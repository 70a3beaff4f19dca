"""A stream goes on at another process when its own is killed: no transition is missed or told twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.documents import invoice_pdf
from tests.stack import PATIENCE, Stack, free_port, running, until


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    with running(database_url, redis_url, tmp_path / "stack") as stack:
        yield stack


def start_second(stack: Stack) -> str:
    """Start another API process on the same database, and return its address."""
    port = free_port()
    stack.start("second", "serve", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    until(lambda: answers(url), "the second API to answer")
    return url


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


class Reader:
    """Reads event streams with nothing of ours, and remembers the last id as browsers do."""

    def __init__(self, stack: Stack, job_id: str) -> None:
        self._headers = {"Authorization": f"Bearer {stack.key}"}
        self._path = f"/v1/jobs/{job_id}/events"
        self.ids: list[int] = []
        self.names: list[str] = []

    def lines(self, url: str) -> Iterator[str]:
        headers = self._headers | ({"Last-Event-ID": str(self.ids[-1])} if self.ids else {})
        with httpx.stream("GET", url + self._path, headers=headers, timeout=PATIENCE) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.ids.append(int(value))
                elif name == "event":
                    self.names.append(value)
                yield line

    def read_to_the_end(self, url: str) -> dict[str, Any]:
        last = ""
        for line in self.lines(url):
            last = line if line.startswith("data: ") else last
        found: dict[str, Any] = json.loads(last.removeprefix("data: "))
        return found


def test_stream_of_a_killed_process_goes_on_at_another(stack: Stack) -> None:
    job_id = stack.submit(invoice_pdf())
    reader = Reader(stack, job_id)
    lines = reader.lines(stack.url)
    for line in lines:
        if line == "event: job":
            break
    second = start_second(stack)

    stack.kill("api")
    with pytest.raises(httpx.TransportError):
        list(lines)
    stack.start_worker()
    last = reader.read_to_the_end(second)

    assert last["status"] == "completed"
    assert reader.ids == [1, 2, 3]
    assert [name for name in reader.names if name.startswith("job.")] == [
        "job.queued",
        "job.processing",
        "job.completed",
    ]
    again = httpx.get(
        second + f"/v1/jobs/{job_id}/events", headers={**stack.client.headers, "Last-Event-ID": "3"}
    )
    assert again.status_code == 204


def test_stopping_process_ends_its_streams_at_once(stack: Stack) -> None:
    job_id = stack.submit(invoice_pdf())
    reader = Reader(stack, job_id)
    lines = reader.lines(stack.url)
    for line in lines:
        if line == "event: job":
            break
    process = stack.processes["api"]

    process.terminate()

    assert [
        line for line in lines if line.startswith("event")
    ] == []  # ends whole, not by a broken connection
    process.wait(PATIENCE)


def test_client_follows_through_a_restart(stack: Stack) -> None:
    job_id = stack.submit(invoice_pdf())
    follower = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, stack.url, stack.key, job_id], stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    assert follower.stdout.readline() == "1 job.queued\n"

    stack.kill("api")
    stack.start_api()
    stack.start_worker()
    rest = follower.stdout.read()

    assert follower.wait(PATIENCE) == 0
    assert rest.split("\n")[:-1] == ["2 job.processing", "3 job.completed"]


FOLLOW = """
import sys
from affidavit.client import Client, RetryPolicy
with Client(sys.argv[1], sys.argv[2], retry=RetryPolicy(retries=100, longest_seconds=1)) as client:
    for event in client.events(sys.argv[3]):
        if event.seq:
            print(event.seq, event.name, flush=True)
"""
