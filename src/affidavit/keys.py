"""`affidavit keys`: make, list and revoke API keys in the database of the settings."""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.accounts import command
from affidavit.settings import from_environment


def main(arguments: Sequence[str]) -> int:
    """Run one of create, list and revoke."""
    if not arguments or {"-h", "--help"} & set(arguments):
        command.parser().parse_args(arguments)
    settings = from_environment()
    return command.run(
        arguments, database_url=settings.database_url, secret_key=settings.secret_key.get_secret_value()
    )
