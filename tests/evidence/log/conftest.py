"""One database for the tests of a module, emptied for each: making one takes longer than most of them."""

from __future__ import annotations

from tests.api.conftest import database_url, module_database_url

__all__ = ["database_url", "module_database_url"]
