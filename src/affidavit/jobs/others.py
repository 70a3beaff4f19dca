"""Put the pages of further documents where a child looks: what earlier jobs of the environment have read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from affidavit.engine.spec import Limits, Operation, Options, Spec, select_pages
from affidavit.infra.blobs import BlobMissing, BlobStore
from affidavit.infra.db import Database
from affidavit.jobs.claim import Claim
from affidavit.jobs.workspace import Workspace

# Of the same environment: whatever a job's parameters say, it sees no other's documents.
_JOBS: Final = """
SELECT j.id, j.spec, j.media_type, j.page_count, d.sha256
FROM jobs j JOIN documents d ON d.id = j.document_id AND d.environment_id = j.environment_id
WHERE j.environment_id = $1 AND j.id = ANY($2) AND j.page_count IS NOT NULL
  AND j.deleted_at IS NULL AND d.deleted_at IS NULL
"""

_PAGES: Final = """
SELECT page, sha256 FROM page_checkpoints
WHERE environment_id = $1 AND document_sha256 = $2 AND reading_key = $3
"""


async def put(
    db: Database,
    blobs: BlobStore,
    workspace: Workspace,
    held: Claim,
    job_ids: list[str],
    limits: Limits,
    engine_versions: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return what the request tells of each document, in the order asked for.

    Raises BlobMissing when one of them, or its pages, are no longer there.
    """
    found = {row["id"]: row for row in await db.fetch(_JOBS, held.environment_id, job_ids)}
    told = []
    for n, job_id in enumerate(job_ids):
        row = found.get(job_id)
        have = {} if row is None else await _pages(db, held, row, limits, engine_versions)
        folder = f"others-{n}"
        if row is None or not have or await workspace.put_pages(blobs, held.environment_id, have, folder):
            raise BlobMissing(job_id)
        about = {"media_type": row["media_type"], "page_count": row["page_count"]}
        told.append({**about, "folder": folder, "pages": sorted(have), "failed": []})
    return told


async def _pages(
    db: Database, held: Claim, row: asyncpg.Record, limits: Limits, engine_versions: Mapping[str, str]
) -> dict[int, str]:
    """Return the pages that were asked for then and are there now, each with its blob."""
    options = Options.model_validate(row["spec"].get("options", {}))
    key = Spec(operation=Operation.PARSE, options=options).reading_key(dict(engine_versions))
    rows = await db.fetch(_PAGES, held.environment_id, row["sha256"], key)
    pages = {page["page"]: page["sha256"] for page in rows}
    wanted = select_pages(options.pages, row["page_count"], limits.pages)
    return {number: pages[number] for number in wanted if number in pages}
