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
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
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
    """A key that signs. `public` is the DER SubjectPublicKeyInfo, `key_id` its SHA-256 in hex.

    `number` is that of its file, 0 where it has none.
    """

    key_id: str
    public: bytes
    created_at: datetime  # as the file system says
    number: int
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make a key, in memory alone."""
        return cls.of(Ed25519PrivateKey.generate(), datetime.now(UTC))

    @classmethod
    def of(cls, private: Ed25519PrivateKey, made: datetime, number: int = 0) -> Self:
        """Return the key with its public half."""
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(hashlib.sha256(public).hexdigest(), public, made, number, private)

    def sign(self, content: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        return self._private.sign(content)

    def public_pem(self) -> bytes:
        """Return the public key as PEM."""
        return self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def pem(self) -> bytes:
        """Return the private key as its file has it."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


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
        """Return the newest key of the folder, made if there is none; it does not sign yet.

        Raises KeyringUnusable.
        """
        for _ in range(LOOKS):
            found = self.peek()
            if found is not None:
                return found
            try:
                self._link(SigningKey.generate(), 1)
            except FileExistsError:
                continue
            except OSError as error:
                raise KeyringUnusable(_cannot(self.folder, error)) from None
        raise KeyringUnusable(_restless(self.folder))

    def peek(self) -> SigningKey | None:
        """Return the newest key of the folder, None when there is none. Raises KeyringUnusable."""
        for _ in range(LOOKS):
            try:
                number = self._newest()
                return _read(self.folder / file_name(number), number) if number else None
            except FileNotFoundError:
                continue
            except OSError as error:
                raise KeyringUnusable(_cannot(self.folder, error)) from None
        raise KeyringUnusable(_restless(self.folder))

    def take(self, key: SigningKey) -> None:
        """Sign with this key from now on. Publish it first."""
        self._current = key

    def add(self, key: SigningKey) -> SigningKey:
        """Put a key into the folder as the newest one; return it with its number. Raises KeyringUnusable."""
        for _ in range(LOOKS):
            try:
                return self._link(key, self._newest() + 1)
            except FileExistsError:
                continue
            except OSError as error:
                raise KeyringUnusable(_cannot(self.folder, error)) from None
        raise KeyringUnusable(_restless(self.folder))

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

    def _link(self, key: SigningKey, number: int) -> SigningKey:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / file_name(number)
        with NamedTemporaryFile(dir=self.folder, prefix=".new-") as draft:  # 0600 from the first byte
            draft.write(key.pem())
            draft.flush()
            os.fsync(draft.fileno())
            os.link(draft.name, path)
        _sync(self.folder)
        return _read(path, number)


def file_name(number: int) -> str:
    """Return the name of the key file with this number."""
    return f"{number:04}.pem"


def _read(path: Path, number: int) -> SigningKey:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = file.read(MAX_BYTES)
    if status.st_mode & OTHERS_MAY:
        raise KeyringUnusable(f"{path} is open to other users. Make it yours alone: chmod 600 {path}")
    if os.geteuid() not in {0, status.st_uid} and status.st_uid != 0:
        raise KeyringUnusable(f"{path} belongs to another user, who could have put it there. Take it over.")
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyringUnusable(f"{path} is no private key in PEM (PKCS #8, without a password).") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyringUnusable(f"{path} is no Ed25519 key: openssl genpkey -algorithm ed25519")
    return SigningKey.of(private, datetime.fromtimestamp(status.st_mtime, UTC), number)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _restless(folder: Path) -> str:
    return f"The keys in {folder} change faster than they can be read. Try again."


def _cannot(folder: Path, error: OSError) -> str:
    return f"The keys that sign bundles are kept in {folder}: {error.strerror or 'it cannot be used'}."
