"""Bring the database to the schema of this version, and let the service log in."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from alembic import command

from affidavit.infra.login import Login, LoginRefused, admit
from affidavit.infra.schema import configuration
from affidavit.settings import from_environment


def main(arguments: Sequence[str]) -> int:
    """Run `affidavit migrate`: upgrade the database that the settings name."""
    parser = argparse.ArgumentParser(
        prog="affidavit migrate",
        description="Bring the database to this version. Safe to repeat. With AFFIDAVIT_DATABASE_OWNER_URL "
        "the login of AFFIDAVIT_DATABASE_URL is made if it is missing, and may act as the service.",
    )
    parser.parse_args(arguments)
    settings = from_environment()
    owner_url = settings.database_owner_url or settings.database_url
    upgrade(owner_url)
    try:
        is_made = asyncio.run(admit(owner_url, settings.database_url))
    except LoginRefused as refused:
        print(f"affidavit migrate: {refused}", file=sys.stderr)
        return 1
    if is_made:
        print(f"The login {Login.of(settings.database_url).name} was made.")
    print("The database is up to date.")
    return 0


def upgrade(database_url: str) -> None:
    """Run the migrations that the database has not seen. Call it where no event loop runs."""
    config = configuration()
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
