"""The trial of the walls finds a wall that is not there, and none missing where all stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from affidavit.infra import landlock, seccomp, wall_trial
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.identity import Identity
from affidavit.infra.wall_trial import are_walls_held, try_walls

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's"),
    pytest.mark.timeout(120),
]
UNWALLED = """
import json, sys
from pathlib import Path
from affidavit.infra.wall_trial import attempt
attempt(json.loads(sys.argv[1]), None, Path(), lambda message: print(message.get("what"), flush=True))
"""
has_walls = pytest.mark.skipif(
    landlock.abi() == 0 or not seccomp.is_supported(), reason="this kernel has no Landlock or no seccomp"
)


@has_walls
async def test_child_of_either_profile_can_do_nothing_that_it_must_not():
    trials = await try_walls(Identity.named("nobody"), Wrapping.NONE, [Path("/bin/true")])

    assert [trial.profile for trial in trials] == ["parse", "ocr-tesseract"]
    assert [trial.escapes for trial in trials] == [(), ()]
    assert all(trial.is_held for trial in trials)


def test_process_without_walls_is_found_to_escape(tmp_path):
    """In a process of its own: one of the things that it does is to leave this machine's users."""
    request = {"may_start": False, "worker": os.getpid(), "outside": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-c", UNWALLED, json.dumps(request)], capture_output=True, text=True, check=True
    )

    escaped = ended.stdout.splitlines()
    wanted = set(wall_trial.WAYS) - {"make a namespace", "signal its parent"}  # which a container may forbid
    assert wanted <= set(escaped)


def test_strict_start_is_refused_where_wrapping_is_asked_for_and_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with capture_logs() as lines:
        assert not are_walls_held("nobody", "bwrap", [])

    [line] = [line for line in lines if line["event"] == "walls.missing"]
    assert any("not installed" in wall for wall in line["walls"])


@has_walls
def test_strict_start_is_granted_where_the_walls_stand():
    assert are_walls_held("nobody", "auto", [Path("/bin/true")])
