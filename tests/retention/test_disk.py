"""A disk that is full, or that fails at the worst moment: an error, no half of a blob, no row of it."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from affidavit.infra.blobs import LocalBlobs, StoreFull
from affidavit.infra.db import Database
from affidavit.jobs import verdict
from affidavit.settings import Settings
from tests.api.conftest import running
from tests.retention.conftest import blobs_below

ENV = "env_one"

# Answers a system call with an error, or kills at it, as the kernel would; the filter is that of seccomp(2).
FAIL_AT = """
import asyncio, ctypes, pathlib, struct, sys
from affidavit.infra.blobs import BlobError, LocalBlobs

store, data = LocalBlobs(pathlib.Path(sys.argv[1])), bytes(300_000)
answer, numbers = int(sys.argv[2]), [int(number) for number in sys.argv[3].split(",")]
jumps = [(0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
program = [(0x20, 0, 0, 0), *jumps, (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, answer)]
code = b"".join(struct.pack("HBBI", *line) for line in program)
buffer = ctypes.create_string_buffer(code, len(code))
head = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)

def put():
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, head, 0, 0) == 0, ctypes.get_errno()
    try:
        asyncio.run(store.put_bytes("env_one", data))
    except BlobError as error:
        print(type(error).__name__)
    else:
        print("stored")

put()
"""
NUMBERS = {  # by machine: what the store calls, in the order of its steps
    "x86_64": {"fsync": "74", "rename": "82,264,316", "mkdir": "83,258"},
    "aarch64": {"fsync": "82", "rename": "38,276", "mkdir": "34"},
}
STEPS = ("fsync", "rename", "mkdir")
ERRNO, KILL = 0x00050000, 0x80000000

only_here = pytest.mark.skipif(
    platform.machine() not in NUMBERS or sys.platform != "linux", reason="no numbers of its system calls"
)


def put_failing_at(root: Path, step: str, answer: int) -> subprocess.CompletedProcess[str]:
    numbers = NUMBERS[platform.machine()][step]
    command = [sys.executable, "-c", FAIL_AT, str(root), str(answer), numbers]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@only_here
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, "StoreFull"), (errno.EIO, "StoreUnavailable")],
    ids=["full", "broken"],
)
async def test_failure_at_any_step_of_a_put_is_an_error_and_shows_no_blob(
    tmp_path: Path, step: str, number: int, error: str
) -> None:
    root = tmp_path / "store"
    (root / "staging").mkdir(parents=True)

    done = put_failing_at(root, step, ERRNO | number)

    assert done.stdout.strip() == error, done.stderr
    assert blobs_below(root) == []
    assert list((root / "staging").iterdir()) == []
    assert [entry async for entry in LocalBlobs(root).entries()] == []


@only_here
@pytest.mark.parametrize("step", STEPS)
async def test_kill_at_any_step_of_a_put_shows_no_blob_and_leaves_a_draft_to_sweep(
    tmp_path: Path, step: str
) -> None:
    root = tmp_path / "store"
    (root / "staging").mkdir(parents=True)

    done = put_failing_at(root, step, KILL)

    assert done.returncode < 0, done.stdout
    assert blobs_below(root) == []
    store = LocalBlobs(root)
    assert await store.sweep_staging(timedelta(0)) == (0 if step == "mkdir" else 1)
    await store.put_bytes(ENV, bytes(300_000))
    assert len(blobs_below(root)) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one megabyte and a few files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = "size=1m,nr_inodes=16,mode=755"
    command = ["mount", "-t", "tmpfs", "-o", options, "affidavit-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here: needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_full_disk_is_told_apart_and_room_helps(small_disk: Path) -> None:
    store = LocalBlobs(small_disk / "store")
    filler = await store.put_bytes(ENV, os.urandom(600_000))

    with pytest.raises(StoreFull):
        await store.put_bytes(ENV, os.urandom(600_000))
    with pytest.raises(StoreFull):
        async with store.staging() as upload:
            for _ in range(3):
                await upload.write(os.urandom(1_100_000))

    assert len(blobs_below(small_disk)) == 1
    assert list((small_disk / "store" / "staging").iterdir()) == []
    await store.delete(ENV, filler)
    await store.put_bytes(ENV, os.urandom(600_000))


async def test_disk_without_inodes_is_a_full_disk(small_disk: Path) -> None:
    store = LocalBlobs(small_disk / "store")
    await store.put_bytes(ENV, b"first")
    with pytest.raises(OSError, match="No space"):
        for n in range(100):
            (small_disk / f"file-{n}").touch()

    with pytest.raises(StoreFull):
        await store.put_bytes(ENV, b"second")

    assert len(blobs_below(small_disk)) == 1


async def test_upload_to_a_full_store_is_refused_for_now_and_leaves_no_row(
    settings: Settings, db: Database, small_disk: Path
) -> None:
    full = settings.model_copy(update={"blob_url": (small_disk / "store").as_uri()})
    async with running(full) as anybody:
        api = await anybody.as_key("one")
        await asyncio.to_thread((small_disk / "filler").write_bytes, bytes(900_000))
        refused = [
            await api.upload(b"text " * 60_000),
            await api.send("POST", "/v1/parse", files={"file": ("a.txt", b"text " * 100_000)}),
        ]
        await asyncio.to_thread((small_disk / "filler").unlink)
        taken = await api.upload(b"text " * 60_000)

    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_FULL")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["retryable"]
    assert taken.status_code == 201
    assert len(await db.fetch("SELECT FROM documents")) == 1
    assert await db.fetch("SELECT FROM jobs") == []
    assert len(blobs_below(small_disk)) == 1


@pytest.mark.parametrize(
    "error", [StoreFull("full"), OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full")]
)
def test_task_that_finds_the_disk_full_is_tried_again(error: Exception) -> None:
    found = verdict.of_exception(error)

    assert (found.error.code, found.error.retryable) == ("STORAGE_UNAVAILABLE", True)


async def test_api_removes_what_killed_uploads_left(settings: Settings, tmp_path: Path) -> None:
    staging = tmp_path / "blobs" / "staging"
    staging.mkdir(parents=True)
    stale, fresh = staging / "stale", staging / "fresh"
    for draft in (stale, fresh):
        draft.write_bytes(b"half of a document")
    os.utime(stale, (1, 1))

    async with running(settings), asyncio.timeout(60):
        while stale.exists():  # noqa: ASYNC110 - the API sweeps by itself
            await asyncio.sleep(0.01)

    assert fresh.exists()
