"""Take one wall away, to see that the tests of this folder notice.

With AFFIDAVIT_TEST_CONTROL=forced-rls in the environment, they run without forced row-level security and
with the API's role as the owner of the tables, and must fail.
"""

from __future__ import annotations

import os

import asyncpg

from tests.isolation.rows import TENANT_TABLES

FORCED_RLS = "forced-rls"


def is_off(wall: str) -> bool:
    return os.environ.get("AFFIDAVIT_TEST_CONTROL") == wall


async def unforce(url: str) -> None:
    """Do what a careless administrator does: no FORCE, and the tables belong to the API's role."""
    connection = await asyncpg.connect(url)
    try:
        for row in await connection.fetch(TENANT_TABLES):
            await connection.execute(f"ALTER TABLE {row['name']} NO FORCE ROW LEVEL SECURITY")
            await connection.execute(f"ALTER TABLE {row['name']} OWNER TO affidavit_app")
    finally:
        await connection.close()
