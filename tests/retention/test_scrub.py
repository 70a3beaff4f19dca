"""The scrub finds what is damaged or missing, and what can be made again is."""

from __future__ import annotations

import asyncio
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from affidavit.documents import references, scrub
from affidavit.documents.scrub import Pace, Scrubbed, State, scrub_all, standing
from affidavit.infra import logs
from affidavit.infra.blobs import LocalBlobs
from affidavit.infra.db import SYSTEM, Database
from tests.api.conftest import Api, Hand
from tests.conftest import execute
from tests.retention.conftest import blobs_below

ENV = "env_one"
FAST = Pace(timedelta(seconds=0.001), 1 << 40)  # a period that is over: all of it is due
SLOW = Pace(timedelta(days=30), 1 << 40)


async def put(blobs: LocalBlobs, db: Database, data: bytes, owner: str) -> str:
    digest = await blobs.put_bytes(ENV, data)
    async with db.begin(SYSTEM) as session:
        await references.add(session, ENV, owner, [digest])
    return digest


def flip(root: Path, digest: str) -> None:
    """Flip one bit of a stored blob, and leave its size and times as they are."""
    (path,) = root.glob(f"**/env/*/{digest}")
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, (times.st_atime, times.st_mtime))


async def test_flipped_bit_and_missing_blob_are_found(
    db: Database, blobs: LocalBlobs, tmp_path: Path
) -> None:
    sound, damaged, missing = [
        await put(blobs, db, text * 1000, f"file_{n}")
        for n, text in enumerate((b"sound", b"damaged", b"missing"))
    ]
    flip(tmp_path, damaged)
    await blobs.delete(ENV, missing)

    first = await scrub.scrub(db, blobs, "worker", FAST)
    rest = await scrub.scrub(db, blobs, "worker", FAST)

    assert (first.blobs + rest.blobs, first.bad + rest.bad) == (3, 2)
    found = await standing(db)
    assert {(bad.sha256, bad.state, bad.owners) for bad in found.bad} == {
        (damaged, State.DAMAGED, ("file_1",)),
        (missing, State.MISSING, ("file_2",)),
    }
    assert (found.blobs, found.finished_at is not None) == (3, True)
    assert sound not in {bad.sha256 for bad in found.bad}


async def test_damaged_page_is_forgotten_so_that_it_is_read_anew(
    db: Database, blobs: LocalBlobs, tmp_path: Path
) -> None:
    document, key = "d" * 64, "reading:job_1"
    pages = [await put(blobs, db, b"page %d" % n, references.pages_owner(document, key)) for n in (1, 2)]
    for n, digest in enumerate(pages, start=1):
        await db.fetch(
            "INSERT INTO page_checkpoints "
            "(environment_id, document_sha256, reading_key, page, sha256, size_bytes, source) "
            "VALUES ($1, $2, $3, $4, $5, 6, 'native')",
            ENV, document, key, n, digest,
        )  # fmt: skip
    flip(tmp_path, pages[1])

    await scrub_all(db, blobs)

    assert [row["page"] for row in await db.fetch("SELECT page FROM page_checkpoints")] == [1]


async def test_blob_that_was_healed_is_no_longer_reported(
    db: Database, blobs: LocalBlobs, tmp_path: Path
) -> None:
    digest = await put(blobs, db, b"document", "file_1")
    flip(tmp_path, digest)
    await scrub_all(db, blobs)
    before = (await standing(db)).bad

    await blobs.put_bytes(ENV, b"document")
    seen = await scrub_all(db, blobs)

    assert len(before) == 1
    assert seen == Scrubbed(1, len(b"document"), 0)
    assert (await standing(db)).bad == ()


async def test_blob_that_nobody_needs_any_more_is_no_longer_reported(
    db: Database, blobs: LocalBlobs, tmp_path: Path
) -> None:
    digest = await put(blobs, db, b"document", "file_1")
    await blobs.delete(ENV, digest)
    await scrub_all(db, blobs)
    async with db.begin(SYSTEM) as session:
        await references.drop(session, ENV, "file_1")

    await scrub_all(db, blobs)

    assert (await standing(db)).bad == ()


async def test_walk_keeps_an_even_pace_and_goes_on_where_it_was(
    db: Database, database_url: str, blobs: LocalBlobs
) -> None:
    for n in range(10):
        await put(blobs, db, b"blob %d" % n, "file_1")
    at_once = await scrub.scrub(db, blobs, "a", SLOW)
    soon = await scrub.scrub(db, blobs, "b", SLOW)
    await execute(database_url, "UPDATE patrols SET started_at = now() - interval '15 days'")
    halfway = await scrub.scrub(db, blobs, "a", SLOW)
    await execute(database_url, "UPDATE patrols SET started_at = now() - interval '31 days'")
    rest = await scrub.scrub(db, blobs, "b", SLOW)
    over = await scrub.scrub(db, blobs, "a", Pace(timedelta(days=60), 1 << 40))

    assert [each.blobs for each in (at_once, soon, halfway, rest, over)] == [1, 0, 5, 4, 0]


async def test_reading_a_damaged_result_is_an_error_and_never_wrong_bytes(
    api: Api, hand: Hand, db: Database, tmp_path: Path
) -> None:
    job = await api.submitted()
    stored = await hand.complete({"markdown": "right"})
    (digest,) = [path.name for path in blobs_below(tmp_path) if path.read_bytes() == stored]
    flip(tmp_path, digest)

    plain = await api.get(f"/v1/jobs/{job['id']}/result")
    packed = await api.get(f"/v1/jobs/{job['id']}/result", headers={"Accept-Encoding": "zstd"})

    for answer in (plain, packed):
        assert (answer.status_code, answer.json()["code"]) == (500, "STORED_BYTES_DAMAGED")
    seen = await scrub_all(db, api.services.blobs)
    assert seen.bad == 1


@pytest.mark.parametrize("encoding", ["identity", "zstd"])
async def test_large_damaged_result_breaks_off_before_its_end(
    api: Api, hand: Hand, tmp_path: Path, encoding: str
) -> None:
    """Whoever got all bytes got the right ones: the last are sent once the whole was hashed."""
    job = await api.submitted()
    text = os.urandom(3_000_000).hex()
    stored = await hand.complete({"markdown": text})
    (digest,) = [path.name for path in blobs_below(tmp_path) if path.stat().st_size == len(stored)]
    flip(tmp_path, digest)

    said = io.StringIO()
    logs.configure(to=said)
    received = await received_until_the_break(api, f"/v1/jobs/{job['id']}/result", encoding)

    assert "blob.broken_off" in said.getvalue()
    whole = len(stored) if encoding == "zstd" else len(zstandard.decompress(stored))
    assert received < whole


async def received_until_the_break(api: Api, path: str, encoding: str) -> int:
    """Call the application as a server does, and count the bytes of a body that it did not end."""
    received, ended = 0, False
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict:
        if not requests:
            await asyncio.Event().wait()  # the caller stays on the line
        return requests.pop()

    async def send(message: dict) -> None:
        nonlocal received, ended
        if message["type"] == "http.response.body":
            received += len(message.get("body", b""))
            ended = not message.get("more_body", False)

    key = api.headers["Authorization"].encode()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"authorization", key), (b"accept-encoding", encoding.encode())],
        "client": ("127.0.0.1", 1), "server": ("affidavit", 80),
    }  # fmt: skip
    with pytest.raises(Exception):  # noqa: B017 - whatever it is, the server closes the connection
        await api.app(scope, receive, send)
    assert not ended
    return received
