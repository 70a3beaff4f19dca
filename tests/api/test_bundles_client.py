"""The client and bundles, against the real application on a socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from affidavit.bundle.keys import parse
from affidavit.bundle.report import Status
from affidavit.bundle.verify import verify
from affidavit.client import ApiError, AsyncClient, Client, RetryPolicy, bundles
from tests.api.bundles import Sealer, extraction
from tests.api.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = RetryPolicy(first_seconds=0.01)

Act = Callable[[Any], Any]
Use = Callable[[Act], Awaitable[Any]]


class Cut(httpx.BaseTransport):
    """Breaks each answer of a download after so many bytes, as a network may."""

    def __init__(self, size: int) -> None:
        self._inner = httpx.HTTPTransport()
        self._size = size
        self.ranges: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        if not request.url.path.endswith("/download"):
            return answer
        self.ranges.append(request.headers.get("range"))
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=_CutStream(answer, self._size)
        )


class _CutStream(httpx.SyncByteStream):
    def __init__(self, answer: httpx.Response, size: int) -> None:
        self._answer = answer
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        left = self._size
        for chunk in self._answer.iter_raw():
            yield chunk[:left]
            left -= len(chunk)
            if left < 0:
                raise httpx.ReadError("cut")

    def close(self) -> None:
        self._answer.close()


@pytest.fixture
def url(tenant: Api) -> str:
    return str(tenant.client.base_url)


@pytest.fixture
def key(tenant: Api) -> str:
    return tenant.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture(params=["sync", "async"])
def use(request: pytest.FixtureRequest, url: str, key: str) -> Use:
    """Return what runs `act(client)` with one kind of client and gives back its value."""

    async def run(act: Act) -> Any:
        if request.param == "async":
            async with AsyncClient(url, key, retry=QUICK) as client:
                found = act(client)
                return [each async for each in found] if hasattr(found, "__aiter__") else await found
        with Client(url, key, retry=QUICK) as client:
            return await asyncio.to_thread(lambda: _whole(act(client)))

    return run


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def _whole(found: Any) -> Any:
    return list(found) if isinstance(found, Iterator) else found


async def test_client_saves_a_bundle_that_verifies_offline(tenant: Api, use: Use, tmp_path: Path) -> None:
    sealed = await Sealer(tenant).seal(pages=3)
    bundle_id = sealed.contents.bundle_id

    path = await use(lambda client: client.download_bundle(bundle_id, tmp_path))
    keys = await use(lambda client: client.send(bundles.signing_keys()))

    assert path == tmp_path / f"{bundle_id}.zip"
    assert [each for each in names(tmp_path) if bundle_id in each] == [path.name]
    with path.open("rb") as file:
        assert verify(file, parse(keys)).verdict is Status.PASSED


async def test_client_shows_lists_and_verifies_bundles(tenant: Api, use: Use) -> None:
    sealed = [await Sealer(tenant).seal() for _ in range(3)]
    bundle_id = sealed[0].contents.bundle_id

    bundle = await use(lambda client: client.bundle(bundle_id))
    listed = await use(lambda client: client.bundles(page_size=2))
    of_job = await use(lambda client: client.bundles(job_id=sealed[1].contents.job_id))
    found = await use(lambda client: client.verify_bundle(bundle_id))

    assert bundle.manifest_sha256 == sealed[0].manifest_sha256
    assert [each.id for each in listed] == [each.contents.bundle_id for each in reversed(sealed)]
    assert [each.id for each in of_job] == [sealed[1].contents.bundle_id]
    assert (found.verdict, found.is_sound, found.damaged) == ("passed", True, [])


async def test_calls_for_all_else_read_what_the_service_says(tenant: Api, use: Use) -> None:
    first = await Sealer(tenant).seal()
    second = await Sealer(tenant).seal(parent=first, extracted=extraction(1.0))
    bundle_id = second.contents.bundle_id

    async def ask(made: Any) -> Any:
        return await use(lambda client: client.send(made))

    manifest = await ask(bundles.manifest(bundle_id))
    assert hashlib.sha256(manifest).hexdigest() == second.manifest_sha256
    assert json.loads(await ask(bundles.artifact(bundle_id, "extraction.json")))["data"]["total"] == 1.0
    assert await ask(bundles.artifact(bundle_id, "source/invoice.pdf"))
    assert [each.id for each in (await ask(bundles.citations(bundle_id))).items] == ["c1", "c2"]
    proven = await ask(bundles.citation(bundle_id, "c2"))
    assert (proven.citation.field, proven.chunks[0].index) == ("total", 1)
    assert [each.path for each in (await ask(bundles.diff(bundle_id))).fields] == ["total"]
    recorded = await ask(bundles.record(bundle_id, "agent:a", "read", note="late"))
    assert recorded.detail == {"action": "read", "note": "late"}
    handed = await ask(bundles.hand_off(bundle_id, "agent:a", "agent:b"))
    assert (await ask(bundles.receipt(handed.receipt_id))).valid is True
    assert [each.to_agent for each in (await ask(bundles.hand_offs(bundle_id))).items] == ["agent:b"]
    assert [each.id for each in (await ask(bundles.receipts(bundle_id))).items] == [handed.receipt_id]
    assert [each.type for each in (await ask(bundles.history(bundle_id))).items] == [
        "sealed",
        "recorded",
        "handed_off",
    ]


async def test_deleted_bundle_leaves_a_tombstone_and_an_error_that_says_so(tenant: Api, use: Use) -> None:
    sealed = await Sealer(tenant).seal()
    bundle_id = sealed.contents.bundle_id

    buried = await use(lambda client: client.send(bundles.delete(bundle_id)))
    again = await use(lambda client: client.send(bundles.tombstone(bundle_id)))

    assert json.loads(buried)["payloadType"] == "application/vnd.in-toto+json"
    assert again == buried
    with pytest.raises(ApiError) as refused:
        await use(lambda client: client.bundle(bundle_id))
    assert refused.value.problem.code == "BUNDLE_DELETED"
    assert f"/v1/bundles/{bundle_id}/tombstone" in refused.value.problem.detail
    assert [each.id for each in await use(lambda client: client.bundles(deleted=True))] == [bundle_id]


async def test_download_goes_on_where_the_connection_broke(
    tenant: Api, url: str, key: str, tmp_path: Path
) -> None:
    sealed = await Sealer(tenant).seal(pages=2, image=bytes(range(256)) * 40)
    bundle_id = sealed.contents.bundle_id
    whole = (await tenant.get(f"/v1/bundles/{bundle_id}/download")).content
    cut = Cut(8000)

    with Client(url, key, retry=QUICK, transport=cut) as client:
        path = await asyncio.to_thread(client.download_bundle, bundle_id, tmp_path / "a.zip")

    assert path.read_bytes() == whole
    assert len(cut.ranges) == -(-len(whole) // 8000)
    assert cut.ranges[:2] == [None, "bytes=8000-"]


async def test_download_that_is_refused_leaves_no_file(tenant: Api, use: Use, tmp_path: Path) -> None:
    with pytest.raises(ApiError) as refused:
        await use(lambda client: client.download_bundle("ev_00000000000000000000000000", tmp_path))

    assert refused.value.problem.code == "NOT_FOUND"
    assert [each for each in names(tmp_path) if each.startswith("ev_")] == []
