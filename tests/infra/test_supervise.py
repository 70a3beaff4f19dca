"""Processes on a leash: gone with their parent, stopped in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affidavit.infra.supervise import Command, Process, rotate, spawn

pytestmark = [
    pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="Unix"),
    pytest.mark.timeout(60),
]

PARENT_SCRIPT = """
import signal, sys, time
from pathlib import Path
from affidavit.infra.supervise import Command, spawn
folder = Path(sys.argv[1])
command = Command([sys.argv[2], "-c", sys.argv[3], str(folder)], folder / "log", signal.SIGTERM, {}, folder)
spawn("child", command, watchdog=sys.argv[4] == "watchdog")
print("ready", flush=True)
time.sleep(600)
"""

# Writes its number when it runs, and how it ended.
CHILD_SCRIPT = """
import os, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def note(number, frame):
    (folder / "ended").write_text(str(number))
    sys.exit()
signal.signal(signal.SIGTERM, note)
(folder / "draft").write_text(str(os.getpid()))
(folder / "draft").rename(folder / "running")
time.sleep(600)
"""

KINDS = [
    "watchdog",
    pytest.param("kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux")),
]


def await_text(path: Path) -> str:
    give_up = time.monotonic() + 20
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < give_up, f"{path.name} never came"
        time.sleep(0.01)
    return path.read_text()


def start(folder: Path, script: str) -> Process:
    command = Command([sys.executable, "-c", script, str(folder)], folder / "log", signal.SIGTERM, {}, folder)
    return spawn("child", command)


@pytest.mark.parametrize("kind", KINDS)
def test_death_signal_arrives_when_the_parent_is_killed(kind: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PARENT_SCRIPT, str(tmp_path), sys.executable, CHILD_SCRIPT, kind]
    parent = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    await_text(tmp_path / "running")
    parent.kill()
    parent.wait()
    assert await_text(tmp_path / "ended") == str(int(signal.SIGTERM))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a watchdog stands between")
def test_command_is_a_direct_child(tmp_path: Path) -> None:
    process = start(tmp_path, CHILD_SCRIPT)
    try:
        assert await_text(tmp_path / "running") == str(process.pid)
    finally:
        process.stop((signal.SIGTERM, 10))


def test_child_that_ignores_the_first_signal_is_stopped_by_the_next(tmp_path: Path) -> None:
    stubborn = CHILD_SCRIPT.replace("sys.exit()", "pass")
    process = start(tmp_path, stubborn)
    await_text(tmp_path / "running")
    process.stop((signal.SIGTERM, 0.2), (signal.SIGINT, 10))
    assert not process.is_running()
    assert await_text(tmp_path / "ended") == str(int(signal.SIGTERM))


def test_log_tail_shows_why_a_start_failed(tmp_path: Path) -> None:
    process = start(tmp_path, "raise SystemExit('no such thing')")
    process.popen.wait(20)
    assert process.log_tail().endswith("no such thing")
    assert process.log.stat().st_mode & 0o077 == 0


def test_log_that_grew_too_large_is_put_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 100)
        assert not rotate(log, limit_bytes=900)
        assert rotate(log, limit_bytes=899)
        writer.write(b"new line\n")

    assert log.read_bytes() == b"new line\n"
    assert (tmp_path / "api.old.log").read_bytes() == b"old line\n" * 100
