"""`affidavit templates`: list the starter templates, show one, and make a sample document of its kind."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from affidavit.samples.catalogue import samples_of
from affidavit.templates.starter import starters
from affidavit.templates.views import TemplateView

_NOT_UNDERSTOOD = 2  # as argparse exits


def main(arguments: Sequence[str]) -> int:
    """Run one of the three; 2 for a name that no starter has, or a file that cannot be written."""
    given = _parser().parse_args(arguments)
    if given.what == "list":
        return _list()
    starter = starters().get(given.name)
    if starter is None:
        return _fail(f"there is no starter template '{given.name}'. There are: {', '.join(starters())}")
    return _show(starter) if given.what == "show" else _sample(starter, given.output, given.look)


def _list() -> int:
    for name, starter in starters().items():
        _print(f"{name:<20} {starter.definition.description}")
    return 0


def _show(starter: TemplateView) -> int:
    _print(json.dumps(starter.definition.schema, indent=2, ensure_ascii=False))
    return 0


def _sample(starter: TemplateView, output: Path | None, look: int) -> int:
    sample = samples_of(starter.name)[look - 1]
    path = output or Path(sample.filename)
    try:
        path.write_bytes(sample.data)
    except OSError as error:
        return _fail(f"{path}: {error.strerror}")
    _print(f"{path}: {len(sample.data)} bytes. Its values are:")
    _print(json.dumps(sample.expected, indent=2, ensure_ascii=False))
    return 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _fail(reason: str) -> int:
    sys.stderr.write(f"affidavit templates: {reason}\n")
    return _NOT_UNDERSTOOD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit templates",
        description="The starter templates of the package. An environment's own are in the API.",
    )
    commands = parser.add_subparsers(dest="what", required=True, metavar="list | show | sample")
    commands.add_parser("list", help="name them")
    show = commands.add_parser("show", help="print the JSON Schema of one")
    show.add_argument("name")
    sample = commands.add_parser("sample", help="make a document of its kind, and print the values on it")
    sample.add_argument("name")
    sample.add_argument("-o", "--output", type=Path, help="where to write the PDF (default: its own name)")
    sample.add_argument(
        "--look", type=int, choices=[1, 2, 3], default=1, help="1 or 2: two layouts; 3: a scan"
    )
    return parser
