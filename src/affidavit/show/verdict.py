"""Say in plain words what the checks found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from affidavit.bundle.report import ABSENT, PLACED_BY_HAND, Check, Report, Status
from affidavit.show.html import Html, join, tag

MAX_TOLD: Final = 50  # failures that are told one by one
MARKS: Final = {Status.PASSED: "✓", Status.FAILED: "✗", Status.NOT_CHECKED: "?"}
STATES: Final = {Status.PASSED: "holds", Status.FAILED: "broken", Status.NOT_CHECKED: "not checked"}
TONES: Final = {Status.PASSED: "good", Status.FAILED: "bad", Status.NOT_CHECKED: "doubt"}


class Plain(NamedTuple):
    """What a check is called, and what it means that it passed."""

    title: str
    meaning: str


CHECKS: Final = {
    "container": Plain("The file", "The ZIP is whole and holds nothing between, before or after its files."),
    "manifest": Plain("The manifest", "The list of all files, with their sizes and hashes, is well-formed."),
    "entries": Plain("The list of files", "Every listed file is there, in its order, and no other."),
    "artifact": Plain("The files", "Each file has the size and the SHA-256 that the manifest says."),
    "statement": Plain("What was signed", "The signed statement is about this very manifest."),
    "signature": Plain("The signature", "It was made with the private half of a key that you gave."),
    "chunks": Plain("The text", "The text is the one that the manifest's Merkle root was made of."),
    "citation": Plain(
        "The citations", "Each quote stands in the text, at the words and places that it cites."
    ),
    "log": Plain("The log", "The manifest stands in the log that its installation keeps and signs."),
    "timestamp": Plain("The timestamp", "An authority has signed when the signature already existed."),
}
# What lies behind a code, where its check did not simply pass or fail.
CODES: Final = {
    "NO_KEY": "No key was given: anyone could have signed this. Give the key of whom you expect, --key FILE.",
    "KEY_RETIRED": "The key signs nothing new by now; it was in use when this was sealed.",
    "KEY_UNKNOWN": "It was signed with another key than those that you gave.",
    "KEY_NOT_VALID_THEN": "The key had been retired before the time at which this says it was sealed.",
    PLACED_BY_HAND: "A person pointed at a place without citing words: there is no quote to look for.",
    "NO_AUTHORITY": "It is of these bytes, but you named no authority that you trust: --authority FILE.",
    "TIMESTAMP_EXTRA_MISSING": "To check it, install: pip install 'affidavit[timestamp]'.",
    "CONTAINER_WRONG": "The file could not be read, so nothing in it was looked at.",
}
ABSENCES: Final = {
    "log": "The bundle carries no proof from a log. That is no fault.",
    "timestamp": "The bundle carries no timestamp: the time of sealing is the clock of who signed.",
}


def banner(report: Report) -> Html:
    """Return the verdict as the first thing to be read."""
    status = report.verdict
    return tag(
        "div",
        tag("span", MARKS[status], class_="mark", aria_hidden="true"),
        tag(
            "div",
            tag("p", tag("strong", _headline(report)), " ", _advice(report)),
            _reasons(report),
            _glance(report),
        ),
        class_="verdict",
        role="alert" if status is Status.FAILED else "status",
    )


def stamp(report: Report) -> Html:
    """Return what is printed at the foot of every sheet of paper, unless all is well."""
    return tag("p", _headline(report), class_="stamp", aria_hidden="true")


def caution(report: Report) -> Html:
    """Return what stands over the values, and on every page, of a bundle that proves nothing."""
    match report.verdict:
        case Status.PASSED:
            return Html()
        case Status.NOT_CHECKED:
            said = "Not proven: this is what the file says."
        case Status.FAILED:
            said = "Broken: this is what the file says, and it proves nothing."
    return tag("p", f"{MARKS[report.verdict]} {said}", class_=f"caution {TONES[report.verdict]}")


def table(report: Report) -> Html:
    """Return a row for each kind of check."""
    names = dict.fromkeys(check.name for check in report.checks)
    rows = [_row(name, [check for check in report.checks if check.name == name]) for name in names]
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in ("Check", "State", "In words"))))
    return tag("div", tag("table", head, tag("tbody", *rows)), class_="scroll")


def _headline(report: Report) -> str:
    match report.verdict:
        case Status.PASSED:
            return "Nothing is wrong: this is what was sealed, and signed with a key that you gave."
        case Status.NOT_CHECKED if any(check.code == "NO_KEY" for check in report.checks):
            return "Not proven: nobody looked at who signed this."
        case Status.NOT_CHECKED:
            return "Not proven: something could not be checked."
        case Status.FAILED:
            return "Broken: do not rely on this bundle."


def _advice(report: Report) -> str:
    match report.verdict:
        case Status.PASSED:
            return ""
        case Status.NOT_CHECKED:
            return "What could be checked is in order."
        case Status.FAILED:
            failed = sum(check.status is Status.FAILED for check in report.checks)
            return f"{'One check' if failed == 1 else f'{failed:,} checks'} failed."


def _glance(report: Report) -> Html:
    """Return the signature, the log, the timestamp and the quotes in a line, unless the bundle is broken."""
    if report.verdict is Status.FAILED:
        return Html()
    key = str(report.subject.get("signing_key_id", ""))
    found = [each for each in report.checks if each.name == "citation" and each.status is Status.PASSED]
    quotes = [each for each in found if each.entry]  # without one, it says that nothing is cited
    said = [
        _state(report, "signature", f"signed with the key {key[:8]}…"),
        _state(report, "log", "in the log"),
        _state(report, "timestamp", _attested(report)),
        *([_found_again(len(quotes))] if quotes else []),
    ]
    return tag("p", " · ".join(said), class_="glance")


def _attested(report: Report) -> str:
    return next((f"timestamp: {each.detail}" for each in report.checks if each.name == "timestamp"), "")


def _found_again(quotes: int) -> str:
    return "1 quote found again" if quotes == 1 else f"{quotes:,} quotes found again"


def _state(report: Report, name: str, passed: str) -> str:
    if report.has_passed(name):
        return passed
    is_absent = any(check.name == name and check.code == ABSENT for check in report.checks)
    return f"no {name}" if is_absent else f"{name} not checked"


def _reasons(report: Report) -> Html:
    status = report.verdict
    if status is Status.PASSED:
        return Html()
    told = [check for check in report.checks if check.status is status and not _is_void(check)]
    items = [tag("li", _reason(check)) for check in told[:MAX_TOLD]]
    if len(told) > MAX_TOLD:
        items.append(tag("li", f"and {len(told) - MAX_TOLD:,} more"))
    return tag("ul", *items)


def _reason(check: Check) -> str:
    title = CHECKS[check.name].title if check.name in CHECKS else check.name
    where = f" ({check.entry})" if check.entry else ""
    return f"{title}{where}: {_said(check)}"


def _said(check: Check) -> str:
    return CODES.get(check.code or "", check.detail or "It does not hold.")


def _row(name: str, checks: list[Check]) -> Html:
    plain = CHECKS.get(name, Plain(name, ""))
    status = _worst(checks)
    is_void = all(_is_void(check) for check in checks)
    return tag(
        "tr",
        tag("th", plain.title, scope="row"),
        tag(
            "td",
            "· nothing there" if is_void else f"{MARKS[status]} {STATES[status]}",
            class_="state" if is_void else f"state {TONES[status]}",
        ),
        tag("td", join(_words(name, plain, checks, status))),
        class_=str(status),
    )


def _words(name: str, plain: Plain, checks: list[Check], status: Status) -> Iterator[Html]:
    passed = [check for check in checks if check.status is Status.PASSED]
    others = [check for check in checks if check.status is not Status.PASSED]
    if passed and status is not Status.FAILED:
        yield tag("p", plain.meaning)
    yield from _counted(passed, len(checks))
    if any(check.code == ABSENT for check in checks):
        yield tag("p", ABSENCES.get(name, "There is nothing to check."))
        return
    yield from (tag("p", f"{check.entry or ''} {_said(check)}".strip()) for check in _distinct(others))


def _counted(passed: list[Check], total: int) -> Iterator[Html]:
    if total > 1:
        yield tag("p", f"{len(passed):,} of {total:,} hold.")
        return
    for check in passed:
        if check.code in CODES:
            yield tag("p", CODES[check.code], class_="doubt")
        if check.detail:
            yield tag("p", tag("code", check.detail))


def _distinct(checks: Iterable[Check]) -> list[Check]:
    """Return the first checks that say different things: a broken bundle may say one thing often."""
    found = {(check.code, check.entry): check for check in checks}
    return list(found.values())[:MAX_TOLD]


def _worst(checks: Iterable[Check]) -> Status:
    """Return how a kind of check came out: as the worst of those that had something to check."""
    found = {check.status for check in checks if not _is_void(check)}
    order = (Status.FAILED, Status.NOT_CHECKED, Status.PASSED)
    return next((status for status in order if status in found), Status.NOT_CHECKED)


def _is_void(check: Check) -> bool:
    return check.status is Status.NOT_CHECKED and check.code in {ABSENT, PLACED_BY_HAND}
