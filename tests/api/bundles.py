"""Bundles that are sealed by hand: what a worker would seal, of a page of a few words."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import zstandard

from affidavit.bundle import merkle
from affidavit.documents import references
from affidavit.evidence import repository
from affidavit.evidence.manifest import (
    Artifact,
    Chunks,
    Contents,
    Encoding,
    Pages,
    Parent,
    Relation,
    SourceFile,
)
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.infra.ids import new_id
from tests.api.conftest import Api

AT = datetime(2026, 3, 14, 9, 27, 4, 120871, UTC)
SOURCE = b"%PDF-1.7 the invoice as it came"
MARKDOWN = "# Invoice 4711\n\nTotal due: 2,290.45 EUR\n"
WORDS = [
    ["p1.w1", "Invoice", [50.0, 60.0, 110.0, 78.0]],
    ["p1.w2", "4711", [115.0, 60.0, 150.0, 78.0]],
    ["p1.w3", "Total", [50.0, 100.0, 80.0, 112.0]],
    ["p1.w4", "due:", [84.0, 100.0, 108.0, 112.0]],
    ["p1.w5", "2,290.45", [112.0, 100.0, 160.0, 112.0]],
    ["p1.w6", "EUR", [164.0, 100.0, 186.0, 112.0]],
]
CHUNKS = [
    {"block": "p1.b1", "page": 1, "range": [0, 14], "text": MARKDOWN[0:14], "words": WORDS[:2]},
    {"block": "p1.b2", "page": 1, "range": [16, 39], "text": MARKDOWN[16:39], "words": WORDS[2:]},
]
NUMBER = {
    "page": 1,
    "box": [115.0, 60.0, 150.0, 78.0],
    "words": ["p1.w2"],
    "range": [10, 14],
    "quote": "4711",
    "match": "exact",
}
TOTAL = {
    "page": 1,
    "box": [112.0, 100.0, 160.0, 112.0],
    "words": ["p1.w5"],
    "range": [27, 35],
    "quote": "2,290.45",
    "match": "normalized",
}


def extraction(total: float = 2290.45, **changes: Any) -> dict[str, Any]:
    return {
        "media_type": "application/pdf",
        "data": {"number": "4711", "total": total},
        "fields": {
            "number": {"value": "4711", "confidence": 99, "citations": [NUMBER], "alternatives": []},
            "total": {"value": total, "confidence": 97, "citations": [TOTAL], "alternatives": []},
        },
        "ungrounded_fields": [],
        **changes,
    }


@dataclass
class Sealer:
    """Seals bundles for the environment of a caller."""

    api: Api

    async def environment(self) -> str:
        key = self.api.headers["Authorization"].removeprefix("Bearer ")
        return (await self.api.services.accounts.authenticate(key)).environment_id

    async def seal(
        self,
        *,
        extracted: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        parent: SealedBundle | None = None,
        relation: Relation = Relation.RERUN,
        job_id: str | None = None,
        chunks: list[dict[str, Any]] | None = None,
        pages: int = 1,
        image: bytes = b"RIFF a picture of a page",
        raw: Mapping[str, bytes] | None = None,
    ) -> SealedBundle:
        """Put the files, seal them and write the bundle; `files` come beside the usual, `raw` instead."""
        environment = await self.environment()
        lines = [_line(chunk) for chunk in (CHUNKS if chunks is None else chunks)]
        contents: dict[str, tuple[str, bytes, Encoding]] = {
            "source/invoice.pdf": ("application/pdf", SOURCE, Encoding.IDENTITY),
            "document.md": ("text/markdown", MARKDOWN.encode(), Encoding.ZSTD),
            "document.json": ("application/json", b'{"page_count":1,"pages":[],"tables":[]}', Encoding.ZSTD),
            "chunks.ndjson": (
                "application/x-ndjson",
                b"".join(line + b"\n" for line in lines),
                Encoding.ZSTD,
            ),
            "extraction.json": ("application/json", _line(extracted or extraction()), Encoding.ZSTD),
            **{name: ("application/json", data, Encoding.ZSTD) for name, data in (files or {}).items()},
            "request.json": ("application/json", b'{"operation":"extract"}', Encoding.ZSTD),
            **{
                f"pages/{n:04d}.webp": ("image/webp", image + b"%d" % n, Encoding.IDENTITY)
                for n in range(1, pages + 1)
            },
        }
        for name, data in (raw or {}).items():
            contents[name] = (contents[name][0], data, contents[name][2])
        artifacts = [await self._put(environment, name, *content) for name, content in contents.items()]
        sealed = seal(
            Contents(
                bundle_id=new_id("ev"),
                environment_id=environment,
                job_id=job_id or new_id("job"),
                operation="extract",
                attempt=1,
                parent=None
                if parent is None
                else Parent(parent.contents.bundle_id, parent.manifest_sha256, relation),
                submitted_at=AT,
                sealed_at=AT,
                source=SourceFile(
                    "invoice.pdf", None, "application/pdf", len(SOURCE), hashlib.sha256(SOURCE).hexdigest()
                ),
                pages=Pages(pages, f"1-{pages}" if pages > 1 else "1"),
                options={},
                engine={"version": "1"},
                chunks=Chunks(len(lines), merkle.root([merkle.leaf_hash(line) for line in lines]).hex()),
                artifacts=artifacts,
                log_origin="affidavit.test/log",
            ),
            self.api.services.keyring.current(),
        )
        async with self.api.services.db.begin(environment) as session:
            await repository.add(session, sealed)
            await references.add(
                session, environment, sealed.contents.bundle_id, [each.blob_sha256 for each in artifacts]
            )
        return sealed

    async def _put(
        self, environment: str, name: str, media_type: str, data: bytes, encoding: Encoding
    ) -> Artifact:
        stored = zstandard.compress(data) if encoding is Encoding.ZSTD else data
        return Artifact(
            name,
            media_type,
            len(data),
            hashlib.sha256(data).hexdigest(),
            zlib.crc32(data),
            await self.api.services.blobs.put_bytes(environment, stored),
            encoding,
        )


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
