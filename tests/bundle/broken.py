"""Bundles that the rightful key signed, and that are wrong all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import rfc8785

from tests.bundle.archive import pack
from tests.bundle.making import (
    ORIGIN,
    STRANGER,
    Artifact,
    Draft,
    entries,
    envelope,
    leaf,
    log_proof,
    logged,
    sha256,
    tree_root,
)
from tests.bundle.paper import compact
from tests.bundle.specimens import EXTRACTION, INVOICE, plain, reviewed, with_log_proof


@dataclass(frozen=True)
class Broken:
    """A bundle and the reason why it does not verify: a check of this code, about this entry or citation."""

    data: bytes
    code: str
    entry: str | None = None


def with_manifest(draft: Draft, data: bytes) -> bytes:
    """Return the bundle with these very bytes as its manifest, rightly signed."""
    told = {name: draft.manifest.get(name) for name in ("bundle_id", "job_id")}
    told["sealed_at"] = draft.manifest["times"]["sealed_at"]
    said = {**draft.signed_statement(), "predicate": told}
    said["subject"] = [{"name": "manifest.json", "digest": {"sha256": sha256(data)}}]
    signed = envelope(rfc8785.dumps(said), draft.signer)
    artifacts = [(artifact.name, artifact.data) for artifact in draft.artifacts]
    return pack(entries([("manifest.json", data), ("manifest.dsse.json", signed), *artifacts]))


def manifest_of(draft: Draft) -> dict[str, Any]:
    return json.loads(draft.manifest_bytes())


def manifests() -> dict[str, Broken]:
    """Return bundles whose manifest breaks a rule of its own."""
    made = plain()
    good, spelled = manifest_of(made), made.manifest_bytes()
    first = good["artifacts"][0]
    spellings = {
        "spaced": json.dumps(good).encode(),
        "newline": spelled + b"\n",
        "bom": b"\xef\xbb\xbf" + spelled,
        "key-twice": spelled.replace(b'"attempt":1', b'"attempt":1,"attempt":1'),
        "float": spelled.replace(b'"attempt":1', b'"attempt":1.0'),
        "exponent": spelled.replace(b'"attempt":1', b'"attempt":1e0'),
        "minus-zero": spelled.replace(b'"attempt":1', b'"attempt":-0'),
        "nan": spelled.replace(b'"attempt":1', b'"attempt":NaN'),
        "huge-number": spelled.replace(b'"attempt":1', b'"attempt":9007199254740993'),
        "surrogate": spelled.replace(b'"options":{}', b'"options":{"a":"\\ud800"}'),
        "escaped": spelled.replace(b'"operation"', b'"operatio\\u006e"'),
        "upper-case-escape": spelled.replace(b'"options":{}', b'"options":{"a":"\\u001F"}'),
        "not-utf8": spelled.replace(b'"options":{}', b'"options":{"a":"\xff"}'),
        "deep": spelled.replace(b'"options":{}', b'"options":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "list": b"[" + spelled + b"]",
        "null": b"null",
        "empty": b"",
    }
    changes: dict[str, dict[str, Any]] = {
        "other-format": {"format": "affidavit-bundle/2"},
        "more-members": {"more": 1},
        "attempt-text": {"attempt": "1"},
        "attempt-true": {"attempt": True},
        "artifacts-object": {"artifacts": {}},
        "artifact-more": {"artifacts": [first | {"more": 1}, *good["artifacts"][1:]]},
        "artifact-upper": {
            "artifacts": [first | {"sha256": first["sha256"].upper()}, *good["artifacts"][1:]]
        },
        "artifact-negative": {"artifacts": [first | {"size": -1}, *good["artifacts"][1:]]},
        "time-zone": {"times": {**good["times"], "sealed_at": "2026-01-02T03:04:06.000007+00:00"}},
        "time-impossible": {"times": {**good["times"], "submitted_at": "2026-13-02T03:04:06.000007Z"}},
        "time-short": {"times": {**good["times"], "submitted_at": "2026-01-02T03:04:06Z"}},
        "root-short": {"chunks": {**good["chunks"], "root": good["chunks"]["root"][:-2]}},
        "other-algorithm": {"chunks": {**good["chunks"], "algorithm": "sha256"}},
        "other-relation": {"parent": {"bundle_id": "ev_x", "manifest_sha256": "0" * 64, "relation": "copy"}},
        "parent-short": {"parent": {"bundle_id": "ev_x"}},
        "source-more": {"source": {**good["source"], "path": "/tmp/invoice.txt"}},
    }
    found = {
        f"manifest-{how}": Broken(with_manifest(made, data), "MANIFEST_INVALID", "manifest.json")
        for how, data in spellings.items()
    }
    for how, change in changes.items():
        data = with_manifest(made, rfc8785.dumps(good | change))
        found[f"manifest-{how}"] = Broken(data, "MANIFEST_INVALID", "manifest.json")
    for member in sorted(good):
        data = with_manifest(made, rfc8785.dumps({k: v for k, v in good.items() if k != member}))
        found[f"manifest-without-{member}"] = Broken(data, "MANIFEST_INVALID", "manifest.json")
    return found


def lists() -> dict[str, Broken]:
    """Return bundles whose manifest lists artifacts that a bundle cannot have, or not as it has them."""
    made = plain()
    by_name = {artifact.name: artifact for artifact in made.artifacts}
    page = made.artifacts[-1]
    note = Artifact("notes/a.txt", "text/plain", b"a")
    swapped = (made.artifacts[1], made.artifacts[0], *made.artifacts[2:])
    files = {
        "unknown-artifact": (*made.artifacts, note),
        "unknown-file": (*made.artifacts, Artifact("readme.txt", "text/plain", b"a")),
        "two-sources": (made.artifacts[0], Artifact("source/b.txt", "text/plain", b"b"), *made.artifacts[1:]),
        "other-order": swapped,
        "pages-backwards": (
            *made.artifacts[:-1],
            replace(made.artifacts[-1], name="pages/0002.webp"),
            made.artifacts[-1],
        ),
        "files-behind-pages": (*made.artifacts, Artifact("files/a.pdf", "application/pdf", b"a")),
        "page-named-otherwise": (*made.artifacts[:-1], replace(page, name="pages/1.webp")),
        "proof-among-artifacts": (*made.artifacts, Artifact("proofs/log.tlog-proof", "text/plain", b"a")),
        "artifact-twice": (*made.artifacts, made.artifacts[-1]),
    }
    for name in ("document.md", "document.json", "chunks.ndjson", "extraction.json", "request.json"):
        files[f"without-{name}"] = tuple(a for a in made.artifacts if a is not by_name[name])
    return {
        f"list-{how}": Broken(listing(made, artifacts), "MANIFEST_CONTRADICTS", "manifest.json")
        for how, artifacts in files.items()
    }


def listing(made: Draft, artifacts: Sequence[Artifact]) -> bytes:
    """Return a bundle whose manifest lists these, in a container that has each name once."""
    changed = replace(made, artifacts=tuple(artifacts))
    return pack(entries(list(dict(changed.parts()).items())))


def statements() -> dict[str, Broken]:
    """Return bundles whose signed statement says something else than the manifest."""
    made = plain()
    digest = sha256(made.manifest_bytes())
    subject = {"name": "manifest.json", "digest": {"sha256": digest}}
    invalid: dict[str, dict[str, Any]] = {
        "other-type": {"_type": "https://in-toto.io/Statement/v0.1"},
        "no-subject": {"subject": []},
        "two-subjects": {"subject": [subject, subject]},
        "other-subject": {"subject": [subject | {"name": "document.md"}]},
        "two-digests": {"subject": [subject | {"digest": {"sha256": digest, "sha512": "0" * 128}}]},
        "subject-more": {"subject": [subject | {"uri": "x"}]},
        "more": {"more": 1},
        "predicate-list": {"predicate": []},
    }
    subjects: dict[str, dict[str, Any]] = {
        "other-manifest": {"subject": [subject | {"digest": {"sha256": "0" * 64}}]},
        "digest-upper": {"subject": [subject | {"digest": {"sha256": digest.upper()}}]},
    }
    types: dict[str, dict[str, Any]] = {
        "of-a-tombstone": {"predicateType": "urn:affidavit:tombstone:1"},
        "of-a-receipt": {"predicateType": "urn:affidavit:receipt:1"},
        "of-version-2": {"predicateType": "urn:affidavit:bundle:2"},
    }
    predicates: dict[str, dict[str, Any]] = {
        "other-bundle": {"bundle_id": "ev_other"},
        "other-job": {"job_id": "job_other"},
        "other-time": {"sealed_at": "2026-01-02T03:04:06.000008Z"},
        "predicate-more": {"more": 1},
    }
    found = {how: (replace(made, statement=change), "ENVELOPE_INVALID") for how, change in invalid.items()}
    found |= {how: (replace(made, statement=change), "SUBJECT_WRONG") for how, change in subjects.items()}
    found |= {how: (replace(made, statement=change), "PREDICATE_WRONG") for how, change in types.items()}
    found |= {how: (replace(made, predicate=change), "PREDICATE_WRONG") for how, change in predicates.items()}
    loose = envelope(json.dumps(made.signed_statement()).encode(), made.signer)
    parts = [(name, loose if name == "manifest.dsse.json" else data) for name, data in made.parts()]
    spaced = {"statement-spaced": Broken(pack(entries(parts)), "ENVELOPE_INVALID", "manifest.dsse.json")}
    return spaced | {
        f"statement-{how}": Broken(draft.zip(), code, "manifest.dsse.json")
        for how, (draft, code) in found.items()
    }


def chunks() -> dict[str, Broken]:
    """Return bundles whose chunks are not of the document, or not under the root."""
    made = plain()
    lines = made.artifact("chunks.ndjson").splitlines(keepends=True)
    told = made.manifest["chunks"]
    first = json.loads(lines[0])
    swapped = b"".join([lines[1], lines[0], *lines[2:]])

    def with_first(**changes: Any) -> Draft:
        return made.with_chunks(b"".join([compact(first | changes) + b"\n", *lines[1:]]))

    def raw(line: bytes) -> Draft:
        return made.with_chunks(b"".join([line + b"\n", *lines[1:]]))

    leaves = [leaf(line[:-1]) for line in lines]
    other_root = {**told, "root": tree_root(leaves[:-1]).hex()}
    pairs: dict[str, tuple[Draft, str]] = {
        "root": (made.saying(chunks=other_root), "MERKLE_ROOT_WRONG"),
        "root-of-reordered": (made.with_artifact("chunks.ndjson", swapped), "MERKLE_ROOT_WRONG"),
        "count": (made.saying(chunks={**told, "count": 3}), "CHUNK_COUNT_WRONG"),
        "no-newline-at-end": (made.with_artifact("chunks.ndjson", b"".join(lines)[:-1]), "CHUNK_INVALID"),
        "text": (with_first(text="Invoice 4712"), "CHUNK_TEXT_WRONG"),
        "range": (with_first(range=[1, 13]), "CHUNK_TEXT_WRONG"),
        "range-past-the-end": (with_first(range=[0, 10**9]), "CHUNK_TEXT_WRONG"),
        "range-negative": (with_first(range=[-33, 12]), "CHUNK_TEXT_WRONG"),
        "range-backwards": (with_first(range=[12, 0], text=""), "CHUNK_TEXT_WRONG"),
        "range-float": (with_first(range=[0.0, 12.0]), "CHUNK_INVALID"),
        "range-true": (with_first(range=[False, 12]), "CHUNK_INVALID"),
        "more-members": (with_first(more=1), "CHUNK_INVALID"),
        "page-text": (with_first(page="1"), "CHUNK_INVALID"),
        "page-zero": (with_first(page=0), "CHUNK_INVALID"),
        "words-object": (with_first(words={}), "CHUNK_INVALID"),
        "word-short": (with_first(words=[["p1.w0", "Invoice"]]), "CHUNK_INVALID"),
        "box-of-four-characters": (with_first(words=[["p1.w0", "Invoice", 1.25]]), "CHUNK_INVALID"),
        "box-text": (with_first(words=[["p1.w0", "Invoice", "1234"]]), "CHUNK_INVALID"),
        "box-object": (
            with_first(words=[["p1.w0", "Invoice", {"a": 1, "b": 2, "c": 3, "d": 4}]]),
            "CHUNK_INVALID",
        ),
        "word-twice": (with_first(words=[*first["words"], first["words"][0]]), "CHUNK_INVALID"),
        "box-short": (with_first(words=[["p1.w0", "Invoice", [0, 0, 1]]]), "CHUNK_INVALID"),
        "key-twice": (raw(lines[0][:-1].replace(b'"page":1', b'"page":1,"page":1')), "CHUNK_INVALID"),
        "nan": (raw(lines[0][:-1].replace(b"56.5", b"NaN", 1)), "CHUNK_INVALID"),
        "infinity": (
            made.with_chunks(b"".join(lines).replace(b"141.0,99.25", b"1e999,99.25")),
            "CHUNK_INVALID",
        ),
        "not-json": (raw(b"Invoice 4711"), "CHUNK_INVALID"),
        "list": (raw(b"[]"), "CHUNK_INVALID"),
        "empty-line": (raw(b""), "CHUNK_INVALID"),
        "not-utf8": (raw(lines[0][:-1].replace(b"Invoice", b"Invo\xefce")), "CHUNK_INVALID"),
        "surrogate": (raw(lines[0][:-1].replace(b"Invoice", b"\\ud800")), "CHUNK_INVALID"),
        "deep": (raw(b'{"block":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "CHUNK_INVALID"),
    }
    return {
        f"chunks-{how}": Broken(draft.zip(), code, "chunks.ndjson") for how, (draft, code) in pairs.items()
    }


def citations() -> dict[str, Broken]:
    """Return bundles whose total cites words that do not bear it out."""
    good = EXTRACTION["fields"]["total"]["citations"][0]
    left, top, right, bottom = good["box"]
    start, end = good["range"]
    first, second = good["words"]
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "quote": ({"quote": "919.00 EUR"}, "QUOTE_WRONG"),
        "quote-longer": ({"quote": "Total: 119.00 EUR"}, "QUOTE_WRONG"),
        "quote-shorter": ({"quote": "119.00"}, "QUOTE_WRONG"),
        "quote-empty": ({"quote": ""}, "QUOTE_WRONG"),
        "quote-other-case": ({"quote": "119.00 eur"}, "QUOTE_WRONG"),
        "quote-number": ({"quote": 119}, "CITATION_INVALID"),
        "words-reordered": ({"words": [second, first]}, "QUOTE_WRONG"),
        "word-twice": ({"words": [first, first]}, "QUOTE_WRONG"),
        "word-left-out": ({"words": [first]}, "QUOTE_WRONG"),
        "word-unknown": ({"words": [first, "p1.w99"]}, "WORD_UNKNOWN"),
        "word-of-another-page": ({"words": [first, "p2.w4"]}, "WORD_UNKNOWN"),
        "page": ({"page": 2}, "PAGE_WRONG"),
        "page-text": ({"page": "1"}, "CITATION_INVALID"),
        "page-true": ({"page": True}, "CITATION_INVALID"),
        "box": ({"box": [left + 1, top, right, bottom]}, "BOX_WRONG"),
        "box-wider": ({"box": [left, top, right + 0.02, bottom]}, "BOX_WRONG"),
        "box-reversed": ({"box": [right, bottom, left, top]}, "BOX_WRONG"),
        "box-short": ({"box": [left, top, right]}, "CITATION_INVALID"),
        "box-infinite": ({"box": [left, top, right, 10**400]}, "CITATION_INVALID"),
        "range": ({"range": [start - 7, end - 7]}, "RANGE_WRONG"),
        "range-wider": ({"range": [start - 7, end]}, "RANGE_WRONG"),
        "range-past-the-end": ({"range": [start, 10**9]}, "RANGE_WRONG"),
        "range-backwards": ({"range": [end, start]}, "RANGE_WRONG"),
        "range-text": ({"range": "21-31"}, "CITATION_INVALID"),
        "match": ({"match": "surely"}, "CITATION_INVALID"),
        "words-null": ({"words": None}, "CITATION_INVALID"),
    }
    found = {}
    for how, (change, code) in wrong.items():
        changed = plain().with_artifact("extraction.json", compact(citing(EXTRACTION, good | change)))
        found[f"citation-{how}"] = Broken(changed.zip(), code, "c2")
    decision = json.loads(reviewed().artifact("reviewed.json"))
    decision["extraction"]["fields"]["total"]["citations"][0]["quote"] = "191.00"
    changed = reviewed().with_artifact("reviewed.json", compact(decision))
    return found | {"citation-of-a-review": Broken(changed.zip(), "QUOTE_WRONG", "r2")}


def citing(extraction: Mapping[str, Any], citation: Mapping[str, Any]) -> dict[str, Any]:
    total = {**extraction["fields"]["total"], "citations": [citation]}
    return {**extraction, "fields": {**extraction["fields"], "total": total}}


def texts() -> dict[str, Broken]:
    """Return bundles whose extraction or text cannot be read as what it must be."""
    made = plain()
    good = made.artifact("extraction.json")
    spellings: dict[str, Callable[[bytes], bytes]] = {
        "key-twice": lambda data: b'{"data":1,' + data[1:],
        "nan": lambda data: data.replace(b"97", b"NaN", 1),
        "infinity": lambda data: data.replace(b"97", b"-Infinity", 1),
        "not-utf8": lambda data: data.replace(b"Ink", b"\xff\xfe\xfd"),
        "utf16": lambda data: data.decode().encode("utf-16"),
        "deep": lambda data: data[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "list": lambda data: b"[" + data + b"]",
        "not-json": lambda _: b"total: 119",
        "empty": lambda _: b"",
        "cut": lambda data: data[:-1],
    }
    found = {
        f"extraction-{how}": Broken(
            made.with_artifact("extraction.json", spell(good)).zip(), "EXTRACTION_INVALID", "extraction.json"
        )
        for how, spell in spellings.items()
    }
    latin = made.with_artifact("document.md", made.artifact("document.md").replace(b"Ink", b"\xef\xf0k"))
    found["text-not-utf8"] = Broken(latin.zip(), "DOCUMENT_INVALID", "document.md")
    longer = made.with_artifact("document.md", b" " + made.artifact("document.md"))
    found["text-moved"] = Broken(longer.zip(), "CHUNK_TEXT_WRONG", "chunks.ndjson")
    source = {**made.manifest["source"], "sha256": "0" * 64}
    found["source-of-another-hash"] = Broken(made.saying(source=source).zip(), "MANIFEST_CONTRADICTS")
    source = {**made.manifest["source"], "size": 1}
    found["source-of-another-size"] = Broken(made.saying(source=source).zip(), "MANIFEST_CONTRADICTS")
    found["source-that-is-not-told"] = Broken(made.saying(source=None).zip(), "MANIFEST_CONTRADICTS")
    return found


def proofs() -> dict[str, Broken]:
    """Return bundles with a proof that is in order and not theirs."""
    made, name = with_log_proof(), "proofs/log.tlog-proof"
    other = plain()
    foreign = log_proof(bytes.fromhex(sha256(made.manifest_bytes())), origin="elsewhere.example/log")
    stranger = logged(replace(made, proofs={}), key=STRANGER, origin=ORIGIN)
    found = {
        "of-another-bundle": (replace(other, proofs=made.proofs), "LOG_ENTRY_NOT_INCLUDED"),
        "of-another-log": (replace(made, proofs={name: foreign}), "LOG_ORIGIN_OTHER"),
        "by-a-stranger": (stranger, "CHECKPOINT_KEY_UNKNOWN"),
    }
    return {f"proof-{how}": Broken(draft.zip(), code, name) for how, (draft, code) in found.items()}


def all_broken() -> dict[str, Broken]:
    return manifests() | lists() | statements() | chunks() | citations() | texts() | proofs()


assert INVOICE.pages == 1  # so that page 2 is one that is not there
