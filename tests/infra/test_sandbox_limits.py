"""Every limit of a child has a code of its own, holds at the limit and breaks one past it."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from affidavit.infra.identity import Identity
from affidavit.infra.profile import PARSE, Profile
from affidavit.infra.sandbox import Ending, SandboxHost, Walls
from affidavit.infra.sandbox_disk import use

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's"),
    pytest.mark.timeout(120),
]
STARTS_PYTHON = Profile.of([Path(sys.executable)])
BLOCK = 1 << 16  # a multiple of the block of every file system


@pytest.fixture
async def host(tmp_path):
    made = SandboxHost(
        entry="sandbox_entries:act",
        warm_up=None,
        environment={},
        user=Identity.named("nobody"),
        scratch=tmp_path / "scratch",
        modules=[str(Path(__file__).parent)],
    )
    yield made
    await made.close()


async def run(host, folder, walls, *, profile=PARSE, given=0, **request):
    workspace = folder / "work"
    workspace.mkdir()
    for number in range(given):
        (workspace / f"given-{number}").write_bytes(bytes(BLOCK))

    async def ignore(_message):
        pass

    return await host.run(
        request, document=None, workspace=workspace, walls=walls, on_message=ignore, profile=profile
    )


def files(count, *, size=0, stay=False):
    return {"do": "write_files", "count": count, "size": size, "stay": stay}


async def test_files_at_the_limit_are_kept(host, tmp_path):
    outcome = await run(host, tmp_path, Walls(files=5), **files(5), given=3)

    assert outcome.ending is Ending.FINISHED


@pytest.mark.parametrize("stay", [False, True], ids=["ended", "running"])
async def test_one_file_past_the_limit_ends_the_child(host, tmp_path, stay):
    outcome = await run(host, tmp_path, Walls(files=5), **files(6, stay=stay), given=3)

    assert outcome.ending is Ending.TOO_MANY_FILES
    assert outcome.failure.code == "ENGINE_FILE_LIMIT"
    assert not outcome.failure.retryable


async def test_bytes_at_the_limit_are_kept(host, tmp_path):
    outcome = await run(host, tmp_path, Walls(disk_bytes=4 * BLOCK), **files(4, size=BLOCK), given=3)

    assert outcome.ending is Ending.FINISHED


@pytest.mark.parametrize("stay", [False, True], ids=["ended", "running"])
async def test_one_byte_past_the_limit_ends_the_child(host, tmp_path, stay):
    walls = Walls(disk_bytes=4 * BLOCK - 1)

    outcome = await run(host, tmp_path, walls, **files(4, size=BLOCK, stay=stay), given=3)

    assert outcome.ending is Ending.OVERFLOWED
    assert outcome.failure.code == "ENGINE_DISK_LIMIT"


async def test_full_folder_ends_no_other_child(host, tmp_path):
    folders = [tmp_path / name for name in ("full", "good")]
    for folder in folders:
        folder.mkdir(mode=0o711)
    walls = Walls(files=5)

    full, good = await asyncio.gather(
        run(host, folders[0], walls, **files(50, stay=True)), run(host, folders[1], walls, **files(2))
    )

    assert full.ending is Ending.TOO_MANY_FILES
    assert good.ending is Ending.FINISHED


def test_use_counts_what_lies_in_folders_and_what_is_longer_than_its_room(tmp_path):
    (tmp_path / "folder").mkdir()
    with (tmp_path / "folder" / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    found = use(tmp_path)

    assert found.files == 2
    assert found.size_bytes >= 1 << 30


async def test_processes_at_the_limit_are_started(host, tmp_path):
    outcome = await run(host, tmp_path, Walls(processes=5), profile=STARTS_PYTHON, do="fork", count=4)

    assert outcome.ending is Ending.FINISHED, outcome.trace


async def test_memory_below_the_limit_is_given(host, tmp_path):
    walls = Walls(address_space_bytes=1 << 30)

    assert (await run(host, tmp_path, walls, do="take_memory", size=1 << 28)).ending is Ending.FINISHED


async def test_memory_past_the_limit_is_refused(host, tmp_path):
    walls = Walls(address_space_bytes=1 << 30)

    outcome = await run(host, tmp_path, walls, do="take_memory", size=1 << 30)

    assert outcome.ending is Ending.OUT_OF_MEMORY
    assert outcome.failure.code == "ENGINE_OUT_OF_MEMORY"


async def test_process_past_the_limit_has_its_own_code(host, tmp_path):
    outcome = await run(host, tmp_path, Walls(processes=5), profile=STARTS_PYTHON, do="fork_past_the_limit")

    assert outcome.ending is Ending.NO_PROCESS
    assert outcome.failure.code == "ENGINE_PROCESS_LIMIT"


async def test_child_that_floods_its_pipe_is_cut_off(host, tmp_path):
    outcome = await run(host, tmp_path, Walls(total=timedelta(seconds=100)), do="flood")

    assert outcome.ending is Ending.CRASHED
    assert "bytes in all" in outcome.trace


async def test_sleeping_child_is_stopped_though_it_uses_no_cpu(host, tmp_path):
    walls = Walls(cpu=timedelta(minutes=10), no_progress=timedelta(minutes=1), total=timedelta(seconds=0.5))

    outcome = await run(host, tmp_path, walls, do="hang")

    assert outcome.ending is Ending.TIMED_OUT
    assert outcome.cpu_seconds < 10
