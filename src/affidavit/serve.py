"""`affidavit serve`: run the HTTP API."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from affidavit.app import serve
from affidavit.engine.ocr import reader_programs
from affidavit.infra.wall_trial import are_walls_held
from affidavit.settings import from_environment


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="affidavit serve", description="Run the HTTP API.")
    parser.add_argument("--host", help="instead of AFFIDAVIT_HOST")
    parser.add_argument("--port", type=int, help="instead of AFFIDAVIT_PORT")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    settings = from_environment(**given)
    if settings.strict and not are_walls_held(settings.sandbox_user, settings.sandbox, reader_programs()):
        return 1  # it has been logged which are not
    serve(settings)
    return 0
