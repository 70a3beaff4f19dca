"""Bring the database to the schema of this version."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config

from affidavit.settings import from_environment

_PACKAGE = Path(__file__).parent


def main(arguments: Sequence[str]) -> int:
    """Run `affidavit migrate`: upgrade the database that the settings name."""
    parser = argparse.ArgumentParser(
        prog="affidavit migrate", description="Bring the database to this version. Safe to repeat."
    )
    parser.parse_args(arguments)
    settings = from_environment()
    upgrade(settings.database_owner_url or settings.database_url)
    print("The database is up to date.")
    return 0


def upgrade(database_url: str) -> None:
    """Run the migrations that the database has not seen. Call it where no event loop runs."""
    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")


def _migrations() -> Path:
    """Find the migrations: in the wheel beside the code, in a checkout at its top."""
    packaged = _PACKAGE / "_migrations"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "migrations"
