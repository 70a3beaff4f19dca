"""Every change of a bundle is found, and named for what it is."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import pytest

from affidavit.bundle import keys
from affidavit.bundle.report import Check, Report, Status
from affidavit.bundle.verify import verify
from tests.bundle import specimens
from tests.bundle.broken import Broken, all_broken
from tests.bundle.making import KEY, pem, private_key
from tests.bundle.mutations import Mutation, all_mutations
from tests.bundle.vectors import SOUND

KEYS = keys.parse(pem(KEY) + pem(private_key("vectors, the next")))
BROKEN = all_broken()


def verified(data: bytes) -> Report:
    return verify(io.BytesIO(data), KEYS)


def failures(report: Report) -> list[Check]:
    return [check for check in report.checks if check.status is Status.FAILED]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_bundle_verifies(name: str) -> None:
    report = verified(SOUND[name]().zip())

    assert failures(report) == []
    assert report.verdict is Status.PASSED


@pytest.mark.parametrize("mutation", list(all_mutations(specimens.with_log_proof())), ids=str)
def test_a_change_without_the_key_is_found_and_named(mutation: Mutation) -> None:
    report = verified(mutation.data)

    found = [(check.code, check.entry) for check in failures(report)]
    assert report.verdict is Status.FAILED
    assert [(c, e) for c, e in found if c in mutation.codes and mutation.entry in (None, e)], found


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_hold_together_is_found_though_it_is_signed(name: str) -> None:
    broken: Broken = BROKEN[name]

    found = [(check.code, check.entry) for check in failures(verified(broken.data))]

    assert [(c, e) for c, e in found if c == broken.code and broken.entry in (None, e)], found


def test_every_region_that_changes_is_found_and_its_place_named() -> None:
    """Flip bits all over a bundle and make nothing fit: every byte of its headers, every 13th of contents."""
    good = specimens.with_log_proof().zip()
    for at, entry in list(places(good)):
        changed = bytearray(good)
        changed[at] ^= 1 << at % 8

        found = failures(verified(bytes(changed)))

        assert found, f"byte {at} in {entry}"
        if entry is not None:
            assert entry in {check.entry for check in found}, f"byte {at} in {entry}: {found}"


def places(data: bytes) -> Iterator[tuple[int, str | None]]:
    """Yield places of bytes, and the entry whose header or contents they are in; None: the directory."""
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        size, name_size = (
            struct.unpack_from("<I", data, at + 18)[0],
            struct.unpack_from("<H", data, at + 26)[0],
        )
        start = at + 30 + name_size
        name = data[at + 30 : start].decode()
        yield from ((n, name) for n in (*range(at, start), *range(start, start + size, 13)))
        at = start + size
    yield from ((n, None) for n in range(at, len(data)))
