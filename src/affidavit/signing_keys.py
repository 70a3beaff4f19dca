"""`affidavit signing-keys`: list, show, rotate and retire the keys that sign bundles."""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.evidence import command
from affidavit.settings import from_environment


def main(arguments: Sequence[str]) -> int:
    """Run one of list, show, rotate and retire."""
    if not arguments or {"-h", "--help"} & set(arguments):
        command.parser().parse_args(arguments)
    settings = from_environment()
    return command.run(arguments, database_url=settings.database_url, folder=settings.signing_key_dir)
