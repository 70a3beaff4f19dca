"""Write and read checkpoints: how long a log was and what its root hash was, signed.

A checkpoint is a C2SP signed note (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint): a text
of three lines, an empty line, and a line for each signature. Ed25519 signatures alone are understood; those
of unknown keys, such as witnesses, are passed over.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from affidavit.bundle.envelope import Signer

ED25519: Final = b"\x01"  # the type of signature, signed-note
DASH: Final = "\u2014 "
MAX_BYTES: Final = 64 * 1024  # of a note: ten times what 16 signatures after quantum computers take
MAX_SIGNATURES: Final = 64
HASH_BYTES: Final = 32
_NAME: Final = re.compile(r"[^\s+]+\Z")
_SIZE: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)


class CheckpointError(Exception):
    """It is no checkpoint, or nobody that is known has signed it. `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, how many entries it has, the root hash over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint as it was read, and its signatures: name, key id of 4 bytes, signature."""

    checkpoint: Checkpoint
    text: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def signer(self, keys: Iterable[Ed25519PublicKey]) -> Ed25519PublicKey:
        """Return the key that signed as this log. Raises CheckpointError.

        A signature that names a known key and does not verify spoils the note, as signed-note says.
        """
        origin = self.checkpoint.origin
        known = {note_key_id(origin, raw_key(key)): key for key in keys}
        found = [(known[id_], sig) for name, id_, sig in self.signatures if name == origin and id_ in known]
        if not found:
            raise CheckpointError("CHECKPOINT_KEY_UNKNOWN", "None of the given keys signed the checkpoint.")
        for key, signature in found:
            try:
                key.verify(signature, self.text)
            except InvalidSignature:
                raise CheckpointError(
                    "CHECKPOINT_SIGNATURE_INVALID", "The checkpoint is not what was signed."
                ) from None
        return found[0][0]


def is_origin(text: str) -> bool:
    """Tell whether a log may be called this: no spaces, no plus, no control characters, 255 bytes."""
    return _NAME.match(text) is not None and text.isprintable() and len(text.encode()) <= 255


def raw_key(key: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key (RFC 8032)."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def note_key_id(name: str, public: bytes) -> bytes:
    """Return the 4 bytes under which a note names an Ed25519 key of 32 bytes."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def verifier_key(origin: str, public: bytes) -> str:
    """Return the key in the form that tools for notes take: name, id and key joined by plus."""
    return f"{origin}+{note_key_id(origin, public).hex()}+{encode(ED25519 + public)}"


def sign(checkpoint: Checkpoint, public: bytes, signer: Signer) -> str:
    """Return the signed note. `public` is the signer's public key in 32 bytes."""
    text = checkpoint.text()
    signature = note_key_id(checkpoint.origin, public) + signer.sign(text.encode())
    return f"{text}\n{DASH}{checkpoint.origin} {encode(signature)}\n"


def read_note(content: bytes) -> Note:
    """Read a signed note as a checkpoint; its signatures are not checked yet. Raises CheckpointError."""
    text, _, below = _decoded(content).rpartition("\n\n")
    lines = below.split("\n")
    if not below or lines.pop() or len(lines) > MAX_SIGNATURES:
        raise _malformed("has no signatures, too many, or no newline at its end")
    body = f"{text}\n"
    return Note(_read_text(body), body.encode(), tuple(_read_signature(line) for line in lines))


def encode(content: bytes) -> str:
    """Return the base64 of these bytes (RFC 4648, section 4)."""
    return base64.b64encode(content).decode()


def decode(text: str) -> bytes:
    """Return the bytes of base64 in its one canonical spelling. Raises ValueError."""
    content = base64.b64decode(text, validate=True)
    if encode(content) != text:
        raise ValueError("it is not the canonical base64 of its bytes")
    return content


def decode_hash(text: str) -> bytes:
    """Return 32 bytes that were spelled in base64. Raises ValueError."""
    content = decode(text)
    if len(content) != HASH_BYTES:
        raise ValueError("a hash has 32 bytes")
    return content


def read_size(text: str) -> int:
    """Read a decimal number without leading zeros, below 10**19. Raises ValueError."""
    if _SIZE.match(text) is None:
        raise ValueError("it is no decimal number without leading zeros")
    return int(text)


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _malformed("is too long")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _malformed("is not UTF-8") from None
    if any(char < " " and char != "\n" for char in text):
        raise _malformed("has control characters")
    return text


def _read_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]):
        raise _malformed("has not three lines that say something")
    origin, size, root = lines[:3]
    if not is_origin(origin):
        raise _malformed("has an origin with spaces, plus or control characters")
    try:
        return Checkpoint(origin, read_size(size), decode_hash(root))
    except ValueError:
        raise _malformed("has no size or no root hash in its second and third line") from None


def _read_signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    if not line.startswith(DASH) or _NAME.match(name) is None:
        raise _malformed("has a line below the text that is no signature")
    try:
        content = decode(encoded)
    except ValueError:
        raise _malformed("has a signature that is no base64") from None
    if len(content) <= 4:
        raise _malformed("has a signature that is too short")
    return name, content[:4], content[4:]


def _malformed(what: str) -> CheckpointError:
    return CheckpointError("CHECKPOINT_MALFORMED", f"The checkpoint {what}.")
