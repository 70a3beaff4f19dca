"""A strict installation does not start where a wall is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(180)
@pytest.mark.parametrize("role", ["worker", "serve"])
def test_process_refuses_to_start_without_a_wall_that_it_must_have(role: str, tmp_path: Path) -> None:
    environment = {
        "PATH": str(tmp_path),  # so that bubblewrap is not found
        "HOME": os.environ.get("HOME", "/"),
        "AFFIDAVIT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",  # it does not come so far
        "AFFIDAVIT_REDIS_URL": "redis://127.0.0.1:1/0",
        "AFFIDAVIT_SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "AFFIDAVIT_DATA_DIR": str(tmp_path / "data"),
        "AFFIDAVIT_SANDBOX": "bwrap",
        "AFFIDAVIT_STRICT": "true",
    }

    ended = subprocess.run(
        [sys.executable, "-m", "affidavit.cli", role],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "walls.missing" in ended.stdout + ended.stderr
    assert "not installed" in ended.stdout + ended.stderr
