"""The walls: what a child that has been taken over can still do."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
import sys
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from affidavit.infra import landlock, seccomp, wall_status
from affidavit.infra.identity import Identity
from affidavit.infra.profile import PARSE, Profile
from affidavit.infra.sandbox import Ending, SandboxHost, Walls

sys.path.insert(0, str(Path(__file__).parent))
import sandbox_entries

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
TRUE = Path("/bin/true").read_bytes()
PYTHON = Path(sys.executable).resolve()
# Python stands in for Tesseract: a program that the profile lets through.
PROFILES = {"parse": PARSE, "ocr-tesseract": Profile.of([PYTHON])}
both = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


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


async def run(host, folder, walls=LIMITS, *, profile=PARSE, **request):
    workspace = folder / "work"
    workspace.mkdir(exist_ok=True)
    (workspace / "given").write_bytes(b"given")
    (workspace / "copied").write_bytes(TRUE)
    (workspace / "copied").chmod(0o755)
    said = []

    async def listen(message):
        said.append(message)

    outcome = await host.run(
        request, document=None, workspace=workspace, walls=walls, on_message=listen, profile=profile
    )
    return outcome, said


async def attempt(host, folder, profile, *ways):
    outside, other = folder / "outside", folder / "other"
    for each in (outside, other):
        each.mkdir(mode=0o777)
        each.chmod(0o777)
    (outside / "secret").write_bytes(b"another's document")
    (other / "given").write_bytes(b"another's document")
    outcome, said = await run(
        host, folder, profile=profile, do="attempt", ways=list(ways), outside=str(outside), other=str(other),
        worker=os.getpid(), program=str(PYTHON),
    )  # fmt: skip
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


@both
async def test_no_socket_of_any_family(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, *sandbox_entries.FAMILIES, "socketpair")

    assert set(answers.values()) == {errno.EPERM}


@both
async def test_system_calls_that_no_reader_needs_are_denied(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, *sandbox_entries.NUMBERS)

    assert set(answers.values()) == {errno.EPERM}


@both
async def test_calls_whose_flags_cannot_be_read_do_not_exist(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, "clone3", "openat2")

    assert set(answers.values()) == {errno.ENOSYS}


OUT = (
    "symlink", "hard link", "fifo", "folder", "lock the folder", "nameless file", "user namespace",
    "keep running", "new session", "become root", "raise the limit", "limit another process",
)  # fmt: skip


@both
async def test_no_way_out_is_left_open(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, *OUT)

    assert {way: answer for way, answer in answers.items() if answer not in REFUSED} == {}


@both
async def test_child_cannot_signal_what_is_not_its_own(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, "kill the worker", "signal the host")

    assert set(answers.values()) <= {*REFUSED, errno.ESRCH}


SHUT = (
    "read outside", "list outside", "write outside", "read another task's folder",
    "list another task's folder", "read passwd", "read shadow", "read the host's memory",
    "read the worker's environment", "list the processes", "list the programs", "write a library",
)  # fmt: skip


@needs_landlock
@both
async def test_files_outside_are_shut(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, *SHUT)

    # No such file: in a PID namespace of its own the child's numbers are not those of /proc.
    assert {way: answer for way, answer in answers.items() if answer not in {*REFUSED, errno.ENOENT}} == {}


ALONE = (
    "fork", "start a thread", "run a shell", "become a shell", "run Python", "run a program",
    "run a program of its own", "run a program by the loader", "signal all", "remove a file", "rename a file",
)  # fmt: skip


async def test_child_that_only_parses_starts_nothing_and_removes_nothing(host, tmp_path):
    answers = await attempt(host, tmp_path, PARSE, *ALONE)

    assert {way: answer for way, answer in answers.items() if answer != errno.EPERM} == {}


@needs_landlock
async def test_only_the_named_program_is_started(host, tmp_path):
    ways = ("run a shell", "become a shell", "run a program of its own", "run a program by the loader")
    answers = await attempt(host, tmp_path, PROFILES["ocr-tesseract"], "run a program", *ways)

    assert answers.pop("run a program") == 0
    # 127: the loader ran, and may not read the program
    assert set(answers.values()) <= {errno.EACCES, 127}, answers


@needs_landlock
async def test_python_is_not_started_where_tesseract_is(host, tmp_path):
    tesseract = Profile.of([Path("/bin/true")])

    answers = await attempt(host, tmp_path, tesseract, "run Python", "run a shell")

    assert set(answers.values()) == {errno.EACCES}


def test_profile_names_the_program_and_its_loader():
    profile = Profile.of([Path("/bin/true")])

    assert profile.name == "ocr-tesseract"
    assert profile.programs[0] == str(Path("/bin/true").resolve())
    assert all("ld-" in loader for loader in profile.programs[1:])
    assert Profile.of([]) == PARSE


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 90]
)
def test_program_that_names_no_loader_has_none(tmp_path, content):
    program = tmp_path / "program"
    program.write_bytes(content)

    assert Profile.of([program]).programs == (str(program),)


@both
async def test_what_the_engine_needs_still_works(host, tmp_path, profile):
    answers = await attempt(host, tmp_path, profile, "read inside", "write inside", "import", "signal itself")

    assert set(answers.values()) == {0}


async def test_fork_bomb_stops_at_the_limit(host, tmp_path):
    walls = Walls(processes=20, total=timedelta(seconds=30))

    outcome, said = await run(host, tmp_path, walls, profile=PROFILES["ocr-tesseract"], do="fork_bomb")

    assert outcome.ending is Ending.FINISHED
    assert 10 <= said[0]["count"] <= 20  # others of the same user may end and start meanwhile


async def test_two_fork_bombs_have_a_limit_each(host, tmp_path):
    walls = Walls(processes=20, total=timedelta(seconds=30))
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir(mode=0o711)

    runs = [run(host, each, walls, profile=PROFILES["ocr-tesseract"], do="fork_bomb") for each in folders]
    endings = [outcome.ending for outcome, _ in await asyncio.gather(*runs)]

    assert endings == [Ending.FINISHED] * 2


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
    for (machine, (architecture, _)), alone in product(seccomp.MACHINES.items(), (None, 7)):
        steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine, alone)))

        assert steps[1] == (seccomp.EQUAL, 1, 0, architecture)
        assert steps[2] == (seccomp.RETURN, 0, 0, seccomp.KILL)
        assert steps[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)


def test_no_system_call_is_listed_twice():
    for column in (0, 1):
        tables = (seccomp.DENIED, seccomp.STARTING, seccomp.UNREADABLE)
        numbers = [pair[column] for table in tables for pair in table.values() if pair[column] is not None]

        assert len(set(numbers)) == len(numbers)


def test_walls_tell_which_of_them_stand():
    found = {status.name: status.live for status in wall_status.live()}

    assert found["limits"]
    assert found["landlock"] == (landlock.abi() > 0)
    assert found["seccomp"] == seccomp.is_supported()
    assert found["namespaces"] == wall_status.can_enter_namespaces()
    assert found["user"] == (os.getuid() == 0)


@pytest.mark.parametrize("name", ["root", "0", "no-such-user-here"])
def test_user_that_would_be_no_wall_is_refused(name):
    with pytest.raises(ValueError, match=r"user|root"):
        Identity.named(name)
