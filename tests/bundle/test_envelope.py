"""Only the exact envelope that a key signed is opened."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from affidavit.bundle import envelope
from affidavit.bundle.canonical import canonical
from affidavit.bundle.envelope import BUNDLE, EnvelopeError, open_envelope, read_envelope, seal_envelope
from tests.bundle import making

DIGEST = "ab" * 32
STATEMENT = envelope.statement(BUNDLE, DIGEST, {"bundle_id": "ev_1"})


class Key:
    def __init__(self, private: Ed25519PrivateKey) -> None:
        self.private = private
        self.key_id = envelope.key_id(private.public_key())

    def sign(self, data: bytes, /) -> bytes:
        return self.private.sign(data)


KEY = Key(making.KEY)
KEYS: dict[str, Ed25519PublicKey] = {KEY.key_id: making.KEY.public_key()}
SEALED = seal_envelope(STATEMENT, KEY)


def refusal(data: bytes) -> str:
    with pytest.raises(EnvelopeError) as refused:
        open_envelope(data, KEYS)
    return refused.value.code


def resigned(payload: bytes) -> bytes:
    return making.envelope(payload, making.KEY)


def test_sealed_statement_is_opened_with_its_key() -> None:
    opened = open_envelope(SEALED, KEYS)
    assert (opened.predicate_type, opened.manifest_sha256) == (BUNDLE, DIGEST)
    assert opened.predicate == {"bundle_id": "ev_1"}


def test_envelope_is_the_one_that_is_built_from_the_description() -> None:
    assert resigned(canonical(STATEMENT)) == SEALED


def test_encoding_before_signing_is_the_one_of_dsse() -> None:
    assert envelope.pae(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


@pytest.mark.parametrize("bit", [0, 5, 7])
def test_no_bit_of_an_envelope_can_be_changed(bit: int) -> None:
    for place in range(len(SEALED)):
        changed = bytearray(SEALED)
        changed[place] ^= 1 << bit
        refusal(bytes(changed))


def test_key_that_is_not_given_is_unknown() -> None:
    other = Key(making.STRANGER)
    assert refusal(seal_envelope(STATEMENT, other)) == "KEY_UNKNOWN"


def test_signature_of_another_key_under_a_known_id_is_invalid() -> None:
    forged = Key(making.STRANGER)
    forged.key_id = KEY.key_id
    assert refusal(seal_envelope(STATEMENT, forged)) == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "statement",
    [
        {**STATEMENT, "_type": "https://in-toto.io/Statement/v0.1"},
        {**STATEMENT, "more": 1},
        {**STATEMENT, "predicate": []},
        {**STATEMENT, "subject": STATEMENT["subject"] * 2},
        {**STATEMENT, "subject": []},
        {**STATEMENT, "subject": [{"name": "document.md", "digest": {"sha256": DIGEST}}]},
        {**STATEMENT, "subject": [{"name": "manifest.json", "digest": {"sha512": DIGEST}}]},
        {name: value for name, value in STATEMENT.items() if name != "predicate"},
        [],
    ],
    ids=range(9),
)
def test_signed_statement_of_another_shape_is_refused(statement: object) -> None:
    assert refusal(resigned(canonical(statement))) == "ENVELOPE_INVALID"


def test_signed_statement_that_is_not_canonical_is_refused() -> None:
    assert refusal(resigned(json.dumps(STATEMENT).encode())) == "ENVELOPE_INVALID"


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"signatures": []},
        {"signatures": json.loads(SEALED)["signatures"] * 2},
        {"payload": json.loads(SEALED)["payload"] + "\n"},
        {"payload": base64.urlsafe_b64encode(b"\xff\xfe").decode()},
        {"more": 1},
    ],
    ids=range(6),
)
def test_envelope_of_another_shape_is_refused(change: dict[str, object]) -> None:
    assert refusal(canonical({**json.loads(SEALED), **change})) == "ENVELOPE_INVALID"


def test_envelope_beyond_its_limit_is_refused() -> None:
    assert refusal(SEALED + b" " * envelope.MAX_ENVELOPE_BYTES) == "ENVELOPE_INVALID"


def test_reading_trusts_nothing() -> None:
    found = read_envelope(SEALED)
    assert found.is_signed_by(making.KEY.public_key())
    assert not found.is_signed_by(making.STRANGER.public_key())
