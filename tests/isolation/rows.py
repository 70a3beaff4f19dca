"""A row of each environment in every table that has an environment, whatever its columns are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg

MINE = "env_mine"
THEIRS = "env_theirs"

TENANT_TABLES = """
SELECT c.oid, c.oid::regclass::text AS name FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'environment_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 2
"""
NEEDED = """
SELECT attname AS name, atttypid::regtype::text AS type FROM pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''
"""
SAMPLES: dict[str, Any] = {
    "text": "sample",
    "integer": 1,
    "smallint": 1,
    "bigint": 1,
    "double precision": 1.0,
    "boolean": True,
    "bytea": b"sample",
    "text[]": ["sample"],
    "jsonb": "{}",
    "json": "{}",
    "timestamp with time zone": datetime(2026, 1, 1, tzinfo=UTC),
}


async def row_for(connection: Any, table: asyncpg.Record, environment_id: str) -> dict[str, Any]:
    """Return the least that a row of the table needs, unlike that of another environment."""
    row = {column["name"]: SAMPLES[column["type"]] for column in await connection.fetch(NEEDED, table["oid"])}
    unlike = {
        name: environment_id for name, value in row.items() if isinstance(value, str) and name != "parts"
    }
    return row | {name: value for name, value in unlike.items() if row[name] == "sample"}


async def insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


async def fill(url: str) -> list[str]:
    """Give both environments a row in every tenant table, and return the names of the tables.

    No trigger or foreign key has a say: what is tested is who sees the rows.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        tables = await connection.fetch(TENANT_TABLES)
        for table in tables:
            for environment_id in (MINE, THEIRS):
                await insert(connection, table["name"], await row_for(connection, table, environment_id))
        return [table["name"] for table in tables]
    finally:
        await connection.close()


async def contents(url: str) -> dict[str, list[str]]:
    """Return every row of every tenant table as text, as nobody but a superuser sees them."""
    connection = await asyncpg.connect(url)
    try:
        return {
            table["name"]: [
                row["row"]
                for row in await connection.fetch(f"SELECT t::text AS row FROM {table['name']} t ORDER BY 1")
            ]
            for table in await connection.fetch(TENANT_TABLES)
        }
    finally:
        await connection.close()
