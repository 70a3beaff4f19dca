"""`affidavit show`: write what a bundle holds, and what the checks say, as one HTML page."""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from affidavit.bundle import container, trust
from affidavit.bundle.report import Report, Status
from affidavit.bundle.trust import Trust
from affidavit.bundle.verify import verify, verify_files
from affidavit.show.exhibit import Exhibit
from affidavit.show.page import Chosen, Made, render

STATUSES: Final = {Status.PASSED: 0, Status.FAILED: 1, Status.NOT_CHECKED: 3}
UNREADABLE: Final = 2
BLOCK_BYTES: Final = 1 << 20
STDOUT: Final = "-"
DESCRIPTION: Final = """\
Verify a bundle and write it as one HTML page that needs no network: the pages with the cited words outlined,
the values beside them, hashes, and what each check found."""
EPILOG: Final = """\
exit codes, as of `affidavit verify`: 0 nothing is wrong; 1 something is wrong; 2 the file is no bundle, or
the command line is wrong; 3 nothing is wrong, but something was not checked, such as the signature without
a key. The page is written in each case but for a wrong command line, and says so first."""


def main(arguments: Sequence[str]) -> int:
    """Write the page; return what `affidavit verify` would."""
    given = _parser().parse_args(arguments)
    output = given.output or given.bundle.with_suffix(".html")
    if output.exists() and output.samefile(given.bundle):
        print(
            "affidavit show: the page would take the place of the bundle; name another with -o.",
            file=sys.stderr,
        )
        return UNREADABLE
    try:
        trusted = trust.read(given)
        with given.bundle.open("rb") as file:
            report, pages = examine(file, given.bundle.name, trusted, given.pages)
            _write(pages, output)
    except (OSError, ValueError) as wrong:
        print(f"affidavit show: {wrong}", file=sys.stderr)
        return UNREADABLE
    if str(output) != STDOUT:
        print(f"{output}: {report.verdict.value}")
    return status_of(report)


def examine(file: BinaryIO, name: str, trusted: Trust, chosen: Chosen) -> tuple[Report, Iterable[str]]:
    """Return the report on a file that can be sought, and its page in pieces that read on in the file."""
    made = _made(file, name)
    try:
        files = container.read(file)
    except container.ContainerError:
        report = verify(file, trusted.keys, trusted.authorities)
        return report, render(None, report, made, chosen)
    report = verify_files(files, trusted.keys, trusted.authorities)
    return report, render(Exhibit(files, report), report, made, chosen)


def status_of(report: Report) -> int:
    """Return the exit status for a report."""
    is_unread = report.checks[0].code == "NOT_A_ZIP"
    return UNREADABLE if is_unread else STATUSES[report.verdict]


def _made(file: BinaryIO, name: str) -> Made:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    return Made(
        name=name,
        size=file.seek(0, io.SEEK_END),
        sha256=digest.hexdigest(),
        at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        version=importlib.metadata.version("affidavit"),
    )


def _write(pieces: Iterable[str], output: Path) -> None:
    """Write the page at once: another that was there stays until this one is complete."""
    if str(output) == STDOUT:
        sys.stdout.writelines(pieces)
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.writelines(pieces)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _chosen(text: str) -> Chosen:
    """Read `cited`, `all`, or pages such as `1-3,7`."""
    if text == "cited":
        return Chosen()
    if text == "all":
        return Chosen(every=True)
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*([1-9][0-9]{0,5})\s*(?:-\s*([1-9][0-9]{0,5}))?\s*", part)
        if found is None:
            raise argparse.ArgumentTypeError("give cited, all, or pages such as 1-3,7")
        numbers.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return Chosen(numbers=frozenset(numbers))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit show",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE.zip")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to; - for standard output (default: BUNDLE.html)",
    )
    parser.add_argument(
        "--pages",
        type=_chosen,
        default=Chosen(),
        metavar="WHICH",
        help="cited (default), all, or some beside those that are cited: 1-3,7",
    )
    trust.add_options(parser)
    return parser
