"""The page on webhooks does what it says: its lines submit, its receiver verifies, on real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from affidavit.samples import invoice_pdf
from affidavit.webhooks.event import EventType, Failure
from tests.conftest import ROOT
from tests.stack import Stack, free_port, running, until

PAGE = (ROOT / "docs/webhooks.md").read_text()
HOOKS = "https://hooks.example.com"


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    allowed = {"webhook_allow_http": True, "webhook_allowed_networks": "127.0.0.0/8"}
    with running(database_url, redis_url, tmp_path, webhook_schedule_scale=0.01, **allowed) as stack:
        stack.await_api()
        stack.start_worker()
        yield stack


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to paste the lines into")
def test_its_lines_and_its_receiver_work_as_printed(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "invoice.pdf").write_bytes(invoice_pdf())
    endpoint, job = submitted_as_printed(stack, tmp_path, f"http://127.0.0.1:{port}")
    with receiving_as_printed(tmp_path, endpoint["secret"], port) as said:
        until(lambda: said.read_text() != "", "the receiver to be told")
        until(lambda: f"job.completed {job['id']}\n" == said.read_text(), "the end of the job")

        log = stack.client.get(f"/v1/webhooks/{endpoint['id']}/deliveries").json()["items"]

    until(lambda: statuses(stack, endpoint["id"]) == ["delivered"], "the mark of the delivery")
    assert [item["type"] for item in log] == ["job.completed"]
    assert endpoint["secret"] not in stack.log("api") + stack.log("worker")


def test_it_names_every_event_and_every_error() -> None:
    named = set(re.findall(r"`([a-z_.]+)`", PAGE))

    assert {str(event) for event in EventType} <= named
    assert {str(failure) for failure in Failure} <= named


def submitted_as_printed(stack: Stack, folder: Path, hooks: str) -> list[dict[str, str]]:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    script = block.replace(HOOKS, hooks).replace("curl -sS", "curl -sS -w '\\n'")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "URL": stack.url, "KEY": stack.key},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def receiving_as_printed(folder: Path, secret: str, port: int) -> Iterator[Path]:
    """Run the receiver of the page and give the file that holds what it prints."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    said = folder / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code.replace("9000", str(port))],
            env={**os.environ, "WEBHOOK_SECRET": secret},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    try:
        yield said
    finally:
        process.kill()
        process.wait()


def statuses(stack: Stack, endpoint_id: str) -> list[str]:
    items = stack.client.get(f"/v1/webhooks/{endpoint_id}/deliveries").json()["items"]
    return [item["status"] for item in items]
