"""Canonical JSON is what RFC 8785 says, and no other spelling of a value is read."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affidavit.bundle.canonical import MAX_INTEGER, JsonError, canonical, load, load_canonical

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_canonical_form_is_the_one_of_rfc8785(value: object) -> None:
    spelled = canonical(value)
    assert spelled == rfc8785.dumps(value)
    assert load_canonical(spelled) == value


def test_members_are_sorted_by_utf16() -> None:
    assert canonical({"\ue000": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ue000":1}'.encode()


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), float("nan"), "\ud800", b"", {1: 2}, {"a": {1.0}}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(JsonError):
        canonical(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1, "b":2}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e0}',
        b'{"a":-0}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u001F"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}\n',
        b'{"a":9007199254740992}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b"",
    ],
    ids=range(18),
)
def test_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(JsonError):
        load_canonical(data)


@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":2}', b"[NaN]", b"[-Infinity]", b'["\\udc00x"]', b'"\xc0\x80"', b"[1", b"[" * 10**6]
)
def test_what_readers_disagree_on_is_no_json(data: bytes) -> None:
    with pytest.raises(JsonError):
        load(data)


def test_pair_of_surrogates_is_one_character() -> None:
    assert load(b'"\\ud83e\\uddfe"') == "\U0001f9fe"


def test_more_values_than_memory_is_meant_for_are_not_unpacked() -> None:
    with pytest.raises(JsonError, match="more than 4,000,000"):
        load(b"[" + b"[]," * 2_000_000 + b"0]")
