"""One application for all tests of this folder's module."""

from __future__ import annotations

from tests.api.conftest import house, module_database_url, neighbour, tenant

__all__ = ["house", "module_database_url", "neighbour", "tenant"]
