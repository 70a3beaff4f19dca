"""The floor of the API: a bare FastAPI application with one statement a request. Nothing is checked."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, Request

TABLE = """
CREATE SCHEMA IF NOT EXISTS floor;
CREATE TABLE IF NOT EXISTS floor.jobs (
    id text PRIMARY KEY,
    status text NOT NULL,
    spec jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
"""
INSERT = "INSERT INTO floor.jobs (id, status, spec) VALUES ($1, 'queued', $2)"
SELECT = "SELECT id, status, spec, created_at FROM floor.jobs WHERE id = $1"


def create_app(database_url: str, pool_size: int) -> FastAPI:
    """Return the application; its pool has as many connections as that of the API."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Without its reset, a pool sends nothing but the statement: a floor has no second round trip.
        async with asyncpg.create_pool(
            database_url, min_size=1, max_size=pool_size, reset=_keep_session
        ) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/jobs/{job_id}")
    async def show(job_id: str, request: Request) -> dict[str, object]:
        return dict(await request.app.state.pool.fetchrow(SELECT, job_id))

    @app.post("/jobs/{job_id}", status_code=202)
    async def submit(job_id: str, request: Request) -> dict[str, object]:
        spec = await request.body()
        await request.app.state.pool.execute(INSERT, job_id, spec.decode())  # its own transaction
        return {"id": job_id, "status": "queued"}

    return app


async def _keep_session(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    pass


def main() -> None:
    """Serve on loopback with the options that the API is served with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool-size", type=int, default=10)
    given = parser.parse_args()
    app = create_app(given.database_url, given.pool_size)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
