"""A stored job seals what it was, what was made of it, and what was asked for: once, whole, or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from affidavit.bundle import keys, merkle
from affidavit.bundle.container import Entry, Plan
from affidavit.bundle.keys import Keys
from affidavit.bundle.verify import verify
from affidavit.engine.spec import Operation, Options
from affidavit.infra.compression import stream_decompressed
from affidavit.jobs import execution
from affidavit.jobs.claim import Claim, Fenced, StoredImage
from affidavit.jobs.digest import LineTree
from affidavit.jobs.gathering import MEDIA_TYPES, Gathering, plain_name
from affidavit.jobs.runner import Workshop
from affidavit.jobs.sealing import Read, Sealer
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus, TaskKind
from affidavit.jobs.steps import Steps
from affidavit.jobs.submission import JobRef, Upload, WebhookRef
from affidavit.jobs.workspace import OutputRejected, open_workspace
from tests.jobs.conftest import ENV, LEASE, submission, work
from tests.jobs.test_runner import code, submit, words

NAMES = ["document.md", "document.json", "chunks.ndjson", "extraction.json", "request.json"]


@dataclass(frozen=True)
class Sealed:
    """A bundle as it lies in the tables and in the store."""

    row: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads(self.row["manifest"]))

    @property
    def request(self) -> dict[str, Any]:
        return dict(json.loads(self.files["request.json"]))

    def zip(self) -> io.BytesIO:
        files = {"manifest.json": self.row["manifest"], "manifest.dsse.json": self.row["envelope"]}
        files |= self.files
        plan = Plan([Entry(name, len(data), zlib.crc32(data)) for name, data in files.items()])
        pieces = [piece for n, data in enumerate(files.values()) for piece in (plan.head(n), data)]
        return io.BytesIO(b"".join([*pieces, plan.tail()]))


async def bundles(shop: Workshop) -> list[Sealed]:
    """Return all bundles, oldest first, with every file as the store has it."""
    found = []
    for row in await shop.db.fetch("SELECT * FROM bundles ORDER BY id"):
        files = {}
        for artifact in await shop.db.fetch(
            "SELECT * FROM bundle_artifacts WHERE bundle_id = $1 ORDER BY n", row["id"]
        ):
            files[artifact["name"]] = content = await stored(
                shop, artifact["blob_sha256"], artifact["encoding"]
            )
            assert artifact["sha256"] == hashlib.sha256(content).hexdigest()
            assert (artifact["size_bytes"], artifact["crc32"]) == (len(content), zlib.crc32(content))
        found.append(Sealed(dict(row), files))
    return found


async def stored(shop: Workshop, sha256: str, encoding: str) -> bytes:
    if encoding == "identity":
        return await (await shop.blobs.open(ENV, sha256)).read()
    return b"".join([piece async for piece in stream_decompressed(shop.blobs, ENV, sha256)])


@asynccontextmanager
async def gathered(shop: Workshop, held: Claim) -> AsyncIterator[Gathering]:
    """Give the files of a bundle that a child has left."""
    async with (
        open_workspace(shop.scratch, held.task_id) as workspace,
        Gathering(shop.db, shop.blobs, held, workspace, 1000) as gathering,
    ):
        for name in MEDIA_TYPES:
            (workspace.inner / name).write_bytes(b"{}\n")
            gathering.take(name, 3)
        yield gathering


async def stepped(shop: Workshop, held: Claim) -> None:
    async with open_workspace(shop.scratch, held.task_id) as workspace:
        assert await Steps(shop, held, workspace).take() is None


def trusted(shop: Workshop) -> Keys:
    return keys.parse(shop.keyring.current().public_pem())


async def sealed(shop: Workshop, jobs: Jobs, **script: object) -> Sealed:
    await submit(shop, jobs, **script)
    await work(shop)
    (found,) = await bundles(shop)
    return found


async def no_bundle(shop: Workshop) -> bool:
    tables = ("bundles", "bundle_artifacts", "bundle_events")
    return not any([await shop.db.fetch(f"SELECT FROM {table}") for table in tables])


@pytest.mark.parametrize("pages", [3, 20])
async def test_a_stored_job_seals_all_that_a_verifier_asks_for(
    shop: Workshop, jobs: Jobs, pages: int
) -> None:
    found = await sealed(shop, jobs, pages=pages, images=True)
    images = [f"pages/{page:04d}.webp" for page in range(1, pages + 1)]
    assert list(found.files) == ["source/a.pdf", *NAMES, *images]
    assert found.files["pages/0002.webp"] == b"image 2"
    report = verify(found.zip(), trusted(shop))
    assert [check for check in report.checks if check.status == "failed"] == []
    assert found.manifest["pages"] == {
        "total": pages, "included": f"1-{pages}", "failed": [], "without_image": "",
    }  # fmt: skip
    (job,) = await shop.db.fetch("SELECT id, bundle_id, manifest_sha256 FROM jobs")
    assert (job["bundle_id"], job["manifest_sha256"]) == (found.row["id"], found.row["manifest_sha256"])
    assert found.row["manifest_sha256"] == hashlib.sha256(found.row["manifest"]).hexdigest()
    referenced = await shop.db.fetch("SELECT sha256 FROM blob_refs WHERE owner = $1", found.row["id"])
    lying = await shop.db.fetch("SELECT DISTINCT blob_sha256 AS sha256 FROM bundle_artifacts")
    assert {row["sha256"] for row in referenced} == {row["sha256"] for row in lying}


@pytest.mark.parametrize("lines", [[], ["{}", '{"a": 1}', "three"]])
async def test_the_root_is_over_the_lines_of_the_chunks(shop: Workshop, jobs: Jobs, lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    found = await sealed(shop, jobs, pages=1, evidence={"chunks.ndjson": text, "document.md": ""})
    root = merkle.root([merkle.leaf_hash(line.encode()) for line in lines]).hex()
    assert found.manifest["chunks"] == {
        "artifact": "chunks.ndjson", "algorithm": "rfc6962-sha256", "count": len(lines), "root": root,
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_tree_over_lines_does_not_depend_on_how_the_bytes_come(size: int) -> None:
    lines = [b"", b"one", b"", b"a longer line" * 20, b"\xff\x00"]
    data = b"".join(line + b"\n" for line in lines)
    tree = LineTree()
    for start in range(0, len(data), size):
        tree.update(data[start : start + size])
    assert tree.root() == merkle.root([merkle.leaf_hash(line) for line in lines]).hex()
    assert tree.count == len(lines)


def test_a_last_line_without_an_end_is_rejected() -> None:
    tree = LineTree()
    tree.update(b"one\ntwo")
    with pytest.raises(OutputRejected):
        tree.root()


async def test_sealing_twice_gives_the_same_bytes_but_for_times_and_ids(shop: Workshop, jobs: Jobs) -> None:
    for _ in range(2):
        await submit(shop, jobs, pages=2, images=True)
        await work(shop)
    first, second = await bundles(shop)
    one, two = first.manifest, second.manifest
    assert one["bundle_id"] != two["bundle_id"]
    for manifest in (one, two):
        for member in ("bundle_id", "job_id", "times"):
            del manifest[member]
    assert one == two
    assert first.files == second.files


async def test_an_unstored_job_seals_nothing_and_leaves_no_blob(shop: Workshop, jobs: Jobs) -> None:
    job_id = await submit(shop, jobs, store=False, pages=2)
    await work(shop)
    job = await jobs.get(ENV, job_id)
    assert (job.status, job.bundle_id, job.manifest_sha256) == (JobStatus.COMPLETED, None, None)
    assert await no_bundle(shop)
    kept = await shop.db.fetch("SELECT sha256 FROM blob_refs")
    assert len(kept) == 1  # the result, until it is read


@pytest.mark.parametrize(
    "lie",
    [
        {"document.json": None},
        {"chunks.ndjson": "no end"},
        {"document.md": "<too short"},
        {"extraction.json": ">too long"},
        {"other.json": "{}"},
        {"document.md": "", "page-0001.json.zst": "not its own"},
    ],
)
async def test_a_child_that_does_not_write_the_files_of_a_bundle_is_not_believed(
    shop: Workshop, jobs: Jobs, lie: dict[str, str | None]
) -> None:
    job_id = await submit(shop, jobs, pages=1, evidence=lie)
    for _ in range(2):
        await work(shop)
        await shop.db.fetch("UPDATE job_tasks SET run_after = now()")
    assert code(await jobs.get(ENV, job_id)) == "ENGINE_CRASHED"
    assert await no_bundle(shop)


async def test_a_child_of_an_unstored_job_cannot_make_it_seal(shop: Workshop, jobs: Jobs) -> None:
    job_id = await submit(shop, jobs, store=False, pages=1, evidence={"document.md": "whole"})
    for _ in range(2):
        await work(shop)
        await shop.db.fetch("UPDATE job_tasks SET run_after = now()")
    assert code(await jobs.get(ENV, job_id)) == "ENGINE_CRASHED"
    assert await no_bundle(shop)


async def test_a_worker_that_lost_its_task_seals_nothing_and_leaves_nothing(
    shop: Workshop, jobs: Jobs
) -> None:
    await submit(shop, jobs, pages=20)
    await work(shop, tasks=3)
    before = {entry.sha256 async for entry in shop.blobs.entries()}
    held = await claimed(shop)
    assert held.kind is TaskKind.FINISH
    await shop.db.fetch("UPDATE job_tasks SET attempt = attempt + 1 WHERE id = $1", held.task_id)
    with pytest.raises(Fenced):
        await stepped(shop, held)
    assert await no_bundle(shop)
    assert (await shop.db.fetch("SELECT bundle_id FROM jobs"))[0]["bundle_id"] is None
    expected = {row["sha256"] for row in await shop.db.fetch("SELECT sha256 FROM blob_garbage")}
    left = {entry.sha256 async for entry in shop.blobs.entries()} - before - expected
    assert left <= {hashlib.sha256(words(*range(1, 21)).encode()).hexdigest()}  # the result


async def test_a_job_that_ended_meanwhile_is_not_sealed(shop: Workshop, jobs: Jobs) -> None:
    job_id = await submit(shop, jobs, pages=1)
    held = await claimed(shop)
    await jobs.cancel(ENV, job_id)
    with pytest.raises(Fenced):
        await stepped(shop, held)
    assert await no_bundle(shop)


async def test_pages_that_were_read_before_bring_their_images(shop: Workshop, jobs: Jobs) -> None:
    await submit(shop, jobs, pages=3, images=True)
    await work(shop)
    await shop.db.fetch("UPDATE page_checkpoints SET image_crc32 = NULL")  # as an older worker left them
    await submit(shop, jobs, pages=3, images=True)
    await work(shop)
    first, second = await bundles(shop)
    assert first.files.keys() == second.files.keys()
    assert second.files["pages/0003.webp"] == b"image 3"


async def test_a_retry_and_a_job_of_an_earlier_one_point_at_what_it_sealed(
    shop: Workshop, jobs: Jobs
) -> None:
    first_id = await submit(shop, jobs, pages=2)
    await work(shop)
    (first,) = await bundles(shop)
    await jobs.submit(ENV, submission(source=JobRef(first_id)))
    await work(shop)
    _, second = await bundles(shop)
    assert second.manifest["parent"] == {
        "bundle_id": first.row["id"],
        "manifest_sha256": first.row["manifest_sha256"],
        "relation": "rerun",
    }
    assert (second.row["parent_id"], second.row["relation"]) == (first.row["id"], "rerun")
    assert second.request["source"]["type"] == "job"
    assert second.request["source"]["job_id"] == first_id
    assert first.manifest["parent"] is None


async def test_a_retry_points_at_what_the_job_before_it_sealed(shop: Workshop, jobs: Jobs) -> None:
    data = json.dumps({"pages": 20, "fail": [2]}).encode()
    upload = Upload(await shop.blobs.put_bytes(ENV, data), len(data), "application/pdf", "a.pdf")
    asked = submission(source=upload, options=Options(allow_partial=True))
    first_id = (await jobs.submit(ENV, asked)).job.id
    await work(shop)
    again = (await jobs.retry(ENV, first_id, None)).job.id
    await work(shop)
    first, second = await bundles(shop)
    assert first.manifest["pages"]["failed"] == [2]
    assert first.manifest["pages"]["included"] == "1,3-20"
    assert (second.row["job_id"], second.row["parent_id"]) == (again, first.row["id"])
    assert second.request["retry_of"] == first_id


@pytest.mark.parametrize(("each", "fitting"), [(1_000_000, 10), (1 << 30, 3), (1 << 32, 0)])
async def test_images_that_a_container_has_no_room_for_are_left_out_and_named(
    shop: Workshop, jobs: Jobs, each: int, fitting: int
) -> None:
    await submit(shop, jobs, pages=1)
    held = await claimed(shop)
    images = {page: StoredImage("0" * 64, each, 0) for page in range(1, 11)}
    async with gathered(shop, held) as gathering:
        sealer = Sealer(shop.blobs, shop.keyring, shop.log_origin, {})
        read = Read(10, list(images), [], images)
        found = await sealer.seal(held, gathering, read, (), {})
    pages = [each.name for each in found.contents.artifacts if each.name.startswith("pages/")]
    assert len(pages) == fitting
    left_out = {10: "", 3: "4-10", 0: "1-10"}
    assert json.loads(found.manifest)["pages"]["without_image"] == left_out[fitting]
    Plan([Entry(each.name, each.size_bytes, each.crc32) for each in found.contents.artifacts])


async def test_a_request_is_sealed_without_what_is_secret(shop: Workshop, jobs: Jobs) -> None:
    data = json.dumps({"pages": 1}).encode()
    upload = Upload(await shop.blobs.put_bytes(ENV, data), len(data), "application/pdf", "Größe/ä.pdf")
    asked = submission(
        source=upload,
        operation=Operation.EXTRACT,
        json_schema={"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}},
        options=Options(password="open-sesame", words=True),
        metadata={"po": "4711"},
        webhook=WebhookRef("https://hooks.example:8443/T000/B000/secret-part?token=1", "whsec_hidden"),
    )
    await jobs.submit(ENV, asked)
    await work(shop)
    (found,) = await bundles(shop)
    assert found.request["options"]["password"] is True
    assert found.manifest["options"]["password"] is True
    assert found.request["webhook"] == "https://hooks.example:8443"
    assert list(found.request["schema"]["properties"]) == ["z", "a"]
    assert found.request["metadata"] == {"po": "4711"}
    assert found.manifest["source"]["name"] == "Größe/ä.pdf"
    everything = b"".join([found.row["manifest"], found.row["envelope"], *found.files.values()])
    for secret in (b"open-sesame", b"secret-part", b"whsec_hidden", b"token=1"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("filename", "plain"),
    [
        ("Rechnung Müller (2).pdf", "Rechnung-Muller-2-.pdf"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden.PDF", "hidden.PDF"),
        ("..", "document.pdf"),
        ("", "document.pdf"),
        (None, "document.pdf"),
        ("請求書.pdf", "document.pdf"),
        ("請求書 2026.pdf", "2026.pdf"),
        ("no.suffix at all", "no.suffix-at-all"),
        ("a" * 200 + ".pdf", "a" * 96 + ".pdf"),
        ("-rf", "rf"),
    ],
)
def test_the_name_of_a_document_is_one_that_a_bundle_can_have(filename: str | None, plain: str) -> None:
    assert plain_name(filename, "application/pdf") == plain


async def claimed(shop: Workshop) -> Claim:
    held = await execution.claim(shop.db, "worker", LEASE)
    assert held is not None
    return held
