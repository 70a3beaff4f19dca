"""Look at Postgres: what it is, what it does with a commit, its clock, its rows and its room."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import asyncpg

from affidavit.doctor.finding import Finding, fail, judged, ok, warn
from affidavit.documents import scrub
from affidavit.infra import isolation
from affidavit.infra.db import Database
from affidavit.infra.isolation import Severity

PART: Final = "postgres"
OLDEST: Final = 150_000  # server_version_num of 15
MOST_SKEW_SECONDS: Final = 2.0  # leases and signatures go by the database's clock, logs by this machine's
LEAST_PROCESSES: Final = 3  # an API, a worker and a command beside them
SETTINGS: Final = (
    "fsync", "synchronous_commit", "full_page_writes", "data_checksums", "max_connections",
    "superuser_reserved_connections", "reserved_connections", "server_encoding",
)  # fmt: skip
_FACTS: Final = """
SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
    clock_timestamp() AS clock, pg_is_in_recovery() AS is_standby,
    (SELECT json_object_agg(name, setting)::text FROM pg_settings WHERE name = ANY($1)) AS settings
"""


async def examine(url: str, pool_size: int) -> list[Finding]:
    """Say how the database is. Raises OSError, TimeoutError and asyncpg errors when it is away."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1), timeout=10)
    try:
        asked = time.time()
        facts = await connection.fetchrow(_FACTS, list(SETTINGS))
        answered = time.time()
        assert facts is not None
    finally:
        await connection.close()
    found = [*_server(facts), *_durability(_settings(facts)), *_room(_settings(facts), pool_size)]
    return [*found, _skew(facts["clock"], asked, answered), *await _rows(url)]


def _settings(facts: asyncpg.Record) -> dict[str, str]:
    found: dict[str, str] = json.loads(facts["settings"])
    return found


def _server(facts: asyncpg.Record) -> Iterator[Finding]:
    version = facts["version"].partition(" ")[0]
    if facts["number"] < OLDEST:
        yield fail(PART, f"version {version}", "Use Postgres 15 or newer.")
    else:
        yield ok(PART, f"reachable, version {version}")
    if facts["is_standby"]:
        yield fail(PART, "it is a standby, which takes no writes", "Name the primary in the URL.")
    encoding = _settings(facts)["server_encoding"]
    if encoding != "UTF8":
        yield fail(PART, f"the encoding is {encoding}", "Make the database with ENCODING 'UTF8'.")


def _durability(settings: Mapping[str, str]) -> Iterator[Finding]:
    for name, loss in (
        ("fsync", "a crash of the machine can lose and damage what was committed"),
        ("full_page_writes", "a crash of the machine can damage pages that were being written"),
    ):
        if settings[name] == "on":
            yield ok(PART, f"{name} = on")
        else:
            yield fail(PART, f"{name} = off: {loss}", f"Set {name} = on.")
    commit = settings["synchronous_commit"]
    yield judged(
        PART,
        f"synchronous_commit = {commit}",
        is_well=commit != "off",
        remedy="Set it to on: an accepted job can be lost in the last moments before a crash.",
    )
    yield judged(
        PART,
        f"data_checksums = {settings['data_checksums']}",
        is_well=settings["data_checksums"] == "on",
        remedy="Stop Postgres and run `pg_checksums --enable`: without them a bad disk goes unnoticed.",
    )


def _room(settings: Mapping[str, str], pool_size: int) -> Iterator[Finding]:
    kept = int(settings["superuser_reserved_connections"]) + int(settings.get("reserved_connections", "0"))
    free = int(settings["max_connections"]) - kept
    processes = free // pool_size
    yield judged(
        PART,
        f"max_connections leaves {free}: {processes} processes of {pool_size} connections each",
        is_well=processes >= LEAST_PROCESSES,
        remedy="Raise max_connections, lower AFFIDAVIT_DATABASE_POOL_SIZE, or put a pooler between.",
    )


def _skew(clock: datetime, asked: float, answered: float) -> Finding:
    away = clock.astimezone(UTC).timestamp() - (asked + answered) / 2
    unsure = (answered - asked) / 2
    return judged(
        PART,
        f"its clock is {away:+.2f} s from this machine's (within {unsure:.2f} s)",
        is_well=abs(away) <= MOST_SKEW_SECONDS + unsure,
        remedy="Keep both machines' clocks by NTP.",
    )


async def _rows(url: str) -> list[Finding]:
    db = Database(url, pool_size=2, name="affidavit-doctor")
    try:
        weak = await isolation.check(db)
        found = [
            (fail if each.severity is Severity.REFUSED else warn)("isolation", each.what, each.remedy)
            for each in weak
        ]
        if any(each.severity is Severity.REFUSED for each in weak):
            return found
        told = ok("isolation", "the schema is at head; row-level security is forced and binds both roles")
        return [*found, told, await _scrubbed(db)]
    finally:
        await db.close()


async def _scrubbed(db: Database) -> Finding:
    standing = await scrub.standing(db)
    if standing.bad:
        remedy = "Run `affidavit check`, and restore what it names from a backup."
        return fail("scrub", f"{len(standing.bad)} stored blobs are missing or damaged", remedy)
    if standing.started_at is None:
        return ok("scrub", "no blob has been checked yet: workers do it by themselves")
    return ok("scrub", f"{standing.blobs} blobs checked in the walk under way or the last; none is bad")
