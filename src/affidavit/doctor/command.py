"""`affidavit doctor`: look at everything at once and say how it is, one line each."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from affidavit.doctor import bell, configuration, database, reading, signing, storage, timestamps, walls
from affidavit.doctor.finding import Finding, Level, fail
from affidavit.engine.ocr import reader_programs
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.logs import configure
from affidavit.settings import Settings, from_environment

PATIENCE_SECONDS: Final = 60.0  # of each part; all are asked at once
# What keeps a part from being looked at. Its text may hold a URL or a name, so only its type is told.
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    SQLAlchemyError,
    RedisError,
)
REMEDIES: Final = {
    database.PART: "Check AFFIDAVIT_DATABASE_URL, and that Postgres runs and admits this login.",
    signing.PART: "Mend the database first: it has the public halves of the keys.",
    bell.PART: "Check AFFIDAVIT_REDIS_URL, and that Redis or Valkey runs. Until then workers only poll.",
}


def main(arguments: Sequence[str]) -> int:
    """Print the findings; return 1 when anything fails, with `--strict` also when anything is weak."""
    parser = argparse.ArgumentParser(
        prog="affidavit doctor",
        description="Look at walls, settings, Postgres, Redis, blobs and OCR, and say what to do about each "
        "that is not as it should be. Prints no secrets.",
    )
    parser.add_argument("--strict", action="store_true", help="a warning is a failure")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    configure(level="critical")  # what is found is printed here, once
    findings = asyncio.run(examine(from_environment()))
    is_well = _is_well(findings, strict=given.strict)
    print(_as_json(findings, is_well=is_well) if given.json else _as_text(findings))  # noqa: T201
    return 0 if is_well else 1


async def examine(settings: Settings) -> list[Finding]:
    """Look at every part at the same time; one that is away is a finding as well."""
    found = await asyncio.gather(
        asyncio.to_thread(configuration.examine, settings),
        walls.examine(settings.sandbox_user, Wrapping(settings.sandbox), reader_programs()),
        _guarded(database.PART, lambda: database.examine(settings.database_url, settings.database_pool_size)),
        _guarded(bell.PART, lambda: bell.examine(settings.redis_url)),
        storage.examine(settings.blob_url, settings.data_dir, settings.min_free_disk_bytes),
        asyncio.to_thread(reading.examine),
        _guarded(
            signing.PART,
            lambda: signing.examine(settings.database_url, settings.signing_key_dir, settings.data_dir),
        ),
        timestamps.examine(
            settings.timestamp_url, settings.timestamp_ca_file, settings.timestamp_timeout_seconds
        ),
    )
    return [finding for part in found for finding in part]


async def _guarded(part: str, look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await look()
    except AWAY as error:
        return [fail(part, f"cannot be reached: {type(error).__name__}", REMEDIES[part])]


def _is_well(findings: Sequence[Finding], *, strict: bool) -> bool:
    levels = {finding.level for finding in findings}
    return Level.FAIL not in levels and not (strict and Level.WARN in levels)


def _as_text(findings: Sequence[Finding]) -> str:
    counts = ", ".join(f"{sum(each.level is level for each in findings)} {level}" for level in Level)
    return "\n".join([*(finding.line() for finding in findings), counts])


def _as_json(findings: Sequence[Finding], *, is_well: bool) -> str:
    return json.dumps({"ok": is_well, "findings": [finding.to_json() for finding in findings]}, indent=2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
