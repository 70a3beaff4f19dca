"""Who is asking, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from affidavit.errors import Forbidden


class Scope(StrEnum):
    """What a key may do. A key without a scope is refused by name of the missing one."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    JOBS_REVIEW = "jobs:review"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    TEMPLATES_READ = "templates:read"
    TEMPLATES_WRITE = "templates:write"
    BUNDLES_READ = "bundles:read"
    BUNDLES_WRITE = "bundles:write"


@dataclass(frozen=True, slots=True)
class Principal:
    """The key that a request came with. Everything it sees and makes is in its environment."""

    environment_id: str
    key_id: str
    scopes: frozenset[str]

    def require(self, *scopes: Scope) -> None:
        """Raise Forbidden, naming the first of these scopes that the key lacks."""
        for scope in scopes:
            if scope not in self.scopes:
                raise Forbidden(scope)


def spell(scopes: Iterable[Scope]) -> list[str]:
    """Return the scopes as they are stored: text, sorted, each once."""
    return sorted({str(scope) for scope in scopes})
