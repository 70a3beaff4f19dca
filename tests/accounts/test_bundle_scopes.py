"""Keys that are older than bundles may do with them what they could do with what is in them."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.conftest import migrate

READ = {"jobs:read", "files:read"}
WRITE = {"jobs:write", "files:write"}
# What a key held, and what it gains.
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "reader": (READ, {"bundles:read"}),
    "all": (READ | WRITE, {"bundles:read", "bundles:write"}),
    "no files": ({"jobs:read"}, set()),
    "blind writer": (WRITE, set()),
    "other": ({"templates:read"}, set()),
}


def test_old_key_gains_the_scopes_that_it_could_make_up_for(empty_database_url: str) -> None:
    migrate(empty_database_url, "0009")
    asyncio.run(add_keys(empty_database_url))

    migrate(empty_database_url)

    expected = {name: sorted(held | gained) for name, (held, gained) in KEYS.items()}
    assert asyncio.run(scopes(empty_database_url)) == expected


async def add_keys(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("INSERT INTO environments (id, name) VALUES ('env_1', 'one')")
        for name, (held, _) in KEYS.items():
            await connection.execute(
                "INSERT INTO api_keys (id, environment_id, name, digest, last4, scopes) "
                "VALUES ($1, 'env_1', $1, '\\x00', '0000', $2)",
                name,
                sorted(held),
            )
    finally:
        await connection.close()


async def scopes(url: str) -> dict[str, list[str]]:
    connection = await asyncpg.connect(url)
    try:
        return {row["id"]: row["scopes"] for row in await connection.fetch("SELECT id, scopes FROM api_keys")}
    finally:
        await connection.close()
