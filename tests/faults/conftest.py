from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, running


@pytest.fixture
def stack(
    database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """Run an API; the settings of a test are its parameter."""
    with running(database_url, redis_url, tmp_path / "stack", **getattr(request, "param", {})) as stack:
        yield stack
