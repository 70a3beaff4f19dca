"""What tests of custody share: the application in process, two environments, and a bundle in one of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from affidavit.evidence.sealing import SealedBundle
from tests.api.conftest import Api, anybody, api, database_url, module_database_url, other, settings
from tests.evidence.custody.rows import sealed_bundle

__all__ = ["anybody", "api", "database_url", "module_database_url", "other", "settings"]


@dataclass(frozen=True)
class Case:
    """A caller with a bundle. Its name is in every file of the bundle, and nowhere else."""

    api: Api
    environment_id: str
    key_id: str
    sealed: SealedBundle

    @property
    def id(self) -> str:
        return self.sealed.contents.bundle_id

    @property
    def path(self) -> str:
        return f"/v1/bundles/{self.id}"


@pytest.fixture
async def case(api: Api) -> Case:
    used = api.services
    principal = await used.accounts.authenticate(api.headers["Authorization"].removeprefix("Bearer "))
    sealed = await sealed_bundle(used.db, used.blobs, principal.environment_id, used.keyring.current())
    return Case(api, principal.environment_id, principal.key_id, sealed)
