"""docs/operations.md is true: what it says of backups, restores and upgrades is done here."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from affidavit.infra.binaries import locate
from affidavit.infra.connections import Role
from affidavit.infra.db import Database
from affidavit.infra.embedded import EmbeddedServers
from tests.conftest import execute, named
from tests.documents import text_pdf
from tests.stack import SECRET_KEY, Stack, running, until

PROGRAMS = locate(readable_by_all=False).initdb.parent


def program(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(PROGRAMS / name), *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def back_up(stack: Stack, into: Path) -> None:
    """Do what docs/operations.md says, in its order: rows, then blobs."""
    into.mkdir()
    program("pg_dump", "--format=custom", f"--file={into / 'rows.dump'}", f"--dbname={stack.database_url}")
    shutil.copytree(stack.folder / "blobs", into / "blobs", ignore=shutil.ignore_patterns("staging"))


def restore(backup: Path, servers: EmbeddedServers, folder: Path) -> str:
    """Do what docs/operations.md says, and return the URL of the database."""
    url = named(servers.database_url, "restored")
    asyncio.run(execute(servers.database_url, "CREATE DATABASE restored TEMPLATE template0"))
    for role in Role:
        asyncio.run(execute(url, f"CREATE ROLE {role} NOLOGIN"))
    program("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={url}", str(backup / "rows.dump"))
    shutil.copytree(backup / "blobs", folder / "blobs")
    return url


@contextmanager
def load(stack: Stack) -> Iterator[list[str]]:
    """Submit jobs one after another while the block runs; give the ids of those that were accepted."""
    stop, accepted = threading.Event(), list[str]()

    def submit() -> None:
        with httpx.Client(base_url=stack.url, headers=dict(stack.client.headers), timeout=60) as client:
            while not stop.is_set():
                file = {"file": ("a.pdf", text_pdf(f"Document {len(accepted)}"))}
                answer = client.post("/v1/parse", files=file).raise_for_status()
                accepted.append(answer.json()["id"])

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield accepted
    finally:
        stop.set()
        thread.join()


def check(url: str, redis_url: str, folder: Path) -> tuple[int, str]:
    """Run `affidavit check`: read every blob that a row names."""
    environment = {
        "AFFIDAVIT_DATABASE_URL": url,
        "AFFIDAVIT_REDIS_URL": redis_url,
        "AFFIDAVIT_SECRET_KEY": SECRET_KEY,
        "AFFIDAVIT_DATA_DIR": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "affidavit.cli", "check"],
        check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout


def test_backup_under_load_restores_every_job_and_every_byte_that_its_rows_name(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with running(database_url, redis_url, tmp_path / "first") as first:
        first.start_worker()
        old = first.submit(text_pdf("An old document"))
        first.await_end(old)
        result = first.client.get(f"/v1/jobs/{old}/result").content
        with load(first) as accepted:
            until(lambda: len(accepted) > 3, "a load")
            back_up(first, tmp_path / "backup")
            at_backup = len(accepted)
        key = first.client.headers["Authorization"]

    folder = tmp_path / "second"
    folder.mkdir()
    with EmbeddedServers(tmp_path / "servers") as servers:
        url = restore(tmp_path / "backup", servers, folder)
        status, said = check(url, servers.redis_url, folder)
        assert status == 0, said
        with running(url, servers.redis_url, folder) as second:
            second.client.headers["Authorization"] = key
            second.await_api()
            assert second.client.get(f"/v1/jobs/{old}/result").content == result
            second.start_worker()
            unfinished = "SELECT count(*) AS n FROM jobs WHERE status IN ('queued', 'processing')"
            until(lambda: second.rows(unfinished)[0]["n"] == 0, "the end of all that was in the backup")
            kept = {row["id"]: row["status"] for row in second.rows("SELECT id, status FROM jobs")}
        assert set(kept.values()) == {"completed"}
        # What was accepted before the dump began is in it; at most those after it are missing, and are
        # known by their ids to whoever submitted them.
        assert len(kept) >= 4
        assert kept.keys() <= {old, *accepted[: at_backup + 1]}
        lose_a_result(url, servers.redis_url, folder)


def lose_a_result(url: str, redis_url: str, folder: Path) -> None:
    """Lose a blob: the check that follows a restore names it and whose it is."""
    (job,) = asyncio.run(fetch(url, "SELECT id, environment_id, result_sha256 AS sha256 FROM jobs LIMIT 1"))
    (lost,) = (folder / "blobs").rglob(str(job["sha256"]))
    lost.unlink()
    status, said = check(url, redis_url, folder)
    assert status == 1
    (line,) = [line for line in said.splitlines() if str(job["sha256"]) in line]
    assert line.startswith("missing")
    assert str(job["id"]) in line


async def fetch(url: str, statement: str) -> list[dict[str, object]]:
    db = Database(url, pool_size=1)
    await db.open()
    try:
        return [dict(row) for row in await db.fetch(statement)]
    finally:
        await db.close()


DUMP_AS_SYSTEM = ("--role=affidavit_system", "--enable-row-security")


def test_dump_as_the_system_role_has_the_rows_and_one_that_sees_a_part_of_them_fails(
    database_url: str, tmp_path: Path
) -> None:
    asyncio.run(execute(database_url, INSERT_JOB))
    dump = tmp_path / "jobs.sql"
    program("pg_dump", *DUMP_AS_SYSTEM, "--table=jobs", f"--file={dump}", f"--dbname={database_url}")
    assert "job_of_a_backup" in dump.read_text()
    with pytest.raises(AssertionError, match="row-level security"):
        program("pg_dump", DUMP_AS_SYSTEM[0], "--table=jobs", f"--dbname={database_url}")


INSERT_JOB = """
INSERT INTO jobs (id, environment_id, operation, status)
VALUES ('job_of_a_backup', 'env_1', 'parse', 'queued')
"""


def test_old_version_works_on_beside_the_schema_of_the_next(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """An upgrade adds first: what runs while the migration is done must not notice it."""
    with running(database_url, redis_url, tmp_path / "stack") as stack:
        stack.start_worker()
        stack.await_end(stack.submit(text_pdf("Before")))
        for statement in EXPANSION:
            asyncio.run(execute(database_url, statement))
        job = stack.await_end(stack.submit(text_pdf("During")))
        assert job["status"] == "completed"


# What a migration that only adds may do, on the tables that every job goes through.
EXPANSION = (
    "ALTER TABLE jobs ADD COLUMN of_the_next_version text DEFAULT 'x'",
    "ALTER TABLE job_tasks ADD COLUMN of_the_next_version integer",
    "ALTER TABLE documents ADD COLUMN of_the_next_version jsonb NOT NULL DEFAULT '{}'",
    "CREATE INDEX CONCURRENTLY ix_of_the_next_version ON jobs (of_the_next_version)",
)
