"""Blobs are written once, whole or not at all, and never read back wrong."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from affidavit.infra.blobs import (
    BlobCorrupt,
    BlobKeyInvalid,
    BlobMissing,
    BlobStore,
    LocalBlobs,
    StoreUnavailable,
    open_store,
)
from affidavit.infra.compression import stream_decompressed

pytestmark = pytest.mark.asyncio

ENV = "env_01k8zzzzzzzzzzzzzzzzzzzzzz"
OTHER = "env_01k8yyyyyyyyyyyyyyyyyyyyyy"
SIZES = (0, 1, 4096, 1024 * 1024, 1024 * 1024 + 1, 7 * 1024 * 1024 + 3)


def content(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(range(size % 256))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def local_directory(root: Path) -> BlobStore:
    return open_store(str(root / "store"))


def memory(root: Path) -> BlobStore:
    return open_store("memory:///", scratch=root / "scratch")


def obstore_directory(root: Path) -> BlobStore:
    from obstore.store import LocalStore

    from affidavit.infra.blobs_object import ObjectBlobs

    (root / "bucket").mkdir()
    return ObjectBlobs(LocalStore(root / "bucket"), root / "scratch")


@pytest.fixture(params=[local_directory, memory, obstore_directory], ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    make: Callable[[Path], BlobStore] = request.param
    return make(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "disk")


def run(program: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_read_back(store: BlobStore, size: int) -> None:
    data = content(size)

    sha256 = await store.put_bytes(ENV, data)
    stream = await store.open(ENV, sha256)

    assert sha256 == digest(data)
    assert stream.size_bytes == size
    assert await stream.read() == data


@pytest.mark.parametrize("size", SIZES)
async def test_upload_in_chunks_becomes_a_blob_at_commit(store: BlobStore, size: int) -> None:
    data = content(size)

    async with store.staging() as upload:
        for start in range(0, size, 65_536):
            await upload.write(data[start : start + 65_536])
        assert not await store.exists(ENV, digest(data))
        blob = await upload.commit(ENV)

    assert (blob.sha256, blob.size_bytes) == (digest(data), size)
    assert await (await store.open(ENV, blob.sha256)).read() == data


async def test_put_file_copies_and_verifies(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "page.webp"
    source.write_bytes(content(3_000_000))

    blob = await store.put_file(ENV, source, digest(content(3_000_000)))
    source.write_bytes(b"changed afterwards")

    assert blob.size_bytes == 3_000_000
    assert digest(await (await store.open(ENV, blob.sha256)).read()) == blob.sha256


async def test_put_file_refuses_other_bytes(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "page.webp"
    source.write_bytes(b"not what was said")

    with pytest.raises(BlobCorrupt):
        await store.put_file(ENV, source, digest(b"what was said"))

    assert not await store.exists(ENV, digest(b"what was said"))
    assert not await store.exists(ENV, digest(b"not what was said"))


async def test_put_file_follows_no_link_and_waits_for_no_pipe(store: BlobStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"of another tenant")
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(secret)
    os.mkfifo(pipe)

    with pytest.raises(StoreUnavailable):
        await store.put_file(ENV, link, digest(b"of another tenant"))
    with pytest.raises(BlobCorrupt):
        await asyncio.wait_for(store.put_file(ENV, pipe, digest(b"x")), 5)


async def test_second_put_succeeds(store: BlobStore) -> None:
    first = await store.put_bytes(ENV, b"same")
    second = await store.put_bytes(ENV, b"same")

    assert first == second
    assert await store.size(ENV, first) == 4


async def test_many_puts_at_once_make_one_blob(store: BlobStore) -> None:
    data = content(200_000)

    made = await asyncio.gather(*(store.put_bytes(ENV, data) for _ in range(24)))

    assert set(made) == {digest(data)}
    assert [entry.sha256 async for entry in store.entries()] == [digest(data)]


async def test_environments_share_nothing(store: BlobStore) -> None:
    sha256 = await store.put_bytes(ENV, b"mine")

    assert not await store.exists(OTHER, sha256)
    with pytest.raises(BlobMissing):
        await store.open(OTHER, sha256)


async def test_missing_blob_is_named_in_the_error(store: BlobStore) -> None:
    sha256 = digest(b"never put")

    for call in (store.open(ENV, sha256), store.size(ENV, sha256), store.age(ENV, sha256)):
        with pytest.raises(BlobMissing, match=sha256):
            await call
    assert not await store.touch(ENV, sha256)
    assert not await store.delete(ENV, sha256)


async def test_abandoned_upload_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        async with store.staging() as upload:
            await upload.write(content(3_000_000))
            assert files_below(tmp_path), "nothing was staged, so the test proves nothing"
            raise ConnectionError

    assert files_below(tmp_path) == []


async def test_canceled_upload_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    started = asyncio.Event()

    async def upload_for_ever() -> None:
        async with store.staging() as upload:
            while True:
                await upload.write(content(1_500_000))
                started.set()

    task = asyncio.create_task(upload_for_ever())
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert files_below(tmp_path) == []


async def test_only_stale_staging_is_swept(store: BlobStore, tmp_path: Path) -> None:
    async with store.staging() as upload:
        await upload.write(content(2_000_000))
        [staged] = files_below(tmp_path)
        assert await store.sweep_staging(timedelta(hours=1)) == 0
        two_hours_ago = staged.stat().st_mtime - 7200
        os.utime(staged, (two_hours_ago, two_hours_ago))
        assert await store.sweep_staging(timedelta(hours=1)) == 1


async def test_materialized_copy_is_apart_from_the_blob(store: BlobStore, tmp_path: Path) -> None:
    data = content(2_500_000)
    sha256 = await store.put_bytes(ENV, data)
    target = tmp_path / "document"

    await store.materialize(ENV, sha256, target)
    assert target.read_bytes() == data
    assert stat.S_IMODE(target.stat().st_mode) == 0o400
    target.chmod(0o600)
    target.write_bytes(b"a hostile child wrote here")

    assert await (await store.open(ENV, sha256)).read() == data


async def test_touch_makes_young_and_delete_spares_the_young(store: BlobStore) -> None:
    sha256 = await store.put_bytes(ENV, b"young")

    assert await store.age(ENV, sha256) < timedelta(seconds=30)
    assert await store.touch(ENV, sha256)
    assert not await store.delete(ENV, sha256, older_than=timedelta(hours=24))
    assert await store.exists(ENV, sha256)
    assert await store.delete(ENV, sha256)
    assert not await store.exists(ENV, sha256)


async def test_entries_tell_environment_size_and_time(store: BlobStore) -> None:
    await store.put_bytes(ENV, b"one")
    await store.put_bytes(OTHER, b"three")

    found = {(entry.environment_id, entry.size_bytes) async for entry in store.entries()}

    assert found == {(ENV, 3), (OTHER, 5)}


HOSTILE_NAMES = ["", ".", "..", "../x", "a/b", "a\\b", "env_x\n", "env_x\0", "a.b", "ä", "x" * 101, "-rf"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_environment_id_cannot_leave_its_place(store: BlobStore, name: str, tmp_path: Path) -> None:
    for call in (
        store.put_bytes(name, b"x"),
        store.open(name, digest(b"x")),
        store.exists(name, digest(b"x")),
    ):
        with pytest.raises(BlobKeyInvalid):
            await call
    async with store.staging() as upload:
        await upload.write(b"x")
        with pytest.raises(BlobKeyInvalid):
            await upload.commit(name)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("sha256", ["", "../../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
async def test_hash_is_a_hash(store: BlobStore, sha256: str) -> None:
    with pytest.raises(BlobKeyInvalid):
        await store.open(ENV, sha256)


async def test_probe_of_a_good_store(store: BlobStore) -> None:
    assert (await store.probe()).is_writable


async def test_probe_tells_a_broken_disk_without_its_path(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (tmp_path / "gone").write_bytes(b"a file where the directory was")

    health = await store.probe()

    assert not health.is_writable
    assert "Not a directory" in health.detail
    assert str(tmp_path) not in health.detail


@pytest.mark.parametrize("size", [10, 5_000_000])
async def test_flipped_byte_is_never_served_as_whole(disk: LocalBlobs, tmp_path: Path, size: int) -> None:
    sha256 = await disk.put_bytes(ENV, content(size))
    path = tmp_path / "disk" / "env" / ENV / sha256
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    received = 0

    with pytest.raises(BlobCorrupt):
        async for chunk in await disk.open(ENV, sha256):
            received += len(chunk)

    assert received < size
    with pytest.raises(BlobCorrupt):
        await disk.materialize(ENV, sha256, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_truncated_blob_is_healed_by_the_next_put(disk: LocalBlobs, tmp_path: Path) -> None:
    sha256 = await disk.put_bytes(ENV, b"whole again")
    (tmp_path / "disk" / "env" / ENV / sha256).write_bytes(b"who")

    await disk.put_bytes(ENV, b"whole again")

    assert await (await disk.open(ENV, sha256)).read() == b"whole again"


async def test_second_put_makes_an_old_blob_young(disk: LocalBlobs, tmp_path: Path) -> None:
    sha256 = await disk.put_bytes(ENV, b"old")
    os.utime(tmp_path / "disk" / "env" / ENV / sha256, (1, 1))

    await disk.put_bytes(ENV, b"old")

    assert not await disk.delete(ENV, sha256, older_than=timedelta(hours=24))


async def test_files_are_private(disk: LocalBlobs, tmp_path: Path) -> None:
    sha256 = await disk.put_bytes(ENV, b"private")
    path = tmp_path / "disk" / "env" / ENV / sha256

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    program = """
import asyncio, pathlib, resource, signal, sys
from affidavit.infra.blobs import LocalBlobs, StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    asyncio.run(LocalBlobs(pathlib.Path(sys.argv[1])).put_bytes("env_a", bytes(200_000)))
except StoreUnavailable as error:
    print(error)
"""
    assert "File too large" in run(program, tmp_path / "full").stdout
    assert files_below(tmp_path) == []


async def test_kill_in_the_middle_of_a_write_shows_no_blob(tmp_path: Path) -> None:
    program = """
import asyncio, pathlib, resource, signal, sys
from affidavit.infra.blobs import LocalBlobs
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
asyncio.run(LocalBlobs(pathlib.Path(sys.argv[1])).put_bytes("env_a", bytes(3_000_000)))
"""
    root = tmp_path / "killed"
    done = run(program, root)
    store = LocalBlobs(root)

    assert done.returncode == -signal.SIGXFSZ
    assert [entry async for entry in store.entries()] == []
    assert len(files_below(root)) == 1, "the kill came too early"
    assert await store.sweep_staging(timedelta(0)) == 1


@pytest.mark.parametrize("make", [local_directory, obstore_directory])
async def test_collectors_never_take_what_was_just_put(
    make: Callable[[Path], BlobStore], tmp_path: Path
) -> None:
    """Each round, a put and collections of the same old blob race; a put that returned must hold."""
    store, sha256 = make(tmp_path), digest(b"contended")
    taken = 0
    for _ in range(80):
        await store.put_bytes(ENV, b"contended")
        make_old(tmp_path, sha256)
        put, *deleted = await asyncio.gather(
            store.put_bytes(ENV, b"contended"),
            *(store.delete(ENV, sha256, older_than=timedelta(hours=1)) for _ in range(2)),
        )
        taken += any(deleted)
        assert await store.exists(ENV, put)
    assert taken, "no collector was ever first, so the test proves nothing"


@pytest.mark.parametrize("make", [local_directory, obstore_directory])
async def test_damaged_blob_is_healed_when_the_same_bytes_come_again(
    make: Callable[[Path], BlobStore], tmp_path: Path
) -> None:
    store = make(tmp_path)
    sha256 = await store.put_bytes(ENV, b"whole again")
    stored_at(tmp_path, sha256).write_bytes(b"whOle again")
    make_old(tmp_path, sha256)

    await store.put_bytes(ENV, b"whole again")

    assert await (await store.open(ENV, sha256)).read() == b"whole again"


async def test_mark_of_a_collector_that_died_does_not_stay_for_ever(tmp_path: Path) -> None:
    store = obstore_directory(tmp_path)
    sha256 = await store.put_bytes(ENV, b"condemned")
    make_old(tmp_path, sha256)
    mark = tmp_path / "bucket" / "condemned" / "env" / ENV / sha256
    mark.parent.mkdir(parents=True)
    mark.touch()

    assert not await store.delete(ENV, sha256)
    os.utime(mark, (1, 1))
    assert await store.delete(ENV, sha256)
    assert not mark.exists()


def stored_at(root: Path, sha256: str) -> Path:
    [path] = list(root.glob(f"*/env/{ENV}/{sha256}"))
    return path


def make_old(root: Path, sha256: str) -> None:
    os.utime(stored_at(root, sha256), (1, 1))


@pytest.mark.parametrize(
    ("held", "waits"),
    [(fcntl.LOCK_EX, {"put", "delete"}), (fcntl.LOCK_SH, {"delete"})],
    ids=["collector", "put"],
)
async def test_puts_go_together_and_a_collector_goes_alone(
    disk: LocalBlobs, tmp_path: Path, held: int, waits: set[str]
) -> None:
    sha256 = await disk.put_bytes(ENV, b"contended")
    with (tmp_path / "disk" / "lock").open("rb") as other_process:
        fcntl.flock(other_process, held)
        tasks = {
            asyncio.create_task(disk.put_bytes(ENV, b"contended"), name="put"),
            asyncio.create_task(disk.delete(ENV, sha256, older_than=timedelta(hours=1)), name="delete"),
        }
        _, waiting = await asyncio.wait(tasks, timeout=0.3)
    await asyncio.gather(*tasks)

    assert {task.get_name() for task in waiting} == waits
    assert await disk.exists(ENV, sha256)


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=9).compress(data)


@pytest.mark.parametrize("size", [0, 5, 300_000, 20_000_000])
async def test_compressed_blob_streams_out_as_it_went_in(store: BlobStore, size: int) -> None:
    sha256 = await store.put_bytes(ENV, zstd(content(size)))

    pieces = [piece async for piece in stream_decompressed(store, ENV, sha256)]

    assert b"".join(pieces) == content(size)


async def test_bomb_streams_in_small_pieces(disk: LocalBlobs) -> None:
    sha256 = await disk.put_bytes(ENV, zstd(bytes(300_000_000)))
    assert await disk.size(ENV, sha256) < 40_000

    sizes = [len(piece) async for piece in stream_decompressed(disk, ENV, sha256)]

    assert sum(sizes) == 300_000_000
    assert max(sizes) <= 9_000_000


@pytest.mark.parametrize(
    "stored", [b"", b"{}", zstd(content(5000))[:-3]], ids=["empty", "not compressed", "cut short"]
)
async def test_bad_frame_is_an_error_not_a_short_result(disk: LocalBlobs, stored: bytes) -> None:
    sha256 = await disk.put_bytes(ENV, stored)

    with pytest.raises(BlobCorrupt):
        async for _ in stream_decompressed(disk, ENV, sha256):
            pass


async def test_missing_extra_is_named(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["obstore"] = None
from affidavit.infra.blobs import open_store
open_store(sys.argv[1])
try:
    open_store("s3://bucket")
except ModuleNotFoundError as error:
    print(error)
"""
    assert "affidavit[s3]" in run(program, tmp_path).stdout


async def chunks_of(stream: AsyncIterator[bytes]) -> list[int]:
    return [len(chunk) async for chunk in stream]


async def test_local_chunks_are_a_mebibyte_at_most(disk: LocalBlobs) -> None:
    sha256 = await disk.put_bytes(ENV, content(3 * 1024 * 1024 + 1))

    sizes = await chunks_of(aiter(await disk.open(ENV, sha256)))

    assert sizes == [1024 * 1024] * 3 + [1]
