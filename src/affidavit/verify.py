"""`affidavit verify`: check a bundle of evidence, a tombstone or a receipt, without network or server."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from affidavit.bundle import trust
from affidavit.bundle.envelope import MAX_ENVELOPE_BYTES
from affidavit.bundle.report import Check, Report, Status
from affidavit.bundle.signature import check_statement
from affidavit.bundle.trust import Trust
from affidavit.bundle.verify import verify

UNREADABLE = 2  # as argparse exits when it does not understand
EXIT = {Status.PASSED: 0, Status.FAILED: 1, Status.NOT_CHECKED: 3}

_MARKS = {Status.PASSED: "ok", Status.FAILED: "FAILED", Status.NOT_CHECKED: "-"}
_WIDEST = 400  # characters of a line
_MANY = {"artifact", "citation"}  # of these, only what is not in order is printed one by one
_SEALED = "Everything is as it was sealed."
_STATED = "The signature is right: this is what its holder has stated."
_VERDICTS = {
    Status.FAILED: "Something is wrong: do not rely on it.",
    Status.NOT_CHECKED: "Nothing is wrong as far as it was checked, but not everything could be.",
}


def main(arguments: Sequence[str]) -> int:
    """Verify a file. Return 0 if all is right, 1 if not, 2 if it is no bundle, 3 if not all was checked."""
    given = _parser().parse_args(arguments)
    try:
        report = _verify(given.file, trust.read(given))
        _compare(report, given.manifest_sha256)
    except (OSError, ValueError) as unusable:
        print(f"affidavit verify: {_printable(str(unusable))}", file=sys.stderr)
        return UNREADABLE
    if _is_no_bundle(report):
        print(f"affidavit verify: {given.file} is neither a ZIP nor a signed statement.", file=sys.stderr)
        return UNREADABLE
    if given.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        print("\n".join(map(_printable, _lines(report))))
    return EXIT[report.verdict]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit verify",
        description="Check a bundle of evidence (.zip), a tombstone or a receipt (.json): every hash, the "
        "signature, the log, the timestamp, and every quote. Needs no network and no server.",
        epilog="Exit status: 0 all is right; 1 something is wrong; 2 this is no bundle, or the call is not "
        "understood; 3 nothing is wrong, but not everything could be checked, as without a key.",
    )
    parser.add_argument("file", type=Path, help="the bundle, tombstone or receipt")
    trust.add_options(parser)
    parser.add_argument(
        "--manifest-sha256",
        metavar="HEX",
        help="what the job said: a sound bundle may still be another one than you were promised",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _verify(path: Path, trusted: Trust) -> Report:
    with path.open("rb") as file:
        if file.read(1) == b"{":
            file.seek(0)
            return check_statement(file.read(MAX_ENVELOPE_BYTES + 1), trusted.keys)
        return verify(file, trusted.keys, trusted.authorities)


def _compare(report: Report, expected: str | None) -> None:
    """Fail a file that is not, or not about, the bundle that was promised."""
    found = report.subject.get("manifest_sha256")
    if expected is None or found is None:
        return
    if found == expected.strip().lower():
        report.passed("promised", "It is the one with this manifest_sha256.")
    else:
        report.failed("promised", "OTHER_BUNDLE", f"Its manifest_sha256 is {found}.")


def _is_no_bundle(report: Report) -> bool:
    return any(check.code == "NOT_A_ZIP" for check in report.checks)


def _lines(report: Report) -> Iterator[str]:
    """Yield the report for a person: what it is about, the checks, what it comes to."""
    for name, value in report.subject.items():
        if isinstance(value, str | int):
            yield f"{name:<16} {value}"
    yield ""
    passed = Counter(check.name for check in report.checks if check.status is Status.PASSED)
    shown: set[str] = set()
    for check in report.checks:
        if check.name not in _MANY or check.status is not Status.PASSED:
            yield _line(check)
        elif check.name not in shown:
            shown.add(check.name)
            yield f"{_MARKS[check.status]:<7} {check.name:<10} {passed[check.name]:,}"
    yield ""
    yield _VERDICTS.get(report.verdict) or (_SEALED if report.has("container") else _STATED)
    yield ""
    yield "What this does not show:"
    for sentence in report.not_proven:
        yield f"- {sentence}"


def _line(check: Check) -> str:
    about = [part for part in (check.entry, check.code, check.detail) if part]
    return f"{_MARKS[check.status]:<7} {check.name:<10} {'  '.join(about)}".rstrip()


def _printable(line: str) -> str:
    """Return a line in which nothing that a file says can move the cursor, turn text around or flood it."""
    shown = line if len(line) <= _WIDEST else f"{line[:_WIDEST]}..."
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)
