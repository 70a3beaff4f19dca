"""A stack of real processes for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import module_database_url
from tests.conftest import Servers
from tests.stack import Stack, running

__all__ = ["module_database_url"]


@pytest.fixture(scope="module")
def stack(
    module_database_url: str,
    servers: Servers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("real")
    with running(module_database_url, servers.redis_url, folder / "stack") as stack:
        stack.start_worker()
        stack.await_api()
        yield stack
