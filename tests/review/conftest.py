"""An API and a worker for all tests of reviews."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.site import Site, site_in


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_in(tmp_path_factory.mktemp("site")) as site:
        yield site
