"""Keep the private keys that sign bundles: files in one folder, and nowhere else.

The files are numbered, `0001.pem` and so on; the highest number signs. A number is taken by linking a
finished file to its name, which fails where the name exists: processes that start at once agree on one key.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

NAME: Final = re.compile(r"[0-9]{4,9}\.pem\Z")
MAX_BYTES: Final = 64 * 1024  # of a key file; one of ours has 119
OTHERS_MAY: Final = stat.S_IRWXO | stat.S_IWGRP  # a mounted secret is readable for its group
LOOKS: Final = 10  # a key that is replaced between the listing and the reading is looked for again


class KeyringUnusable(Exception):
    """No key can be had from the folder; the message says what to do, and never what is in a file."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs. `public` is the DER SubjectPublicKeyInfo, `key_id` its SHA-256 in hex."""

    key_id: str
    public: bytes
    created_at: datetime  # as the file system says
    number: int
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, content: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        return self._private.sign(content)


class Keyring:
    """The key of this machine. It signs with the key that it took last, and reads no file to do so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._current: SigningKey | None = None

    def current(self) -> SigningKey:
        """Return the key that signs; the first call reads it, and makes one where there is none.

        Raises KeyringUnusable.
        """
        if self._current is None:
            self._current = self.look()
        return self._current

    def look(self) -> SigningKey:
        """Return the newest key of the folder, which is not yet what signs. Raises KeyringUnusable."""
        for _ in range(LOOKS):
            try:
                number = self._newest()
                if number:
                    return _read(self.folder / file_name(number), number)
                self._link(new_private_key(), 1)
            except (FileNotFoundError, FileExistsError):
                continue
            except OSError as error:
                raise KeyringUnusable(_cannot(self.folder, error)) from None
        raise KeyringUnusable(f"The keys in {self.folder} change faster than they can be read.")

    def take(self, key: SigningKey) -> None:
        """Sign with this key from now on. Publish it first."""
        self._current = key

    def add(self, private: Ed25519PrivateKey) -> SigningKey:
        """Put a key into the folder as the newest one. Raises KeyringUnusable."""
        for _ in range(LOOKS):
            try:
                return self._link(private, self._newest() + 1)
            except FileExistsError:
                continue
            except OSError as error:
                raise KeyringUnusable(_cannot(self.folder, error)) from None
        raise KeyringUnusable(f"Somebody else puts keys into {self.folder}. Try again.")

    def forget_older(self, key: SigningKey) -> int:
        """Remove the private keys that came before this one, and return how many."""
        older = [number for number in self._numbers() if number < key.number]
        for number in older:
            with suppress(FileNotFoundError):
                (self.folder / file_name(number)).unlink()
        return len(older)

    def _numbers(self) -> list[int]:
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(name.removesuffix(".pem")) for name in names if NAME.match(name))

    def _newest(self) -> int:
        return max(self._numbers(), default=0)

    def _link(self, private: Ed25519PrivateKey, number: int) -> SigningKey:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / file_name(number)
        with NamedTemporaryFile(dir=self.folder, prefix=".new-") as draft:  # 0600 from the first byte
            draft.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            draft.flush()
            os.fsync(draft.fileno())
            os.link(draft.name, path)
        _sync(self.folder)
        return _read(path, number)


def file_name(number: int) -> str:
    """Return the name of the key file with this number."""
    return f"{number:04}.pem"


def new_private_key() -> Ed25519PrivateKey:
    """Make a key."""
    return Ed25519PrivateKey.generate()


def public_der(key: Ed25519PublicKey) -> bytes:
    """Return the DER SubjectPublicKeyInfo, 44 bytes."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id_of(public: bytes) -> str:
    """Return the id of a public key in DER: its SHA-256 in hex."""
    return hashlib.sha256(public).hexdigest()


def _read(path: Path, number: int) -> SigningKey:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = file.read(MAX_BYTES)
    if status.st_mode & OTHERS_MAY:
        raise KeyringUnusable(f"{path} is open to other users. Make it yours alone: chmod 600 {path}")
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyringUnusable(f"{path} is no private key in PEM (PKCS #8, without a password).") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyringUnusable(f"{path} is no Ed25519 key: openssl genpkey -algorithm ed25519")
    public = public_der(private.public_key())
    made = datetime.fromtimestamp(status.st_mtime, UTC)
    return SigningKey(key_id_of(public), public, made, number, private)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(folder: Path, error: OSError) -> str:
    return f"The keys that sign bundles are kept in {folder}: {error.strerror or 'it cannot be used'}."
