"""The worker process: its folder, and what a stop leaves behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from affidavit.worker import claim_scratch

HOST = socket.gethostname()


def test_a_worker_removes_what_dead_ones_of_its_machine_left_and_nothing_else(tmp_path: Path) -> None:
    left = [f"{HOST}-{os.getpid()}", f"{HOST}-99999999"]
    kept = [f"{HOST}-{os.getppid()}", f"{HOST}-2-99999999", "another-99999999"]
    for name in (*left, *kept):
        (tmp_path / name / "task").mkdir(parents=True)
    own = claim_scratch(tmp_path)
    assert own == tmp_path / left[0]
    assert list(own.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([own.name, *kept])
