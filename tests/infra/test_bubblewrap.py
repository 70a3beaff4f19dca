"""The engine host in a root of its own: what is not there cannot be reached, with no other wall."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from affidavit.infra.bubblewrap import Root, Wrapping, WrappingFailed, prefix
from affidavit.infra.identity import Identity
from affidavit.infra.profile import PARSE, Profile
from affidavit.infra.sandbox import Ending, HostUnavailable, SandboxHost, Walls

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux"),
    pytest.mark.timeout(120),
]
PYTHON = Path(sys.executable).resolve()
LIMITS = Walls(total=timedelta(seconds=60))


def works() -> bool:
    try:
        prefix(Wrapping.BWRAP, Root(Path("/tmp")))
    except WrappingFailed:
        return False
    return True


needs_bwrap = pytest.mark.skipif(
    shutil.which("bwrap") is None or not works(),
    reason="bubblewrap is not installed, or may make no namespaces here",
)


@pytest.fixture
async def host(tmp_path):
    made = SandboxHost(
        entry="sandbox_entries:act",
        warm_up=None,
        environment={},
        user=Identity.named("nobody"),
        scratch=tmp_path / "scratch",
        modules=[str(Path(__file__).parent)],
        wrapping=Wrapping.BWRAP,
    )
    yield made
    await made.close()


async def run(host, folder, *, profile=PARSE, walls=LIMITS, on_message=None, **request):
    workspace = folder / "work"
    workspace.mkdir(exist_ok=True)
    (workspace / "given").write_bytes(b"given")
    said = []

    async def listen(message):
        said.append(message)

    outcome = await host.run(
        request,
        document=None,
        workspace=workspace,
        walls=walls,
        on_message=on_message or listen,
        profile=profile,
    )
    return outcome, said


@needs_bwrap
async def test_wrapped_child_reads_its_document_and_leaves_files(host, tmp_path):
    document = tmp_path / "document"
    document.write_text("forty two")
    (tmp_path / "work").mkdir()
    said = []

    async def listen(message):
        said.append(message)

    outcome = await host.run(
        {"do": "read_document", "echo": 1},
        document=document,
        workspace=tmp_path / "work",
        walls=LIMITS,
        on_message=listen,
    )

    assert outcome.ending is Ending.FINISHED, outcome.trace
    assert said[0]["content"] == "forty two"
    assert (tmp_path / "work" / "out.txt").read_text() == "forty two"


@needs_bwrap
async def test_what_is_not_in_the_root_does_not_exist(host, tmp_path):
    here = str(Path(__file__).parents[2] / "pyproject.toml")

    _, said = await run(
        host, tmp_path, profile=Profile.of([PYTHON]), do="run_python", program=str(PYTHON),
        code="import os, json, sys; print(json.dumps([p for p in sys.argv[1:] if os.path.exists(p)]))",
        arguments=["/etc/passwd", "/etc/shadow", "/home", "/var", "/run", "/usr/bin/env", here],
    )  # fmt: skip

    assert said[0]["printed"] == "[]\n"


@needs_bwrap
async def test_namespaces_hold_nothing_of_the_machine(host, tmp_path):
    _, [found] = await run(host, tmp_path, do="look_around")

    assert found["parent"] == 1  # the host is the first process of its namespace
    assert int(found["pid"]) < 100


@needs_bwrap
async def test_walls_stand_in_the_root_too(host, tmp_path):
    ways = ["AF_UNIX", "AF_INET", "fork", "run a shell", "read passwd", "ptrace", "write a library"]

    outcome, said = await run(host, tmp_path, do="attempt", ways=ways, worker=os.getpid())

    assert outcome.ending is Ending.FINISHED, outcome.trace
    assert {message["errno"] for message in said} <= {errno.EPERM, errno.EACCES, errno.ENOENT}


@needs_bwrap
async def test_killed_wrapper_takes_the_host_along_and_is_replaced(host, tmp_path):
    async def kill(_message):
        os.kill(host.pid, signal.SIGKILL)

    outcome, _ = await run(host, tmp_path, do="hang", on_message=kill)

    assert outcome.ending is Ending.HOST_LOST
    assert (await run(host, tmp_path, do="look_around"))[0].ending is Ending.FINISHED


@needs_bwrap
async def test_hanging_child_is_killed_in_the_root_too(host, tmp_path):
    outcome, _ = await run(host, tmp_path, do="hang", walls=Walls(no_progress=timedelta(seconds=0.3)))

    assert outcome.ending is Ending.NO_PROGRESS


def broken(folder: Path) -> str:
    program = folder / "bwrap"
    program.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("is_there", [True, False], ids=["broken", "absent"])
def test_host_goes_unwrapped_with_a_line_in_the_log_where_it_cannot_be(tmp_path, is_there):
    program = broken(tmp_path) if is_there else "no-such-program-here"

    with capture_logs() as lines:
        assert prefix(Wrapping.AUTO, Root(tmp_path), program) == []

    assert [line["event"] for line in lines] == ["sandbox.unwrapped"]
    assert ("permissions" in lines[0]["reason"]) == is_there


def test_wrapping_that_was_asked_for_and_does_not_work_is_refused(tmp_path):
    with pytest.raises(WrappingFailed, match="permissions"):
        prefix(Wrapping.BWRAP, Root(tmp_path), broken(tmp_path))


def test_no_wrapping_is_tried_where_none_is_wanted(tmp_path):
    with capture_logs() as lines:
        assert prefix(Wrapping.NONE, Root(tmp_path), broken(tmp_path)) == []

    assert lines == []


async def test_host_that_must_be_wrapped_does_not_start_without(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    made = SandboxHost(
        entry="sandbox_entries:act", warm_up=None, environment={}, user=Identity.named("nobody"),
        scratch=tmp_path / "scratch", wrapping=Wrapping.BWRAP,
    )  # fmt: skip

    with pytest.raises(HostUnavailable, match="not installed"):
        await made.start()

    await made.close()
