"""Hostile bundles end with a code, in bounded memory and time, and print nothing that a terminal obeys."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.hostile import HOSTILE
from tests.bundle.vectors import FOLDER

CPU_SECONDS = 20  # each takes up to 2 on a slow machine; what grows with the square of a file takes hours
ADDRESS_SPACE = 1536 << 20  # of which Python and its libraries take 150 MiB
RUN = [sys.executable, "-m", "affidavit.cli", "verify", "--key", str(FOLDER / "key.pem")]
# What a sealer could make of a strange document: nothing is wrong with these.
SOUND = {
    "extraction_with_long_names_of_many_objects",
    "extraction_with_long_names_of_many_citations",
    "extraction_of_long_numbers",
}


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bundle_ends_with_a_code(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    path.write_bytes(HOSTILE[name]())

    done = subprocess.run(
        [*RUN, "--json", str(path)], capture_output=True, preexec_fn=bounded, timeout=120, check=False
    )

    assert done.returncode in ({0} if name in SOUND else {1, 3}), done.stderr.decode()[-2000:]
    assert done.stderr == b""
    codes = {check["code"] for check in json.loads(done.stdout)["checks"]} - {None, "ABSENT"}
    assert codes or name in SOUND


def test_nothing_that_a_terminal_obeys_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    path.write_bytes(HOSTILE["names_that_move_the_cursor"]())

    said = subprocess.run([*RUN, str(path)], capture_output=True, timeout=60, check=False).stdout.decode()

    assert all(char.isprintable() or char == "\n" for char in said)
    assert not [
        line for line in said.splitlines() if line.startswith("ok      signature") and "key" not in line
    ]
