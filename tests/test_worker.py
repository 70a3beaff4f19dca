"""The worker process: its folder, and what a stop leaves behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from affidavit.infra.scratch import claim_scratch, sweep_scratch

HOST = socket.gethostname()


def test_a_worker_removes_what_dead_ones_of_its_machine_left_and_nothing_else(tmp_path: Path) -> None:
    left = [f"{HOST}-{os.getpid()}", f"{HOST}-99999999"]
    kept = [f"{HOST}-{os.getppid()}", f"{HOST}-2-99999999", "another-99999999"]
    for name in (*left, *kept):
        (tmp_path / name / "task").mkdir(parents=True)
    own = claim_scratch(tmp_path)
    assert own == tmp_path / left[0]
    assert list(own.iterdir()) == []
    assert folders(tmp_path) == sorted([own.name, *kept])


def test_a_folder_goes_when_its_process_has_died_and_not_before(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from affidavit.infra.scratch import claim_scratch; "
    program += "print(claim_scratch(Path(sys.argv[1])).name, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        (tmp_path / name / "document").write_text("what it was reading")
        sweep_scratch(tmp_path, spare="ours")
        assert folders(tmp_path) == [name]
        other.kill()
        other.wait()
    sweep_scratch(tmp_path, spare="ours")
    assert list(tmp_path.iterdir()) == []


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())
