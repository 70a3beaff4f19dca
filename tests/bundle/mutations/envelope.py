"""Spell the envelope in other ways, and sign with other keys or nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import rfc8785

from tests.bundle.archive import pack
from tests.bundle.making import (
    PAYLOAD_TYPE,
    STRANGER,
    Draft,
    entries,
    envelope,
    key_id,
    private_key,
    signature,
)
from tests.bundle.mutations.one import Mutation, because

NAME = "manifest.dsse.json"
ORDER_OF_ED25519 = 2**252 + 27742317777372353535851937790883648493
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BAD, FORGED, UNKNOWN = "ENVELOPE_INVALID", "SIGNATURE_INVALID", "KEY_UNKNOWN"

Wrong = dict[str, tuple[Any, ...]]  # bytes, then the codes of the reasons against them


def of_the_envelope(draft: Draft) -> Iterator[Mutation]:
    """Put another envelope in."""
    good = draft.envelope()
    wrong = spelled_otherwise(good) | of_other_members(good) | signed_otherwise(draft) | saying_else(draft)
    for how, (changed, *codes) in wrong.items():
        assert changed != good, how
        parts = [(name, changed if name == NAME else data) for name, data in draft.parts()]
        yield Mutation(f"an envelope {how}", pack(entries(parts)), because(*codes), NAME)


def spelled_otherwise(good: bytes) -> Wrong:
    members = json.loads(good)
    backwards = json.dumps(dict(reversed(members.items())), separators=(",", ":")).encode()
    return {
        "with spaces in it": (json.dumps(members).encode(), BAD),
        "with a newline behind it": (good + b"\n", BAD),
        "with a space before it": (b" " + good, BAD),
        "with a byte order mark": (b"\xef\xbb\xbf" + good, BAD),
        "in UTF-16": (good.decode().encode("utf-16"), BAD),
        "with its members reordered": (backwards, BAD),
        "with escapes for letters": (good.replace(b'"payload"', b'"p\\u0061yload"'), BAD),
        "with a member twice": (good.replace(b'{"payload"', b'{"payload":"","payload"', 1), BAD),
        "that is a list": (b"[" + good + b"]", BAD),
        "that is null": (b"null", BAD),
        "that is no JSON": (b"signed, truly", BAD),
        "that is empty": (b"", BAD),
    }


def of_other_members(good: bytes) -> Wrong:
    members = json.loads(good)
    (signed,) = members["signatures"]
    stranger = json.loads(envelope(base64.b64decode(members["payload"]), STRANGER))["signatures"][0]
    changes: dict[str, dict[str, Any]] = {
        "with one more member": {"more": 1},
        "without its type": {"payloadType": None},
        "without a payload": {"payload": None},
        "without signatures": {"signatures": None},
        "with an empty list of signatures": {"signatures": []},
        "with a signature that is no list": {"signatures": signed},
        "with its signature twice": {"signatures": [signed, signed]},
        "with a stranger's signature behind": {"signatures": [signed, stranger]},
        "with a stranger's signature before": {"signatures": [stranger, signed]},
        "of another type": {"payloadType": "application/json"},
        "with its type in capitals": {"payloadType": PAYLOAD_TYPE.upper()},
        "with a space in the payload": {"payload": " " + members["payload"]},
        "with one more member in the signature": {"signatures": [signed | {"cert": ""}]},
        "without a keyid": {"signatures": [{"sig": signed["sig"]}]},
        "without a sig": {"signatures": [{"keyid": signed["keyid"]}]},
        "with a sig that is a number": {"signatures": [signed | {"sig": 5}]},
    }
    return {how: (_without_none(members | change), BAD) for how, change in changes.items()}


def signed_otherwise(draft: Draft) -> Wrong:
    members = json.loads(draft.envelope())
    payload = base64.b64decode(members["payload"])
    (signed,) = members["signatures"]
    spelled = signed["sig"]
    sig = base64.b64decode(spelled)
    higher = sig[:32] + (int.from_bytes(sig[32:], "little") + ORDER_OF_ED25519).to_bytes(32, "little")
    ids = {
        "with an empty keyid": ("", BAD, UNKNOWN),
        "with its keyid in capitals": (signed["keyid"].upper(), BAD, UNKNOWN),
        "with its keyid cut": (signed["keyid"][:16], BAD, UNKNOWN),
        "with a stranger's keyid": (key_id(STRANGER), UNKNOWN),
        "with the keyid of our next key": (key_id(private_key("vectors, the next")), FORGED),
    }
    sigs = {
        "with an empty sig": ("", BAD, FORGED),
        "with zeros for a sig": (_base64(bytes(64)), FORGED),
        "with a sig cut short": (_base64(sig[:63]), BAD, FORGED),
        "with a sig that is longer": (_base64(sig + b"\0"), BAD, FORGED),
        "with the order of the group added to the sig": (_base64(higher), FORGED),
        "with a sig over the payload alone": (_base64(draft.signer.sign(payload)), FORGED),
        "with a sig over another type": (_base64(signature(payload, draft.signer, "text/plain")), FORGED),
        "with a stranger's sig": (_base64(signature(payload, STRANGER)), FORGED),
        "with other base64 of the same sig": (_same_bytes(spelled), BAD),
        "with base64 for URLs": (_for_urls(spelled), BAD),
        "with base64 without padding": (spelled.rstrip("="), BAD),
        "with more padding": (spelled + "=", BAD),
        "with a newline in the base64": (spelled[:9] + "\n" + spelled[9:], BAD),
        "with hex for the sig": (sig.hex(), BAD, FORGED),
    }
    wrong: Wrong = {"signed by a stranger": (envelope(payload, STRANGER), UNKNOWN)}
    for member, changes in (("keyid", ids), ("sig", sigs)):
        for how, (value, *codes) in changes.items():
            wrong[how] = (_without_none(members | {"signatures": [signed | {member: value}]}), *codes)
    return wrong


def saying_else(draft: Draft) -> Wrong:
    """Change the signed statement, and keep the signature."""
    members = json.loads(draft.envelope())
    said = draft.signed_statement()
    (subject,) = said["subject"]
    changes: dict[str, dict[str, Any]] = {
        "about another manifest": {"subject": [subject | {"digest": {"sha256": "0" * 64}}]},
        "about another file": {"subject": [subject | {"name": "document.md"}]},
        "with another predicate": {
            "predicate": said["predicate"] | {"sealed_at": "2020-01-01T00:00:00.000000Z"}
        },
        "with no predicate": {"predicate": {}},
        "of a tombstone": {"predicateType": "urn:affidavit:tombstone:1"},
    }
    payloads = {how: rfc8785.dumps(said | change) for how, change in changes.items()}
    payloads |= {
        "around no JSON": b"hello",
        "around nothing": b"",
        "around spaces": json.dumps(said).encode(),
    }
    return {
        how: (_without_none(members | {"payload": _base64(payload)}), BAD, FORGED)
        for how, payload in payloads.items()
    }


def _without_none(members: dict[str, Any]) -> bytes:
    return rfc8785.dumps({name: value for name, value in members.items() if value is not None})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _same_bytes(spelled: str) -> str:
    """Change the bits of the last character that decoding ignores."""
    bare = spelled.rstrip("=")
    assert bare != spelled
    return bare[:-1] + ALPHABET[ALPHABET.index(bare[-1]) + 1] + spelled[len(bare) :]


def _for_urls(spelled: str) -> str:
    changed = spelled.replace("+", "-").replace("/", "_")
    return changed if changed != spelled else "-" + spelled[1:]
