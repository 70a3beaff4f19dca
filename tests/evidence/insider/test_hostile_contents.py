"""A child that was taken over wrote the files of a bundle: whoever looks into it is told what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.bundles import CHUNKS, NUMBER, Sealer
from tests.api.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXTRACTIONS: dict[str, bytes] = {
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "cut": b'{"fields":',
    "not an object": b"[]",
    "not UTF-8": b'{"a":"\xff"}',
    "half a character": b'{"fields":{"\\ud800":{"value":"\\udc00"}}}',
    "a member twice": b'{"data":1,"data":2}',
    "numbers of no end": b'{"fields":{"a":{"value":' + b"9" * 100_000 + b"}}}",
    "numbers beyond": b'{"fields":{"a":{"value":1e999,"citations":[]}}}',
    "NaN": b'{"fields":{"a":{"value":NaN}}}',
    "fields that are none": b'{"fields":[1,2,3],"data":"x"}',
    "a field that is none": b'{"fields":{"a":7,"b":null,"c":[{}]}}',
    "names of no end": json.dumps({"k" * 1_000_000: [NUMBER] * 300}).encode(),
    "many values": b'{"a":[' + b"0," * 5_000_000 + b"0]}",
    "a citation of odd members": json.dumps(
        {"a": NUMBER | {"words": {"x": 1}, "match": [], "box": None, "page": "1", "range": {}, "quote": None}}
    ).encode(),
    "an escape for the terminal": json.dumps({"\x1b[2J": NUMBER | {"quote": "\x1b]0;x\x07"}}).encode(),
}
CHUNK_LINES: dict[str, bytes] = {
    "no newline": b"{}",
    "deep": b"[" * 100_000 + b"\n",
    "a box of one number": json.dumps(CHUNKS[0] | {"words": [["p1.w2", "4711", 1.25]]}).encode() + b"\n",
    "a range past the end": json.dumps(CHUNKS[0] | {"range": [0, 10**15]}).encode() + b"\n",
    "nothing": b"",
}


@pytest.fixture
def sealer(tenant: Api) -> Sealer:
    return Sealer(tenant)


async def answers(api: Api, bundle_id: str, other: str) -> dict[str, tuple[int, Any]]:
    """Ask for all that is made by looking into the files."""
    paths = ("verify", "verify?quick=true", "citations", "citations/c1", f"diff?against={other}")
    found = {path: await api.get(f"/v1/bundles/{bundle_id}/{path}") for path in paths}
    return {path: (answer.status_code, answer.json()) for path, answer in found.items()}


def assert_answered(found: dict[str, tuple[int, Any]]) -> None:
    status, report = found["verify"]
    assert (status, report["verdict"]) in {(200, "failed"), (200, "not_checked"), (200, "passed")}
    for path, (code, body) in found.items():
        assert code == 200 or body["code"] in ("NOT_FOUND", "STORED_BYTES_DAMAGED"), (path, code, body)


@pytest.mark.parametrize("name", EXTRACTIONS)
async def test_extraction_of_any_kind_gets_an_answer(tenant: Api, sealer: Sealer, name: str) -> None:
    parent = await sealer.seal()
    sealed = await sealer.seal(files={"extraction.json": EXTRACTIONS[name]}, parent=parent)

    found = await answers(tenant, sealed.contents.bundle_id, parent.contents.bundle_id)

    assert_answered(found)


@pytest.mark.parametrize("name", CHUNK_LINES)
async def test_chunks_of_any_kind_get_an_answer(tenant: Api, sealer: Sealer, name: str) -> None:
    parent = await sealer.seal()
    sealed = await sealer.seal(files={"chunks.ndjson": CHUNK_LINES[name]}, parent=parent)

    found = await answers(tenant, sealed.contents.bundle_id, parent.contents.bundle_id)

    assert found["verify"][1]["verdict"] == "failed"
    assert_answered(found)


async def test_the_service_answers_as_before(tenant: Api, sealer: Sealer) -> None:
    for data in EXTRACTIONS.values():
        sealed = await sealer.seal(files={"extraction.json": data})
        await tenant.get(f"/v1/bundles/{sealed.contents.bundle_id}/citations")

    sound = await tenant.get(f"/v1/bundles/{(await sealer.seal()).contents.bundle_id}/verify")

    assert sound.json()["verdict"] == "passed"
