"""Keys are read from what people have at hand, and nothing else is taken for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from affidavit.bundle import keys
from affidavit.bundle.keys import KeysUnusable
from tests.bundle.making import KEY, STRANGER, key_id, pem


def published(**changes: object) -> bytes:
    entry = {"key_id": key_id(KEY), "pem": pem(KEY).decode(), "retired_at": None, "status": "active"}
    return json.dumps({"keys": [{**entry, **changes}], "log_origin": None}).encode()


def test_pem_gives_every_key_in_it() -> None:
    assert set(keys.parse(pem(KEY) + b"\n# the next\n" + pem(STRANGER))) == {key_id(KEY), key_id(STRANGER)}


def test_what_the_server_publishes_gives_keys_and_when_they_were_retired() -> None:
    found = keys.parse(published(retired_at="2026-01-02T03:04:05.000006Z"))
    assert found[key_id(KEY)].retired_at == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert keys.parse(published())[key_id(KEY)].retired_at is None


def test_folder_gives_the_keys_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(pem(KEY))
    (tmp_path / "b.json").write_bytes(published(key_id=key_id(STRANGER), pem=pem(STRANGER).decode()))
    (tmp_path / "README").write_text("not a key")
    assert set(keys.read_folder(tmp_path)) == {key_id(KEY), key_id(STRANGER)}


def test_folder_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="no key"):
        keys.read_folder(tmp_path)


def other_kind() -> bytes:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither PEM"),
        (b"ssh-ed25519 AAAA", "neither PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "something else"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private key"),
        (b'{"keys": 1}', "not the JSON"),
        (b'{"keys": [{}]}', "not the JSON"),
        (b'{"keys": [{"key_id": "x", "key_id": "y"}]}', "not the JSON"),
        (b"{", "not the JSON"),
        (published(key_id=key_id(STRANGER)), "not the one of that id"),
        (published(retired_at="2026-01-02T03:04:05"), "not the JSON"),
        (published(retired_at=5), "not the JSON"),
        (published(pem=None), "not the JSON"),
    ],
    ids=range(12),
)
def test_what_is_no_key_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(KeysUnusable, match=why):
        keys.parse(data)


def test_key_of_another_kind_is_refused() -> None:
    with pytest.raises(KeysUnusable, match="not Ed25519"):
        keys.parse(other_kind())


def test_file_beyond_its_limit_is_not_read_in_part(tmp_path: Path) -> None:
    (tmp_path / "large.pem").write_bytes(pem(KEY) + b"#" * keys.MAX_KEY_FILE_BYTES)
    with pytest.raises(KeysUnusable, match="more than 1,048,576 bytes"):
        keys.read_folder(tmp_path)


def test_refusal_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "wrong.pem").write_text("nothing")
    with pytest.raises(KeysUnusable, match=r"wrong\.pem"):
        keys.read_folder(tmp_path)
