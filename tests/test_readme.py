"""The README's lines do what they say, as printed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from affidavit.samples import invoice_pdf
from tests.conftest import ROOT
from tests.stack import Stack, running, until

README = (ROOT / "README.md").read_text()


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    with running(database_url, redis_url, tmp_path) as stack:
        stack.await_api()
        yield stack


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) < 150


def test_its_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to paste the lines into")
def test_its_curl_lines_work_as_printed(stack: Stack, tmp_path: Path) -> None:
    stack.start_worker()
    until(lambda: "worker.started" in stack.log("worker"), "the worker to start")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/api-key").write_text(stack.key)
    (tmp_path / "var/sample-invoice.pdf").write_bytes(invoice_pdf())
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "export URL" in block)
    script = block.replace("http://127.0.0.1:8000", stack.url).replace("/result ", "/result -w '\\n' ")
    script = script.replace('?wait=20"', '?wait=20" -w "\\n"')
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    job, result = (json.loads(line) for line in done.stdout.splitlines())
    assert job["status"] == "completed"
    assert result["data"] == {"invoice_number": "RG-2026-00731", "total": 2290.45}
    (shown,) = re.findall(r"```json\n(\{\"total\".*?)```", README, re.DOTALL)
    assert {**result["fields"]["total"], **json.loads(shown)["total"]} == result["fields"]["total"]
