"""docs/evidence.md walks through a real bundle, by the lines that it prints."""

from __future__ import annotations

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

GUIDE = (ROOT / "docs" / "evidence.md").read_text()
TOOLS = ("curl", "unzip", "openssl", "sha256sum")


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    with running(database_url, redis_url, tmp_path / "stack") as stack:
        stack.start_worker()
        stack.await_api()
        (tmp_path / "var").mkdir()
        (tmp_path / "var/api-key").write_text(stack.key)
        (tmp_path / "var/sample-invoice.pdf").write_bytes(invoice_pdf())
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        yield stack


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"not all of {TOOLS} are here")
def test_its_walk_leads_through_a_real_bundle(stack: Stack, tmp_path: Path) -> None:
    script = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8000", stack.url)],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    checked, _, shown, by_hand = re.split(r"(?m)^exit status 1$|^bundle\.html: passed$", done.stdout)
    verified, is_fine, forged = checked.partition("Everything is as it was sealed.")
    assert is_fine
    assert re.search(r"(?m)^ok +log ", verified)
    assert re.search(r"(?m)^FAILED +container +document\.md +CRC_WRONG", forged)
    assert shown.strip() == "forged.html: failed"
    assert len(re.findall(r"(?m)^[a-z]\S+: OK$", by_hand)) == verified_files(verified)
    assert "Signature Verified Successfully\n1\n" in by_hand
    assert "Verification: OK" in done.stdout + done.stderr  # OpenSSL releases differ in where they say it
    assert "Nothing is wrong" in (tmp_path / "bundle.html").read_text()
    assert "Broken" in (tmp_path / "forged.html").read_text()


def verified_files(said: str) -> int:
    """Return how many files the verifier has held against the manifest."""
    (count,) = re.findall(r"(?m)^ok +artifact +(\d+)$", said)
    return int(count)


def test_its_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", GUIDE)

    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
