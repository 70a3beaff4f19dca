"""Bundles over HTTP: listed, shown, sent whole and in parts, and what happened to them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile

import pytest

from affidavit.accounts.principal import Scope
from affidavit.bundle import container
from affidavit.evidence.manifest import Relation
from tests.api.bundles import SOURCE, Sealer
from tests.api.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def sealer(tenant: Api) -> Sealer:
    return Sealer(tenant)


async def test_bundle_says_what_was_sealed(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal()

    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}")

    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert bundle["manifest_sha256"] == sealed.manifest_sha256
    assert (bundle["status"], bundle["log_index"]) == ("sealed", None)
    assert [each["name"] for each in bundle["artifacts"]] == [
        "source/invoice.pdf",
        "document.md",
        "document.json",
        "chunks.ndjson",
        "extraction.json",
        "request.json",
        "pages/0001.webp",
    ]
    assert bundle["followed_by"] == []


async def test_bundle_names_what_follows_it(tenant: Api, sealer: Sealer) -> None:
    first = await sealer.seal()
    second = await sealer.seal(parent=first, relation=Relation.REVIEW)

    bundle = (await tenant.get(f"/v1/bundles/{first.contents.bundle_id}")).json()
    follower = (await tenant.get(f"/v1/bundles/{second.contents.bundle_id}")).json()

    assert [(each["id"], each["relation"]) for each in bundle["followed_by"]] == [
        (second.contents.bundle_id, "review")
    ]
    assert follower["parent_id"] == first.contents.bundle_id


async def test_list_goes_by_pages_newest_first_and_by_job(tenant: Api, sealer: Sealer) -> None:
    ids = [(await sealer.seal()).contents.bundle_id for _ in range(3)]
    of_job = await sealer.seal(job_id="job_00000000000000000000000000")

    first = (await tenant.get("/v1/bundles?limit=2")).json()
    second = (await tenant.get(f"/v1/bundles?limit=2&cursor={first['next_cursor']}")).json()
    mine = (await tenant.get(f"/v1/bundles?job_id={of_job.contents.job_id}")).json()

    listed = [each["id"] for each in first["items"] + second["items"]]
    assert listed == [of_job.contents.bundle_id, *reversed(ids)]
    assert second["next_cursor"] is None
    assert [each["id"] for each in mine["items"]] == [of_job.contents.bundle_id]
    assert (await tenant.get("/v1/bundles?cursor=bm90aGluZw")).json()["code"] == "CURSOR_INVALID"


async def test_manifest_and_envelope_are_byte_for_byte_what_was_signed(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal()
    path = f"/v1/bundles/{sealed.contents.bundle_id}"

    manifest = await tenant.get(f"{path}/manifest")
    envelope = await tenant.get(f"{path}/envelope")

    assert manifest.content == sealed.manifest
    assert manifest.headers["etag"] == f'"{sealed.manifest_sha256}"'
    assert envelope.content == sealed.envelope
    again = await tenant.get(f"{path}/manifest", headers={"If-None-Match": manifest.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_file_of_a_bundle_comes_as_it_was_sealed(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal()
    path = f"/v1/bundles/{sealed.contents.bundle_id}/artifacts"

    source = await tenant.get(f"{path}/source/invoice.pdf")
    extraction = await tenant.get(f"{path}/extraction.json")

    assert source.content == SOURCE
    assert "attachment" in source.headers["content-disposition"]
    assert source.headers["content-security-policy"].startswith("sandbox")
    assert extraction.json()["data"] == {"number": "4711", "total": 2290.45}
    assert extraction.headers["content-length"] == str(len(extraction.content))
    assert (await tenant.get(f"{path}/source%2Finvoice.pdf")).content == SOURCE
    assert (await tenant.get(f"{path}/nothing.json")).status_code == 404


async def test_download_is_a_zip_of_exactly_the_promised_size(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal(pages=3)

    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/download")

    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(answer.content))
    found = container.read(io.BytesIO(answer.content))
    names = [each.name for each in sealed.contents.artifacts]
    assert [entry.name for entry in found.entries] == ["manifest.json", "manifest.dsse.json", *names]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("manifest.json") == sealed.manifest
        for artifact in sealed.contents.artifacts:
            assert hashlib.sha256(archive.read(artifact.name)).hexdigest() == artifact.sha256


async def test_download_is_the_same_bytes_each_time_and_is_not_sent_twice(
    tenant: Api, sealer: Sealer
) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/download"

    first, second = [await tenant.get(path) for _ in range(2)]
    unchanged = await tenant.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert first.content == second.content
    assert unchanged.status_code == 304


async def test_head_of_a_download_has_the_size_and_no_body(tenant: Api, sealer: Sealer) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/download"

    head, whole = await tenant.send("HEAD", path), await tenant.get(path)

    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.parametrize("asked", ["0-0", "10-99", "100-", "-57", "0-999999999"])
async def test_part_of_a_download_is_that_part_of_the_whole(tenant: Api, sealer: Sealer, asked: str) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/download"
    whole = (await tenant.get(path)).content

    part = await tenant.get(path, headers={"Range": f"bytes={asked}"})

    assert part.status_code == 206
    start, _, stop = part.headers["content-range"].removeprefix("bytes ").partition("/")[0].partition("-")
    assert part.content == whole[int(start) : int(stop) + 1]
    assert part.headers["content-length"] == str(len(part.content))


async def test_parts_one_after_the_other_are_the_whole(tenant: Api, sealer: Sealer) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/download"
    whole = (await tenant.get(path)).content

    parts = [
        (await tenant.get(path, headers={"Range": f"bytes={start}-{start + 499}"})).content
        for start in range(0, len(whole), 500)
    ]

    assert b"".join(parts) == whole


async def test_range_outside_of_the_bundle_is_refused_and_one_of_other_bytes_is_ignored(
    tenant: Api, sealer: Sealer
) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/download"
    size = int((await tenant.send("HEAD", path)).headers["content-length"])

    beyond = await tenant.get(path, headers={"Range": f"bytes={size}-"})
    other = await tenant.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other bytes"'})

    assert (beyond.status_code, beyond.json()["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert beyond.headers["content-range"] == f"bytes */{size}"
    assert (other.status_code, len(other.content)) == (200, size)


async def test_bag_holds_the_bundle_and_says_its_digests(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal(pages=2)
    bundle_id = sealed.contents.bundle_id

    answer = await tenant.get(f"/v1/bundles/{bundle_id}/download?format=bagit")

    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["content-length"] == str(len(answer.content))
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:") as archive:
        files = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}
    assert all(name.startswith(f"{bundle_id}/") for name in files)
    bag = {name.partition("/")[2]: data for name, data in files.items()}
    assert bag["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    payload = {name: data for name, data in bag.items() if name.startswith("data/")}
    assert payload["data/manifest.json"] == sealed.manifest
    for listed, of in (("manifest-sha256.txt", payload), ("tagmanifest-sha256.txt", bag)):
        lines = [line.split("  ", 1) for line in bag[listed].decode().splitlines()]
        assert {name: hashlib.sha256(of[name]).hexdigest() for _, name in lines} == {
            name: digest for digest, name in lines
        }
    assert {line.split("  ", 1)[1] for line in bag["manifest-sha256.txt"].decode().splitlines()} == set(
        payload
    )
    oxum = f"{sum(map(len, payload.values()))}.{len(payload)}"
    assert f"Payload-Oxum: {oxum}\n" in bag["bag-info.txt"].decode()


async def test_download_of_a_bundle_with_a_lost_file_says_so_before_it_begins(
    tenant: Api, sealer: Sealer
) -> None:
    sealed = await sealer.seal()
    lost = sealed.contents.artifacts[-1]
    await tenant.services.blobs.delete(await sealer.environment(), lost.blob_sha256)

    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/download")

    assert (answer.status_code, answer.json()["code"]) == (500, "STORED_BYTES_DAMAGED")


async def test_history_begins_with_the_sealing(tenant: Api, sealer: Sealer) -> None:
    sealed = await sealer.seal()

    answer = await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/history?limit=1")

    assert [(each["seq"], each["type"]) for each in answer.json()["items"]] == [(1, "sealed")]


async def test_bundle_of_another_environment_is_not_there(
    tenant: Api, neighbour: Api, sealer: Sealer
) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}"

    for suffix in ("", "/manifest", "/envelope", "/artifacts/document.md", "/download", "/history"):
        assert (await neighbour.get(path + suffix)).status_code == 404, suffix
    assert (await neighbour.get("/v1/bundles")).json()["items"] == []


async def test_key_without_the_scope_reads_no_bundle(tenant: Api, sealer: Sealer) -> None:
    path = f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}"
    narrow = await tenant.as_key("one", Scope.JOBS_READ, Scope.FILES_READ)

    answer = await narrow.get(path)

    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
