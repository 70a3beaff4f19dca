"""Signed statements: a DSSE envelope around an in-toto statement about the manifest of a bundle."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from affidavit.bundle.canonical import JsonError, canonical, load_canonical

BUNDLE = "urn:affidavit:bundle:1"
TOMBSTONE = "urn:affidavit:tombstone:1"
RECEIPT = "urn:affidavit:receipt:1"

MAX_ENVELOPE_BYTES = 1 << 20
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_SUBJECT = "manifest.json"


class Signer(Protocol):
    """A private key: `key_id` as of `key_id()`, and `sign`, which returns the 64 bytes of Ed25519."""

    @property
    def key_id(self) -> str: ...

    def sign(self, data: bytes, /) -> bytes: ...


class Signers(Protocol):
    """Who has the key of this moment: it may be another at the next."""

    def current(self) -> Signer: ...


class EnvelopeError(ValueError):
    """An envelope that cannot be trusted. `code`: ENVELOPE_INVALID, KEY_UNKNOWN or SIGNATURE_INVALID."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed: a predicate of some type about the manifest of this digest."""

    predicate_type: str
    manifest_sha256: str
    predicate: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope as it was read: nothing in it is trusted before `is_signed_by`."""

    payload: bytes
    key_id: str
    signature: bytes
    statement: Statement

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Tell whether the signature is this key's."""
        try:
            key.verify(self.signature, pae(self.payload))
        except InvalidSignature:
            return False
        return True


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a key: hex SHA-256 of its DER SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def statement(predicate_type: str, manifest_sha256: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return an in-toto statement about the manifest of that digest."""
    return {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": _SUBJECT, "digest": {"sha256": manifest_sha256}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def pae(payload: bytes) -> bytes:
    """Return what is signed for a payload: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def seal_envelope(statement: Mapping[str, Any], signer: Signer) -> bytes:
    """Return the bytes of the envelope around a statement, signed."""
    payload = canonical(dict(statement))
    return canonical(_members(_base64(payload), signer.key_id, _base64(signer.sign(pae(payload)))))


def open_envelope(data: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Statement:
    """Return the statement if one of the keys (by id) signed it, or raise `EnvelopeError`."""
    envelope = read_envelope(data)
    key = keys.get(envelope.key_id)
    if key is None:
        raise EnvelopeError("KEY_UNKNOWN", f"The key {envelope.key_id} is not one of those given.")
    if not envelope.is_signed_by(key):
        raise EnvelopeError("SIGNATURE_INVALID", f"The key {envelope.key_id} did not sign this.")
    return envelope.statement


def read_envelope(data: bytes) -> Envelope:
    """Return the envelope without checking its signature. Raise `EnvelopeError` if it is misspelled."""
    if len(data) > MAX_ENVELOPE_BYTES:
        raise _invalid("The envelope is too large.")
    try:
        value = load_canonical(data)
        match value:
            case {"payload": str(payload), "signatures": [{"keyid": str(key), "sig": str(sig)}]}:
                if value == _members(payload, key, sig):
                    carried = _bytes(payload)
                    return Envelope(carried, key, _bytes(sig), _statement(load_canonical(carried)))
    except JsonError as wrong:
        raise _invalid(f"The envelope or what it carries is spelled wrongly. {wrong}") from wrong
    raise _invalid("The envelope is not a DSSE envelope of an in-toto statement with one signature.")


def _members(payload: str, key: str, signature: str) -> dict[str, Any]:
    return {
        "payload": payload,
        "payloadType": _PAYLOAD_TYPE,
        "signatures": [{"keyid": key, "sig": signature}],
    }


def _statement(value: object) -> Statement:
    match value:
        case {
            "subject": [{"digest": {"sha256": str(digest)}}],
            "predicateType": str(kind),
            "predicate": dict(predicate),
        } if value == statement(kind, digest, predicate):
            return Statement(kind, digest, predicate)
    raise _invalid("The statement in the envelope is not an in-toto statement about one manifest.json.")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise _invalid("The envelope holds something that is not base64.") from wrong
    if _base64(data) != text:  # bits that decoding ignores
        raise _invalid("The envelope holds base64 that is not in its canonical form.")
    return data


def _invalid(message: str) -> EnvelopeError:
    return EnvelopeError("ENVELOPE_INVALID", message)
