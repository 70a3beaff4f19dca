"""The command line: a table of commands, each loaded when it is called.

The base install is the client, without the server's packages, so nothing is imported here that
`affidavit submit` does not need.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """A command: `target` is `module:function`, called with its arguments, returning the exit status.

    `extra` is what has to be installed for it.
    """

    target: str
    summary: str
    extra: str = "server"


COMMANDS: dict[str, Command] = {
    "up": Command("affidavit.up:main", "run the whole stack here, databases included"),
    "demo": Command("affidavit.demo:main", "show an invoice and its scan being read, from start to stop"),
    "submit": Command("affidavit.client.command:submit", "send a document to a server"),
    "extract": Command("affidavit.extract:main", "read a document in this process, without a server"),
    "templates": Command("affidavit.samples.command:main", "list starter templates, make sample documents"),
    "keys": Command("affidavit.keys:main", "create, list and revoke API keys"),
    "signing-keys": Command("affidavit.signing_keys:main", "list and rotate the keys that sign bundles"),
    "serve": Command("affidavit.serve:main", "run the HTTP API"),
    "worker": Command("affidavit.worker:main", "run a worker"),
    "migrate": Command("affidavit.migrate:main", "bring the database to this version"),
    "verify": Command("affidavit.verify:main", "check a bundle of evidence: no network, no server", "verify"),
    "show": Command("affidavit.show.command:main", "write a bundle of evidence as one HTML page", "verify"),
    "check": Command("affidavit.check:main", "read all that is stored, and tell what is missing or damaged"),
    "doctor": Command(
        "affidavit.doctor.command:main", "look at walls, settings and servers; say what to mend"
    ),
    "version": Command("affidavit.cli:version", "print the version"),
}

_NOT_RUN = 2  # as argparse exits; 1 is what a command says of what it looked at


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    name, *rest = given or ["--help"]
    if name in {"-h", "--help"}:
        print(usage())
        return 0
    command = COMMANDS.get(name.removeprefix("--") if name == "--version" else name)
    if command is None:
        print(f"affidavit: there is no command '{name}'.\n\n{usage()}", file=sys.stderr)
        return _NOT_RUN
    return _run(name, command, rest)


def usage() -> str:
    """Return the list of commands."""
    lines = [f"  {name:<12} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["Usage: affidavit COMMAND ...", "", *lines, "", "`affidavit COMMAND --help` says more."]
    )


def version(_arguments: Sequence[str]) -> int:
    """Print the version."""
    print(importlib.metadata.version("affidavit"))
    return 0


def _run(name: str, command: Command, arguments: Sequence[str]) -> int:
    module, function = command.target.split(":")
    try:
        run = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as missing:
        print(
            f"affidavit {name}: the package '{missing.name}' is not installed. "
            f"This command needs more: pip install 'affidavit[{command.extra}]'.",
            file=sys.stderr,
        )
        return _NOT_RUN
    return int(run(arguments) or 0)


if __name__ == "__main__":
    sys.exit(main())
