"""The walls: what a child that has been taken over can still do."""

from __future__ import annotations

import errno
import os
import struct
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from affidavit.infra import landlock, seccomp, walls
from affidavit.infra.sandbox import Ending, SandboxHost, Walls
from affidavit.infra.walls import Identity

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's"),
    pytest.mark.timeout(60),
]
needs_landlock = pytest.mark.skipif(
    sys.platform != "linux" or landlock.abi() == 0, reason="no Landlock in this kernel"
)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")

LIMITS = Walls(total=timedelta(seconds=30))
REFUSED = {errno.EPERM, errno.EACCES, errno.EINVAL}  # the last: a user that the namespace has not


@pytest.fixture
async def host(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFIDAVIT_SECRET_KEY", "the worker's own")
    made = SandboxHost(
        entry="sandbox_entries:act",
        warm_up=None,
        environment={"TESSDATA_PREFIX": "/data"},
        user=Identity.named("nobody"),
        scratch=tmp_path / "scratch",
        modules=[str(Path(__file__).parent)],
    )
    yield made
    await made.close()


async def run(host, folder, walls=LIMITS, **request):
    workspace = folder / "work"
    workspace.mkdir(exist_ok=True)
    (workspace / "given").write_bytes(b"given")
    said = []

    async def listen(message):
        said.append(message)

    outcome = await host.run(request, document=None, workspace=workspace, walls=walls, on_message=listen)
    return outcome, said


async def attempt(host, folder, *ways):
    outside = folder / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    (outside / "secret").write_bytes(b"another's document")
    outcome, said = await run(
        host, folder, do="attempt", ways=list(ways), outside=str(outside), worker=os.getpid()
    )
    assert outcome.ending is Ending.FINISHED, outcome.trace
    return {message["way"]: message["errno"] for message in said}


async def test_child_has_a_clean_environment(host, tmp_path):
    _, [found] = await run(host, tmp_path, do="look_around")

    work = str(tmp_path / "work")
    assert "the worker's own" not in found["environment"].values()
    assert set(found["environment"]) <= {
        "PATH", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "TESSDATA_PREFIX",
        "OMP_THREAD_LIMIT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    }  # fmt: skip
    assert found["environment"]["HOME"] == work
    assert found["environment"]["TMPDIR"] == f"{work}/tmp"
    assert found["environment"]["TESSDATA_PREFIX"] == "/data"
    assert found["cwd"] == work
    assert found["umask"] == 0o077
    assert found["leader"]


async def test_child_has_no_descriptor_but_its_own(host, tmp_path):
    listening = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(listening, True)

    _, [found] = await run(host, tmp_path, do="look_around")

    os.close(listening)
    assert found["descriptors"] == 2  # the pipe and the trace; the request is read and closed


@needs_root
async def test_child_of_root_is_nobody(host, tmp_path):
    _, [found] = await run(host, tmp_path, do="look_around")

    assert found["uid"] == Identity.named("nobody").uid
    assert found["groups"] == []


async def test_no_socket_of_any_kind(host, tmp_path):
    answers = await attempt(host, tmp_path, "tcp", "udp", "unix", "netlink", "socketpair")

    assert set(answers.values()) == {errno.EPERM}


@pytest.mark.parametrize(
    "way",
    [
        "memfd", "symlink", "hard link", "fifo", "ptrace", "user namespace", "io_uring", "keep running",
        "new session", "become root", "raise the limit",
    ],
)  # fmt: skip
async def test_system_calls_that_no_reader_needs_are_denied(host, tmp_path, way):
    assert (await attempt(host, tmp_path, way))[way] in REFUSED


async def test_child_cannot_reach_the_worker(host, tmp_path):
    assert (await attempt(host, tmp_path, "kill the worker"))["kill the worker"] in {*REFUSED, errno.ESRCH}


@needs_landlock
@pytest.mark.parametrize(
    "way",
    [
        "read outside", "list outside", "write outside", "read shadow", "read the host's memory",
        "write a library", "run a program of its own",
    ],
)  # fmt: skip
async def test_files_outside_are_shut(host, tmp_path, way):
    assert (await attempt(host, tmp_path, way))[way] in REFUSED


async def test_what_the_engine_needs_still_works(host, tmp_path):
    answers = await attempt(host, tmp_path, "read inside", "write inside", "import", "run a program")

    assert set(answers.values()) == {0}


async def test_file_at_the_size_limit_is_written(host, tmp_path):
    walls = Walls(file_size_bytes=2 << 20)

    outcome, _ = await run(host, tmp_path, walls, do="write_a_large_file", mebibytes=2)

    assert outcome.ending is Ending.FINISHED


async def test_file_past_the_size_limit_is_cut_off(host, tmp_path):
    walls = Walls(file_size_bytes=2 << 20)

    outcome, _ = await run(host, tmp_path, walls, do="write_a_large_file", mebibytes=3)

    assert outcome.ending is Ending.CRASHED
    assert (tmp_path / "work" / "large").stat().st_size == 2 << 20


def test_filter_kills_a_foreign_architecture_and_ends_by_allowing():
    for machine, (architecture, _) in seccomp.MACHINES.items():
        steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))

        assert steps[1] == (seccomp.EQUAL, 1, 0, architecture)
        assert steps[2] == (seccomp.RETURN, 0, 0, seccomp.KILL)
        assert steps[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)


def test_no_system_call_is_listed_twice():
    for column in (0, 1):
        numbers = [pair[column] for pair in seccomp.DENIED.values() if pair[column] is not None]

        assert len(set(numbers)) == len(numbers)


def test_walls_tell_which_of_them_stand():
    found = {status.name: status.live for status in walls.live()}

    assert found["limits"]
    assert found["landlock"] == (landlock.abi() > 0)
    assert found["seccomp"] == seccomp.is_supported()
    assert found["namespaces"] == walls.can_enter_namespaces()
    assert found["user"] == (os.getuid() == 0)


@pytest.mark.parametrize("name", ["root", "0", "no-such-user-here"])
def test_user_that_would_be_no_wall_is_refused(name):
    with pytest.raises(ValueError, match=r"user|root"):
        Identity.named(name)
