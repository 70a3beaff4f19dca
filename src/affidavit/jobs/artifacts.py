"""Find the files that a job made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affidavit.infra.db import Database, scoped

_ONE: Final = scoped("""
SELECT a.name, a.media_type, a.size_bytes, a.sha256 FROM job_artifacts a
WHERE a.environment_id = scope.id AND a.job_id = $2 AND a.name = $3
""")


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """A file as the outside sees it. The hash names the blob."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


async def find(db: Database, environment_id: str, job_id: str, name: str) -> ArtifactView | None:
    """Return the file of that name, or None."""
    row = await db.fetch_row_in(environment_id, _ONE, job_id, name)
    return None if row is None else ArtifactView(**dict(row))
