"""Two environments on the real application: one has everything, the other asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from affidavit.settings import Settings
from tests.api.conftest import Api, Hand, running, settings_for
from tests.isolation import control
from tests.isolation.belongings import SECRET_WORD, Belongings, make

GENEROUS = {
    "rate_limit_per_second": 100_000,
    "poll_limit_per_second": 100_000.0,
    "model_url": "http://127.0.0.1:9/v1",  # so that no operation is refused for want of a model
    "model_names": ("none-there",),
}


@pytest.fixture
async def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    if control.is_off(control.FORCED_RLS):
        pytest.skip("the application refuses to start without forced row-level security")
    return settings_for(database_url, redis_url, tmp_path, **GENEROUS)


@pytest.fixture
async def anybody(settings: Settings) -> AsyncIterator[Api]:
    async with running(settings) as api:
        yield api


@pytest.fixture
async def owner(anybody: Api) -> Api:
    return await anybody.as_key("owner")


@pytest.fixture
async def stranger(anybody: Api) -> Api:
    return await anybody.as_key("stranger")


@pytest.fixture
async def theirs(anybody: Api, owner: Api) -> Belongings:
    """Give the owner's environment everything that can be asked for."""
    return await make(owner, Hand(anybody.services), SECRET_WORD)


@pytest.fixture
async def own(anybody: Api, stranger: Api, theirs: Belongings) -> Belongings:
    """Give the stranger things of its own, so that its lists are not empty."""
    return await make(stranger, Hand(anybody.services), "matterhorn")
