"""Read the public keys that signatures are checked with: PEM, or the JSON of `/v1/keys/signing`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from affidavit.bundle.canonical import JsonError, load
from affidavit.bundle.envelope import key_id

MAX_KEY_FILE_BYTES = 1 << 20
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]*-----END PUBLIC KEY-----")
_SUFFIXES = {".pem", ".pub", ".key", ".json"}


class KeysUnusable(ValueError):
    """The keys cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, and since when it signs nothing more, if whoever published it said so."""

    public: Ed25519PublicKey
    retired_at: datetime | None = None


Keys = Mapping[str, TrustedKey]  # by `envelope.key_id`


def read_folder(folder: Path) -> Keys:
    """Return all keys in the files of a folder that are named .pem, .pub, .key or .json."""
    found: dict[str, TrustedKey] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.is_file():
            found |= read_file(path)
    if not found:
        raise KeysUnusable(f"There is no key in {folder}.")
    return found


def read_file(path: Path) -> Keys:
    """Return the keys in a file of PEM, or of the JSON of `/v1/keys/signing`."""
    with path.open("rb") as file:
        data = file.read(MAX_KEY_FILE_BYTES + 1)
    if len(data) > MAX_KEY_FILE_BYTES:
        raise KeysUnusable(f"{path}: it has more than {MAX_KEY_FILE_BYTES:,} bytes.")
    try:
        return parse(data)
    except KeysUnusable as unusable:
        raise KeysUnusable(f"{path}: {unusable}") from unusable


def parse(data: bytes) -> Keys:
    """Return the keys in PEM, or in the JSON of `/v1/keys/signing`."""
    if data.lstrip().startswith(b"{"):
        return _from_json(data)
    if b"PRIVATE KEY" in data:
        raise KeysUnusable("This is a private key. Keep it to yourself, and give the public one.")
    keys = [_public(block) for block in _PEM.findall(data)]
    if not keys:
        raise KeysUnusable("It holds neither PEM of a public key nor the JSON of /v1/keys/signing.")
    return {key_id(key): TrustedKey(key) for key in keys}


def _from_json(data: bytes) -> Keys:
    try:
        listed = load(data)["keys"]
        return dict(_listed(entry) for entry in listed)
    except (JsonError, KeyError, TypeError, AttributeError, ValueError) as wrong:
        if isinstance(wrong, KeysUnusable):
            raise
        raise KeysUnusable("It is not the JSON of /v1/keys/signing.") from wrong


def _listed(entry: Mapping[str, Any]) -> tuple[str, TrustedKey]:
    public = _public(entry["pem"].encode())
    if entry["key_id"] != key_id(public):
        raise KeysUnusable(f"The key {entry['key_id']} is not the one of that id.")
    retired = entry.get("retired_at")
    return entry["key_id"], TrustedKey(public, None if retired is None else _time(retired))


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time


def _public(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise KeysUnusable("It holds PEM of something else than a public key.") from wrong
    if not isinstance(key, Ed25519PublicKey):
        raise KeysUnusable("It holds a public key that is not Ed25519.")
    return key
