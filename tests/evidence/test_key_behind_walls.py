"""No process that opens documents ever sees the key that signs: as a file, in its memory, by a descriptor."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from affidavit.infra.identity import Identity
from affidavit.infra.keyring import Keyring
from affidavit.infra.sandbox import Ending, SandboxHost, Walls

sys.path.insert(0, str(Path(__file__).parent))
import key_thief

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's"),
    pytest.mark.timeout(60),
]


BESIDE = "what-lies-beside-the-key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(0o755)  # what a dropped user must pass through to its own folder
    return tmp_path / "keys"


def marks_of(folder: Path) -> list[bytes]:
    """Return what the key looks like: its 32 bytes, and its line of PEM."""
    pem = (folder / "0001.pem").read_bytes()
    return [load_pem_private_key(pem, None).private_bytes_raw(), pem.splitlines()[1]]


async def test_a_hostile_child_finds_no_way_to_the_key(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_SIGNING_KEY_DIR", str(folder))
    keyring = Keyring(folder)
    keyring.current().sign(b"the worker has the key, and uses it")
    (folder / BESIDE).touch()
    left_open = os.open(folder / "0001.pem", os.O_RDONLY)
    os.set_inheritable(left_open, True)
    (tmp_path / "work").mkdir()
    host = SandboxHost(
        entry="key_thief:steal",
        warm_up=None,
        environment={},
        user=Identity.named("nobody") if os.getuid() == 0 else None,
        scratch=tmp_path / "scratch",
        modules=[str(Path(__file__).parent)],
    )
    tried: dict[str, bool] = {}

    async def listen(message) -> None:
        tried[message["way"]] = message["found"]

    marks = [key_thief.turned(mark).hex() for mark in [*marks_of(folder), BESIDE.encode()]]
    work = tmp_path / "work"
    request = {"marks": marks, "folder": str(folder), "work": str(work), "worker": os.getpid()}
    try:
        outcome = await host.run(
            request,
            document=None,
            workspace=work,
            walls=Walls(total=timedelta(seconds=30)),
            on_message=listen,
        )
    finally:
        await host.close()
        os.close(left_open)

    assert outcome.ending is Ending.FINISHED, outcome.trace
    assert tried == dict.fromkeys(tried, False)
    assert len(tried) == 9


def test_outside_of_walls_the_same_ways_do_find_it(folder: Path, tmp_path: Path) -> None:
    """The test above would notice."""
    keyring = Keyring(folder)
    keyring.current()
    request = {"folder": str(folder), "work": str(tmp_path), "worker": os.getpid()}

    found = dict(key_thief.ways(request))

    assert marks_of(folder)[1] in found["file"]
    for way in ("own memory", "link", "symbolic link", "worker's folder"):
        assert marks_of(folder)[1] in found[way], way
    assert b"0001.pem" in found["listing"]
