from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.site import Site, site_in
from tests.stack import Stack, running


@pytest.fixture
def stack(
    database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """Run an API; the settings of a test are its parameter."""
    with running(database_url, redis_url, tmp_path / "stack", **getattr(request, "param", {})) as stack:
        yield stack


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run an API and a worker for all tests of a file: each leaves it as sound as it was."""
    with site_in(tmp_path_factory.mktemp("site")) as site:
        yield site
