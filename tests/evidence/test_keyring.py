"""The key that signs: one for a folder, whoever starts first; for its owner alone; the newest signs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)

from affidavit.bundle.envelope import key_id
from affidavit.infra.keyring import Keyring, KeyringUnusable, SigningKey

TELL = """
import sys; from pathlib import Path; from affidavit.infra.keyring import Keyring
sys.stdin.readline(); print(Keyring(Path(sys.argv[1])).current().key_id)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


def test_processes_that_start_at_once_agree_on_one_key(folder: Path) -> None:
    command = [sys.executable, "-c", TELL, str(folder)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    told = {racer.communicate(timeout=30)[0].strip() for racer in racers}

    assert told == {Keyring(folder).current().key_id}
    assert [path.name for path in folder.iterdir()] == ["0001.pem"]


def test_threads_that_start_at_once_agree_on_one_key(folder: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: Keyring(folder).current().key_id, range(64)))

    assert len(set(keys)) == 1
    assert [path.name for path in folder.iterdir()] == ["0001.pem"]


def test_key_is_readable_for_its_owner_alone_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        Keyring(folder).current()
    finally:
        os.umask(before)

    assert stat.S_IMODE((folder / "0001.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_key_is_ed25519_in_pkcs8_and_named_by_its_public_half(folder: Path) -> None:
    key = Keyring(folder).current()

    private = load_pem_private_key((folder / "0001.pem").read_bytes(), None)
    public = load_der_public_key(key.public)
    assert isinstance(public, Ed25519PublicKey)
    assert key.key_id == key_id(public) == key_id(private.public_key())
    public.verify(key.sign(b"content"), b"content")


def test_key_does_not_show_in_what_is_printed_of_it(folder: Path) -> None:
    key = Keyring(folder).current()

    secret = load_pem_private_key(key.pem(), None).private_bytes_raw()
    assert secret.hex() not in repr(key)
    assert repr(secret)[2:-1] not in repr(key)
    assert "_private" not in repr(key)


def test_newest_number_is_found_and_signs_only_once_it_is_taken(folder: Path) -> None:
    keyring = Keyring(folder)
    before = keyring.current()
    added = Keyring(folder).add(SigningKey.generate())

    assert keyring.current() is before
    found = keyring.look()
    assert found.key_id == added.key_id != before.key_id
    keyring.take(found)
    assert keyring.current().key_id == added.key_id


def test_two_keys_that_are_added_at_once_get_numbers_of_their_own(folder: Path) -> None:
    Keyring(folder).current()
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda _: Keyring(folder).add(SigningKey.generate()), range(4)))

    assert sorted(key.number for key in added) == [2, 3, 4, 5]
    assert len(list(folder.iterdir())) == 5


def test_old_private_keys_are_removed_and_the_newest_stays(folder: Path) -> None:
    keyring = Keyring(folder)
    keyring.current()
    keyring.add(SigningKey.generate())
    newest = keyring.add(SigningKey.generate())

    assert keyring.forget_older(newest) == 2
    assert [path.name for path in folder.iterdir()] == ["0003.pem"]
    assert Keyring(folder).current().key_id == newest.key_id


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666])
def test_key_that_others_may_read_or_change_is_not_used(folder: Path, mode: int) -> None:
    Keyring(folder).current()
    (folder / "0001.pem").chmod(mode)

    with pytest.raises(KeyringUnusable, match="chmod 600"):
        Keyring(folder).current()


def test_key_of_a_mounted_secret_may_be_readable_for_its_group(folder: Path) -> None:
    """Kubernetes mounts files as links to files of mode 0440."""
    Keyring(folder).current()
    (folder / "..data").mkdir()
    (folder / "0001.pem").rename(folder / "..data" / "0001.pem")
    (folder / "..data" / "0001.pem").chmod(0o440)
    (folder / "0001.pem").symlink_to("..data/0001.pem")

    assert Keyring(folder).current().number == 1


def pem_of(private: object, encryption: object = NoEncryption()) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key at all",
        SigningKey.generate().public_pem(),
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        pem_of(load_pem_private_key(SigningKey.generate().pem(), None), BestAvailableEncryption(b"word")),
    ],
    ids=["empty", "text", "public", "another kind", "with a password"],
)
def test_file_that_is_no_key_of_ours_is_refused_without_a_word_of_it(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "0001.pem").write_bytes(content)
    (folder / "0001.pem").chmod(0o600)

    with pytest.raises(KeyringUnusable) as refused:
        Keyring(folder).current()

    assert "0001.pem" in str(refused.value)
    assert not content or content.decode() not in str(refused.value)


def test_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(KeyringUnusable, match="The keys that sign bundles are kept in"):
        Keyring(tmp_path / "file" / "keys").current()


def test_files_of_other_names_are_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "README").write_text("not a key")
    (folder / ".new-abc").write_text("a draft of a process that died")

    assert Keyring(folder).current().number == 1
    assert (folder / "README").exists()


def test_looking_makes_no_key_where_only_a_look_is_asked_for(folder: Path) -> None:
    assert Keyring(folder).peek() is None
    assert not folder.exists()
