"""Bundles that the tests of the page show: made here, so that what stands in them is known."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image, ImageDraw

from affidavit.bundle import envelope, merkle
from affidavit.bundle.canonical import canonical
from affidavit.bundle.container import Entry, Plan

WIDTH, HEIGHT = 300.0, 200.0
MEDIA_TYPES = {
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "webp": "image/webp",
    "pdf": "application/pdf",
}
JOB, BUNDLE = "job_0000000000000000000000000000", "ev_00000000000000000000000000000"
SEALED_AT = "2026-11-22T14:00:00.000000Z"


@dataclass(frozen=True)
class Key:
    """A key that signs, from a seed of one byte."""

    seed: int = 1

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes([self.seed]) * 32)

    @property
    def key_id(self) -> str:
        return envelope.key_id(self.private.public_key())

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)

    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Making:
    """What goes into a bundle; `artifacts` and `manifest` override what would be made."""

    markdown: str
    pages: list[dict[str, Any]]
    extraction: dict[str, Any]
    images: Mapping[int, bytes]
    name: str | None = "invoice.pdf"
    source: bytes = b"%PDF-1.7 the source"
    reviewed: dict[str, Any] | None = None
    key: Key = field(default_factory=Key)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    parent: dict[str, Any] | None = None

    def but(self, **changes: Any) -> Making:
        return replace(self, **changes)

    def contents(self) -> dict[str, bytes]:
        """Return the artifacts by name, in the order of the manifest."""
        document = {
            "media_type": "application/pdf",
            "page_count": len(self.pages),
            "pages": self.pages,
            "tables": [],
        }
        found = {
            "source/source.pdf": self.source,
            "document.md": self.markdown.encode(),
            "document.json": _json(document),
            "chunks.ndjson": b"".join(line + b"\n" for line in self.chunks()),
            "extraction.json": _json(self.extraction),
        }
        if self.reviewed is not None:
            found["reviewed.json"] = _json(self.reviewed)
        found["request.json"] = _json({"operation": self.extraction["operation"], "options": {}})
        found |= {f"pages/{n:04}.webp": data for n, data in self.images.items()}
        return found | self.artifacts

    def chunks(self) -> list[bytes]:
        lines = []
        for page in self.pages:
            for block in page["blocks"]:
                start, end = block["range"]
                words = [word for word in page["words"] if word["block"] == block["id"]]
                lines.append(
                    _chunk(block["id"], page["number"], [start, end], self.markdown[start:end], words)
                )
            loose = [word for word in page["words"] if word["block"] is None]
            if loose:
                lines.append(_chunk(None, page["number"], None, " ".join(w["text"] for w in loose), loose))
        return lines

    def seal(self) -> bytes:
        """Return the ZIP."""
        contents = self.contents()
        chunks = contents["chunks.ndjson"].splitlines()
        numbers = sorted(self.images)
        manifest = {
            "format": "affidavit-bundle/1",
            "bundle_id": BUNDLE,
            "job_id": JOB,
            "operation": self.extraction["operation"],
            "attempt": 1,
            "parent": self.parent,
            "times": {"submitted_at": "2026-11-22T13:59:58.000000Z", "sealed_at": SEALED_AT},
            "source": {
                "name": self.name,
                "url": None,
                "media_type": "application/pdf",
                "size": len(self.source),
                "sha256": _sha256(self.source),
            },
            "pages": {
                "total": len(self.pages),
                "included": _ranges(numbers),
                "failed": [],
                "without_image": "",
            },
            "options": {"pages": None, "password": None, "words": False},
            "engine": {
                "version": "0.1.0",
                "ocr": {"engines": [], "models": {}},
                "model": None,
                "components": {"pymupdf": "1.28.2"},
            },
            "chunks": {
                "artifact": "chunks.ndjson",
                "algorithm": "rfc6962-sha256",
                "count": len(chunks),
                "root": merkle.root(merkle.leaf_hash(line) for line in chunks).hex(),
            },
            "artifacts": [
                {
                    "name": name,
                    "media_type": MEDIA_TYPES[name.rpartition(".")[2]],
                    "size": len(data),
                    "sha256": _sha256(data),
                }
                for name, data in contents.items()
            ],
            "log": {"origin": "affidavit.test/log"},
        } | self.manifest
        sealed = canonical(manifest)
        said = envelope.statement(
            envelope.BUNDLE,
            _sha256(sealed),
            {"bundle_id": BUNDLE, "job_id": JOB, "sealed_at": SEALED_AT},
        )
        return packed(
            {
                "manifest.json": sealed,
                "manifest.dsse.json": envelope.seal_envelope(said, self.key),
                **contents,
            }
        )


def packed(contents: Mapping[str, bytes]) -> bytes:
    """Return the container of these files."""
    plan = Plan([Entry(name, len(data), zlib.crc32(data)) for name, data in contents.items()])
    body = b"".join(plan.head(n) + data for n, data in enumerate(contents.values()))
    return body + plan.tail()


def unpacked(bundle: bytes) -> dict[str, bytes]:
    """Return the files of a container that is as it should be."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def altered(bundle: bytes, name: str, change: Any) -> bytes:
    """Return the bundle with other contents in one of its files, in a container that is sound."""
    contents = unpacked(bundle)
    contents[name] = change(contents[name])
    return packed(contents)


def invoice(pages: int = 1) -> Making:
    """Return an invoice: three lines on each page, the total of the first page cited."""
    texts = [["Invoice number INV-1", "Total 2,290.45 EUR", "Thank you"] for _ in range(pages)]
    markdown, read = _lay_out(texts)
    total = cite(read[0], "2,290.45", "EUR")
    fields = {
        "number": filled("INV-1", 97, cite(read[0], "INV-1")),
        "total": filled(2290.45, 93, total, alternatives=[{"value": 22.0, "confidence": 8, "citations": []}]),
        "note": filled(None, 0),
    }
    extraction = result("extract") | {
        "data": {"number": "INV-1", "total": 2290.45, "note": None},
        "fields": fields,
        "confidence": 95,
    }
    return Making(markdown, read, extraction, {n + 1: picture(n + 1) for n in range(pages)})


def result(operation: str) -> dict[str, Any]:
    """Return a result that says nothing yet."""
    return {
        "operation": operation,
        "media_type": "application/pdf",
        "data": None,
        "fields": {},
        "ungrounded_fields": [],
        "schema_violations": [],
        "confidence": None,
        "completeness": {"ok": True, "failed_pages": [], "damaged_pages": [], "warnings": []},
        "warnings": [],
        "engine": {"version": "0.1.0", "ocr": {"engines": [], "models": {}}, "model": None},
        "usage": {"pages": 1},
    }


def filled(value: Any, confidence: int, *citations: dict[str, Any], alternatives: Sequence[Any] = ()) -> Any:
    """Return a field."""
    return {
        "value": value,
        "confidence": confidence,
        "citations": list(citations),
        "alternatives": list(alternatives),
    }


def cite(page: dict[str, Any], *texts: str, match: str = "exact") -> dict[str, Any]:
    """Return the citation of these words of a page."""
    words = [word for word in page["words"] if word["text"] in texts]
    boxes = [word["box"] for word in words]
    return {
        "page": page["number"],
        "box": [
            min(b[0] for b in boxes),
            min(b[1] for b in boxes),
            max(b[2] for b in boxes),
            max(b[3] for b in boxes),
        ],
        "words": [word["id"] for word in words],
        "range": [words[0]["range"][0], words[-1]["range"][1]],
        "quote": " ".join(word["text"] for word in words),
        "match": match,
    }


def picture(number: int) -> bytes:
    """Return the image of a page as WebP."""
    image = Image.new("RGB", (int(WIDTH), int(HEIGHT)), "white")
    ImageDraw.Draw(image).text((20, 160), f"page {number}", fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "WEBP")
    return buffer.getvalue()


def _lay_out(texts: Sequence[Sequence[str]]) -> tuple[str, list[dict[str, Any]]]:
    markdown, pages = "", []
    for number, lines in enumerate(texts, 1):
        page: dict[str, Any] = {
            "number": number,
            "width": WIDTH,
            "height": HEIGHT,
            "rotation": 0,
            "upright": 0,
            "dpi": 72.0,
            "source": "native",
            "blocks": [],
            "words": [],
        }
        for n, line in enumerate(lines):
            if markdown:
                markdown += "\n\n"
            start = len(markdown)
            for place, text in enumerate(line.split()):
                markdown += " " * (place > 0)
                page["words"].append(
                    {
                        "id": f"p{number}.w{len(page['words'])}",
                        "text": text,
                        "box": [20.0 + 80 * place, 20.0 + 30 * n, 90.0 + 80 * place, 35.0 + 30 * n],
                        "confidence": 1.0,
                        "line": f"p{number}.l{n}",
                        "block": f"p{number}.b{n}",
                        "range": [len(markdown), len(markdown) + len(text)],
                    }
                )
                markdown += text
            page["blocks"].append(
                {"id": f"p{number}.b{n}", "type": "paragraph", "range": [start, len(markdown)]}
            )
        pages.append(page)
    return markdown, pages


def _chunk(
    block: str | None, page: int, span: list[int] | None, text: str, words: Sequence[Mapping[str, Any]]
) -> bytes:
    said = [[word["id"], word["text"], word["box"]] for word in words]
    return _json({"block": block, "page": page, "range": span, "text": text, "words": said})


def _ranges(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else "".join(map(str, numbers))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
