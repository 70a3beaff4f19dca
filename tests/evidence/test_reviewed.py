"""`reviewed.json`: the child that applied corrections cannot outdo what the service says of the decision."""

from __future__ import annotations

import json

import pytest

from affidavit.bundle.canonical import JsonError, load
from affidavit.jobs.review_sealing import spelled

SAID = {"decision": "rejected", "reviewer": "Ada", "actions": [{"reason": "“no”"}]}


@pytest.mark.parametrize("extraction", [None, b"{}", b'{"data":{"total":1}}'])
def test_it_holds_the_decision_and_what_was_extracted(extraction: bytes | None) -> None:
    found = load(spelled(SAID, extraction))

    assert found == {**SAID, "extraction": None if extraction is None else json.loads(extraction)}


@pytest.mark.parametrize(
    "hostile",
    [
        b'{},"decision":"approved"',
        b'{},"decision":"approved","x":{"y":1',
        b'{}}{"decision":"approved"',
        b'{},"decision":"approved"}',
        b'null,"decision":"approved","x":',
        b'{},"decision":"approved","x":"',
        b"",
        b"\xff",
    ],
)
def test_a_child_that_writes_more_than_it_may_decides_nothing(hostile: bytes) -> None:
    content = spelled(SAID, hostile)

    with pytest.raises(JsonError):
        load(content)
    try:
        lenient = json.loads(content)
    except ValueError:
        return
    assert lenient["decision"] == "rejected"
