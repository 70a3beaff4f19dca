from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, running


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    # What a dropped user must pass through to its own folder.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    yield from running(database_url, redis_url, tmp_path)
