"""The text of an API key: `afd_<id>_<secret><checksum>`.

The prefix and the checksum let scanners recognise a leaked key, and let us turn away a mistyped
one without a look into the database. Only a keyed digest of the secret is ever stored.
"""

from __future__ import annotations

import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Final

from affidavit.infra.ids import ALPHABET, LENGTH, new_id

PREFIX: Final = "afd"
ID_PREFIX: Final = "key"
SECRET_BYTES: Final = 20  # 160 bits: a fast hash is enough for a secret that nobody can guess
SECRET_CHARS: Final = SECRET_BYTES * 8 // 5
CHECKSUM_CHARS: Final = 7  # 32 bits in base32

_TEXT = re.compile(
    rf"{PREFIX}_([{ALPHABET}]{{{LENGTH}}})_([{ALPHABET}]{{{SECRET_CHARS}}})([{ALPHABET}]{{{CHECKSUM_CHARS}}})"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key in its parts: the id that it is stored under, and the secret that proves it."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """Return what the caller sends. It is shown once, when the key is made."""
        body = f"{PREFIX}_{self.id.removeprefix(ID_PREFIX + '_')}_{self.secret}"
        return body + _checksum(body)

    def digest(self, pepper: bytes) -> bytes:
        """Return what is stored of the secret: HMAC-SHA256 under the installation's pepper."""
        return hmac.digest(pepper, self.secret.encode(), "sha256")


def make() -> Key:
    """Make a new key with a new id."""
    secret = int.from_bytes(secrets.token_bytes(SECRET_BYTES))
    return Key(new_id(ID_PREFIX), _base32(secret, SECRET_CHARS))


def parse(text: str) -> Key | None:
    """Take a key apart; None when it is mistyped or no key at all."""
    found = _TEXT.fullmatch(text)
    if found is None or _checksum(text[:-CHECKSUM_CHARS]) != found[3]:
        return None
    return Key(f"{ID_PREFIX}_{found[1]}", found[2])


def _checksum(body: str) -> str:
    return _base32(zlib.crc32(body.encode()), CHECKSUM_CHARS)


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[number >> shift & 31] for shift in range(5 * (length - 1), -1, -5))
