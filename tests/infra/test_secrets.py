"""What is sealed opens for its owner under its key, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affidavit.infra.secrets import OVERHEAD_BYTES, SecretUnreadable, Vault, derive

OLD, NEW = "o" * 32, "n" * 32


@given(st.binary(max_size=300), st.text(max_size=40))
def test_owner_reads_back_what_was_sealed(plain: bytes, owner: str) -> None:
    vault = Vault(NEW)

    sealed = vault.seal(plain, owner)

    assert vault.open(sealed, owner) == plain
    assert len(sealed) == len(plain) + OVERHEAD_BYTES


def test_plain_text_does_not_show_and_no_two_seals_are_alike() -> None:
    vault = Vault(NEW)

    first, second = vault.seal(b"password", "job_1"), vault.seal(b"password", "job_1")

    assert b"password" not in first
    assert first != second


def test_another_owner_cannot_open() -> None:
    vault = Vault(NEW)

    with pytest.raises(SecretUnreadable):
        vault.open(vault.seal(b"password", "job_1"), "job_2")


def test_any_flipped_bit_is_noticed() -> None:
    vault = Vault(NEW)
    sealed = vault.seal(b"pw", "job_1")

    for place in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(SecretUnreadable):
            vault.open(bytes(damaged), "job_1")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"password in the clear, long enough to look sealed"])
def test_what_was_never_sealed_is_unreadable(sealed: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        Vault(NEW).open(sealed, "job_1")


def test_rotation_opens_the_old_and_seals_with_the_new() -> None:
    before = Vault(OLD).seal(b"password", "job_1")
    rotated = Vault(NEW, older=[OLD])

    assert rotated.open(before, "job_1") == b"password"
    assert rotated.is_stale(before)
    after = rotated.seal(b"password", "job_1")
    assert not rotated.is_stale(after)
    assert Vault(NEW).open(after, "job_1") == b"password"
    with pytest.raises(SecretUnreadable, match="not configured"):
        Vault(NEW).open(before, "job_1")


def test_purposes_and_installations_have_keys_of_their_own() -> None:
    keys = {derive(NEW, "api-key"), derive(NEW, "cursor"), derive(OLD, "api-key"), derive(NEW, "seal")}

    assert len(keys) == 4
    assert derive(NEW, "api-key") == derive(NEW, "api-key")
