"""The real application, as the tests of the API have it."""

from tests.api.conftest import (  # noqa: F401 - fixtures
    anybody,
    api,
    database_url,
    hand,
    module_database_url,
    other,
    settings,
)
