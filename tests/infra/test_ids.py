"""Ids are short, unambiguous, ordered by time, and spelled in one way only."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affidavit.infra import ids


def test_id_is_prefix_and_26_characters() -> None:
    text = ids.new_id("job")

    assert text.startswith("job_")
    assert len(text) == len("job_") + 26
    assert ids.is_id(text, "job")


def test_ids_sort_in_the_order_they_were_made() -> None:
    made = [ids.new_id("job") for _ in range(5000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_never_get_the_same_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.new_id("job"), range(4000)))

    assert len(set(made)) == len(made)


def test_id_holds_a_uuid_of_version_7_made_now() -> None:
    number = ids.parse(ids.new_id("file"), "file")

    assert number.version == 7
    assert number.variant == uuid.RFC_4122
    assert abs(ids.made_at(number) - datetime.now(UTC)) < timedelta(seconds=5)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_spelling_keeps_value_and_order(first: int, second: int) -> None:
    one, two = uuid.UUID(int=first), uuid.UUID(int=second)

    assert ids.decode(ids.encode(one)) == one
    assert (ids.encode(one) < ids.encode(two)) == (first < second)


BAD_SPELLINGS = {
    "wrong prefix": "file_01k8zzzzzzzzzzzzzzzzzzzzzz",
    "no prefix": "01k8zzzzzzzzzzzzzzzzzzzzzz",
    "upper case": "job_01K8ZZZZZZZZZZZZZZZZZZZZZZ",
    "too short": "job_01k8zzzzzzzzzzzzzzzzzzzzz",
    "too long": "job_01k8zzzzzzzzzzzzzzzzzzzzzzz",
    "letter outside the alphabet": "job_01k8zzzzzzzzzzzzzzzzzzzzzu",
    "above 128 bits": "job_81k8zzzzzzzzzzzzzzzzzzzzzz",
    "line end": "job_01k8zzzzzzzzzzzzzzzzzzzzzz\n",
    "path": "job_../../etc/passwd",
    "empty": "",
}


@pytest.mark.parametrize("text", BAD_SPELLINGS.values(), ids=BAD_SPELLINGS.keys())
def test_other_spellings_are_refused(text: str) -> None:
    assert not ids.is_id(text, "job")
    with pytest.raises(ids.InvalidId):
        ids.parse(text, "job")


@pytest.mark.parametrize("prefix", ["", "Job", "job_", "1job", "job\n"])
def test_prefix_must_be_a_plain_word(prefix: str) -> None:
    with pytest.raises(ValueError, match="is not a prefix"):
        ids.new_id(prefix)
