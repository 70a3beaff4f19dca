"""Make bundles with fixed keys, ids and times: from the description of the format, with no code of ours."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bundle.archive import RIGHT, Entry, Wrong, pack
from tests.bundle.paper import Paper, compact

BUNDLE = "urn:affidavit:bundle:1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SEALED_AT = "2026-01-02T03:04:06.000007Z"
ORIGIN = "vectors.affidavit.example/log"
ENGINE = {"version": "2026.11", "ocr": {"engines": [], "models": {}}, "model": None, "components": {}}
# A lossless WebP of 4 x 4 white pixels.
IMAGE = bytes.fromhex("524946461e000000574542505650384c110000002f03c0000007d0fffef7bfff8188e87f0000")


def private_key(name: str) -> Ed25519PrivateKey:
    """Return the same key for the same name: never to be used for anything but tests."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"affidavit {name}".encode()).digest())


KEY = private_key("vectors")
STRANGER = private_key("stranger")


def raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(key: Ed25519PrivateKey) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(der)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of RFC 6962, straight from its recursive definition."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_root(hashes[:k]) + tree_root(hashes[k:])).digest()


def tree_path(n: int, hashes: Sequence[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if n < k:
        return [*tree_path(n, hashes[:k]), tree_root(hashes[k:])]
    return [*tree_path(n - k, hashes[k:]), tree_root(hashes[:k])]


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


@dataclass(frozen=True)
class Artifact:
    name: str
    media_type: str
    data: bytes

    def listed(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "media_type": self.media_type,
            "size": len(self.data),
            "sha256": sha256(self.data),
        }


@dataclass(frozen=True)
class Draft:
    """What a bundle is made of. `manifest` is all of it but its artifacts; what is derived can be overruled.

    `statement` overrules members of the signed statement, `predicate` those of its predicate.
    """

    artifacts: tuple[Artifact, ...]
    manifest: Mapping[str, Any]
    signer: Ed25519PrivateKey = KEY
    statement: Mapping[str, Any] = field(default_factory=dict)
    predicate: Mapping[str, Any] = field(default_factory=dict)
    proofs: Mapping[str, bytes] = field(default_factory=dict)

    def manifest_bytes(self) -> bytes:
        return rfc8785.dumps(
            {"artifacts": [artifact.listed() for artifact in self.artifacts], **self.manifest}
        )

    def envelope(self) -> bytes:
        return envelope(rfc8785.dumps(self.signed_statement()), self.signer)

    def signed_statement(self) -> dict[str, Any]:
        predicate = {name: self.manifest[name] for name in ("bundle_id", "job_id")}
        predicate["sealed_at"] = self.manifest["times"]["sealed_at"]
        signed = statement(BUNDLE, sha256(self.manifest_bytes()), predicate | dict(self.predicate))
        return signed | dict(self.statement)

    def parts(self) -> list[tuple[str, bytes]]:
        return [
            ("manifest.json", self.manifest_bytes()),
            ("manifest.dsse.json", self.envelope()),
            *((artifact.name, artifact.data) for artifact in self.artifacts),
            *self.proofs.items(),
        ]

    def with_artifact(self, name: str, data: bytes) -> Draft:
        """Put other bytes behind a name, and have the manifest say so."""
        assert any(artifact.name == name for artifact in self.artifacts), name
        changed = tuple(replace(a, data=data) if a.name == name else a for a in self.artifacts)
        return replace(self, artifacts=changed)

    def artifact(self, name: str) -> bytes:
        return next(artifact.data for artifact in self.artifacts if artifact.name == name)

    def saying(self, **changes: Any) -> Draft:
        return replace(self, manifest={**self.manifest, **changes})

    def with_chunks(self, lines: bytes) -> Draft:
        """Put other chunks in, with their count and root."""
        leaves = [leaf(line) for line in lines.splitlines()]
        chunks = {**self.manifest["chunks"], "count": len(leaves), "root": tree_root(leaves).hex()}
        return self.with_artifact("chunks.ndjson", lines).saying(chunks=chunks)

    def zip(self, wrong: Wrong = RIGHT) -> bytes:
        return pack(entries(self.parts()), wrong)


def entries(parts: Sequence[tuple[str, bytes]]) -> list[Entry]:
    return [Entry(name.encode(), data) for name, data in parts]


def statement(kind: str, manifest_sha256: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "manifest.json", "digest": {"sha256": manifest_sha256}}],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def signature(payload: bytes, key: Ed25519PrivateKey, payload_type: str = PAYLOAD_TYPE) -> bytes:
    kind = payload_type.encode()
    return key.sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))


def envelope(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    signed = {"keyid": key_id(key), "sig": base64.b64encode(signature(payload, key)).decode()}
    return rfc8785.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [signed],
        }
    )


def draft(
    paper: Paper,
    extraction: Mapping[str, Any],
    *,
    name: str = "plain",
    source: Artifact | None = None,
    images: int = 0,
    files: Sequence[Artifact] = (),
    reviewed: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Draft:
    """Return the draft of a job's bundle. `images` is how many of the first pages have one."""
    source = source or Artifact("source/invoice.txt", "text/plain", paper.markdown.strip().encode())
    lines = paper.chunk_lines()
    leaves = [leaf(line) for line in lines.splitlines()]
    json_type = "application/json"
    artifacts = [
        source,
        Artifact("document.md", "text/markdown", paper.markdown.encode()),
        Artifact("document.json", json_type, compact(paper.document(source.media_type))),
        Artifact("chunks.ndjson", "application/x-ndjson", lines),
        Artifact("extraction.json", json_type, compact(extraction)),
    ]
    if reviewed is not None:
        artifacts.append(Artifact("reviewed.json", json_type, compact(reviewed)))
    artifacts.append(Artifact("request.json", json_type, compact({"operation": "extract", "options": {}})))
    artifacts.extend(files)
    artifacts.extend(Artifact(f"pages/{page:04d}.webp", "image/webp", IMAGE) for page in range(1, images + 1))
    manifest = {
        "format": "affidavit-bundle/1",
        "bundle_id": f"ev_vector_{name}",
        "job_id": f"job_vector_{name}",
        "operation": "extract",
        "attempt": 1,
        "parent": None,
        "times": {"submitted_at": "2026-01-02T03:04:05.000006Z", "sealed_at": SEALED_AT},
        "source": {
            "name": source.name.removeprefix("source/"),
            "url": None,
            "media_type": source.media_type,
            "size": len(source.data),
            "sha256": sha256(source.data),
        },
        "pages": {
            "total": paper.pages,
            "included": _pages(images),
            "failed": [],
            "without_image": "" if images else _pages(paper.pages),
        },
        "options": {},
        "engine": ENGINE,
        "chunks": {
            "artifact": "chunks.ndjson",
            "algorithm": "rfc6962-sha256",
            "count": len(leaves),
            "root": tree_root(leaves).hex(),
        },
        "log": {"origin": ORIGIN},
    }
    return Draft(tuple(artifacts), manifest | changes)


def _pages(images: int) -> str:
    return "" if images == 0 else "1" if images == 1 else f"1-{images}"


def checkpoint(root: bytes, size: int, key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> bytes:
    """Return a signed checkpoint (C2SP tlog-checkpoint)."""
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    known = hashlib.sha256(origin.encode() + b"\n\x01" + raw(key)).digest()[:4]
    signed = base64.b64encode(known + key.sign(body)).decode()
    return body + f"\n\N{EM DASH} {origin} {signed}\n".encode()


def log_proof(
    entry: bytes, n: int = 2, size: int = 7, key: Ed25519PrivateKey = KEY, origin: str = ORIGIN
) -> bytes:
    """Return the proof (C2SP tlog-proof) that a log of made-up neighbours has the entry at place `n`."""
    leaves = [leaf(entry if i == n else hashlib.sha256(struct.pack(">I", i)).digest()) for i in range(size)]
    lines = ["c2sp.org/tlog-proof@v1", f"index {n}"]
    lines += [base64.b64encode(node).decode() for node in tree_path(n, leaves)]
    return "\n".join(lines).encode() + b"\n\n" + checkpoint(tree_root(leaves), size, key, origin)


def logged(made: Draft, **given: Any) -> Draft:
    proof = log_proof(hashlib.sha256(made.manifest_bytes()).digest(), **given)
    return replace(made, proofs={"proofs/log.tlog-proof": proof, **made.proofs})
