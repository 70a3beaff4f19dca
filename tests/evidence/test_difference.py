"""Two extractions compared: what is said of fields, and of all else."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.evidence import difference
from affidavit.evidence.difference import compare

HERE = {"page": 1, "box": [1.0, 2.0, 3.0, 4.0], "words": ["p1.w1"], "quote": "7"}
THERE = {**HERE, "page": 2}


def field(value: object, *places: dict[str, Any]) -> dict[str, Any]:
    return {"value": value, "confidence": 90, "citations": list(places), "alternatives": []}


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    found = compare({"fields": before}, {"fields": after})["fields"]
    return [(each["path"], each["change"]) for each in found]


def test_field_is_added_removed_changed_or_moved() -> None:
    before = {"a": field(1, HERE), "b": field(2), "c": field(3, HERE), "d": field(4, HERE)}
    after = {"a": field(1, HERE), "c": field(30, HERE), "d": field(4, THERE), "e": field(5)}

    assert changes(before, after) == [
        ("b", "removed"),
        ("c", "changed"),
        ("d", "moved"),
        ("e", "added"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, "", False),
        ([1], [1], True),
        ("1", 1, False),
    ],
)
def test_values_are_compared_as_json(one: object, other: object, is_same: bool) -> None:
    assert changes({"a": field(one)}, {"a": field(other)}) == ([] if is_same else [("a", "changed")])


def test_other_members_go_by_pointer_and_fields_are_not_told_twice() -> None:
    before = {"fields": {"a": field(1)}, "data": {"a": 1}, "usage": {"pages": 1}, "x": {"y/z": [1, {}]}}
    after = {"fields": {"a": field(2)}, "data": {"a": 2}, "usage": {"pages": 2}, "x": {"y/z": [1, {"k": 3}]}}

    found = compare(before, after)

    assert [each["path"] for each in found["fields"]] == ["a"]
    assert found["members"] == [
        {"pointer": "/x/y~1z/1", "change": "removed", "before": {}, "after": None},
        {"pointer": "/x/y~1z/1/k", "change": "added", "before": None, "after": 3},
    ]


def test_operation_without_fields_is_compared_by_its_data() -> None:
    found = compare({"data": {"a": 1}}, {"data": {"a": 2}})

    assert found["members"] == [{"pointer": "/data/a", "change": "changed", "before": 1, "after": 2}]


def test_hostile_shapes_are_compared_and_do_not_end_it() -> None:
    deep: Any = 1
    for _ in range(2_000):
        deep = [deep]
    shapes = [{"fields": 1}, {"fields": {"a": 1}}, {"fields": {"a": {"citations": 1}}}, {"a": deep}, {}]

    for before in shapes:
        for after in shapes:
            compare(before, after)


def test_more_changes_than_are_told_are_said_to_be_more() -> None:
    most = difference.MAX_CHANGES

    found = compare({"fields": {}}, {"fields": {str(n): field(n) for n in range(most + 1)}})

    assert (len(found["fields"]), found["truncated"]) == (most, True)
