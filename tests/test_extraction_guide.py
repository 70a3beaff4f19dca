"""docs/extraction.md leads from a document to data, by the lines that it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from affidavit.samples import invoice_pdf
from tests.conftest import ROOT
from tests.stack import Stack, running

GUIDE = (ROOT / "docs" / "extraction.md").read_text()
NUMBER, TOTAL = "RG-2026-00731", 2290.45


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    with running(database_url, redis_url, tmp_path / "stack") as stack:
        stack.start_worker()
        stack.await_api()
        (tmp_path / "var").mkdir()
        (tmp_path / "var/api-key").write_text(stack.key)
        (tmp_path / "var/sample-invoice.pdf").write_bytes(invoice_pdf())
        yield stack


def run(stack: Stack, command: list[str], folder: Path) -> list[str]:
    key = {"AFFIDAVIT_URL": stack.url, "AFFIDAVIT_API_KEY": stack.key}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | key, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to paste the lines into")
def test_its_lines_lead_from_a_document_to_data(stack: Stack, tmp_path: Path) -> None:
    script = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))
    script = script.replace("http://127.0.0.1:8000", stack.url)

    said = run(stack, ["bash", "-euo", "pipefail", "-c", script], tmp_path)

    text = "\n".join(said)
    *_, data, quote, number, verdict, label, point, _second, step, children = said
    assert "total" in json.loads((tmp_path / "schema.json").read_text())["properties"]
    assert json.loads(data)["total"] == TOTAL
    assert json.loads(data)["invoice_number"] == NUMBER
    assert "2,290.45" in quote
    assert (number, verdict, label) == (NUMBER, "supported", "invoice")
    assert point.startswith("- ")
    assert json.loads(step) == {"total": TOTAL}
    assert json.loads(children) == {"completed": 1}, text
    (read,) = stack.rows("SELECT sum(pages_read) AS pages FROM job_tasks")
    assert read["pages"] == 1, "the page was read more than once"


def test_its_python_works_as_printed(stack: Stack, tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)

    (said,) = run(stack, [sys.executable, "-c", block], tmp_path)

    assert str(TOTAL) in said


def test_its_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", GUIDE)

    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
