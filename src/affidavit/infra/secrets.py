"""Keep secrets that must be read again: sealed with AES-GCM under keys derived from one secret."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = b"\x01"
KEY_ID_BYTES = 4  # tells keys of one installation apart; says nothing about them
NONCE_BYTES = 12  # random: safe for 2**32 seals under one key (NIST SP 800-38D)
KEY_BYTES = 32
OVERHEAD_BYTES = len(VERSION) + KEY_ID_BYTES + NONCE_BYTES + 16  # and GCM's tag


class SecretUnreadable(Exception):
    """What was sealed cannot be opened: another secret key, another owner, or damage."""


def derive(secret_key: str, purpose: str, length: int = KEY_BYTES) -> bytes:
    """Derive a key for one purpose, such as the pepper of API keys, from the installation's secret.

    HKDF-SHA256 (RFC 5869). Keys of different purposes tell nothing about each other.
    """
    info = b"affidavit/" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret_key.encode())


class Vault:
    """Seal under the current secret key; open what it or an older one sealed.

    To rotate: put the new key first and the old one among `older`; seal again what is `stale`.
    """

    def __init__(self, current: str, *, older: Sequence[str] = ()) -> None:
        self._keys = {_key_id(secret): AESGCM(derive(secret, "seal")) for secret in (*older, current)}
        self._current = _key_id(current)

    def seal(self, plain: bytes, owner: str) -> bytes:
        """Encrypt for an owner, such as a job's id, and no other: a moved row does not open."""
        nonce = os.urandom(NONCE_BYTES)
        head = VERSION + self._current
        return head + nonce + self._keys[self._current].encrypt(nonce, plain, head + owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Decrypt what was sealed for that owner. Raises SecretUnreadable."""
        head, nonce, body = _parts(sealed)
        key = self._keys.get(head[len(VERSION) :])
        if key is None:
            raise SecretUnreadable("sealed under a secret key that is not configured")
        try:
            return key.decrypt(nonce, body, head + owner.encode())
        except InvalidTag:
            raise SecretUnreadable("damaged, or sealed for another owner") from None

    def is_stale(self, sealed: bytes) -> bool:
        """Tell whether it was sealed under an older key than the current one. Raises SecretUnreadable."""
        return _parts(sealed)[0] != VERSION + self._current


def _key_id(secret_key: str) -> bytes:
    return derive(secret_key, "key-id", KEY_ID_BYTES)


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    if len(sealed) < OVERHEAD_BYTES or not sealed.startswith(VERSION):
        raise SecretUnreadable("not sealed by this version")
    nonce_at = len(VERSION) + KEY_ID_BYTES
    body_at = nonce_at + NONCE_BYTES
    return sealed[:nonce_at], sealed[nonce_at:body_at], sealed[body_at:]
