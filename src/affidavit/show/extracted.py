"""Show what a job found, whatever it was asked: fields, an answer, claims, parts, or the text alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from affidavit.bundle.report import Check, Status
from affidavit.show.cited import placed
from affidavit.show.exhibit import Exhibit
from affidavit.show.html import Html, join, shortened, spelled_time, tag
from affidavit.show.pages import Shown
from affidavit.show.values import Values

MAX_TEXT: Final = 300_000  # characters of a document without values
MAX_NOTES: Final = 100
# What one operation alone has to say, as results call it, and its heading.
SAID: Final = {
    "answer": "Answer",
    "claims": "Claims",
    "summary": "Summary",
    "classification": "Classification",
    "split": "Parts",
    "translation": "Translation",
    "forms": "Form",
    "generated": "Schema that was made",
    "steps": "Steps",
}


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was extracted, and the citations that it shows by their ids."""

    heading: str
    html: Html
    shown: Mapping[str, Shown] = field(default_factory=dict)


NOTHING: Final = Extracted(
    "Nothing can be shown",
    tag("p", "The file could not be read as a bundle. Nothing in it can be relied on.", class_="bad"),
)


def render(exhibit: Exhibit) -> Extracted:
    """Return the values of a bundle: as reviewed where a person decided, then as the machine read them."""
    extraction = exhibit.object("extraction.json")
    if not extraction:
        said = "extraction.json is missing, too large, or not what was sealed. It is not shown."
        return Extracted("What was extracted", tag("p", said, class_="bad"))
    values = Values(_checks(exhibit), is_broken=exhibit.report.verdict is Status.FAILED)
    reviewed = exhibit.object("reviewed.json")
    machine = placed(extraction, "c")
    if not reviewed:
        body = _result(exhibit, machine, values)
        return Extracted(_heading(machine), body, values.shown)
    by_person = reviewed.get("extraction")
    parts = [_review(reviewed)]
    if isinstance(by_person, dict):
        parts.append(_result(exhibit, placed(by_person, "r"), values))
        label = tag("summary", "As the machine read it, before the review")
        parts.append(tag("details", label, _result(exhibit, machine, values)))
    else:
        parts.append(_result(exhibit, machine, values))
    return Extracted("What was extracted, and reviewed by a person", join(parts), values.shown)


def page_numbers(exhibit: Exhibit) -> frozenset[int]:
    """Return the pages that were read, or that there is an image of."""
    listed = (str(each.get("name")) for each in exhibit.artifacts)
    drawn = {int(name[6:-5]) for name in listed if name.startswith("pages/") and name[6:-5].isdecimal()}
    return frozenset(drawn | exhibit.sheets.keys())


def _heading(result: Mapping[str, Any]) -> str:
    found = [heading for key, heading in SAID.items() if result.get(key) is not None]
    if found:
        return found[0]
    return "What was extracted" if result.get("fields") else "What was read"


def _result(exhibit: Exhibit, result: Mapping[str, Any], values: Values) -> Html:
    parts = [_notices(result)]
    for key, heading in SAID.items():
        if result.get(key) is not None:
            parts.append(values.tree(result[key], heading))
    fields, review = result.get("fields"), result.get("review")
    corrected = review.get("corrected") if isinstance(review, dict) else None
    if isinstance(fields, dict) and fields:
        parts.append(values.fields(fields, corrected if isinstance(corrected, dict) else None))
    elif result.get("data") is not None:
        parts.append(values.tree(result["data"], "data"))
    return join(parts if len(parts) > 1 else [*parts, join(_text(exhibit))])


def _notices(result: Mapping[str, Any]) -> Html:
    """Return what the job itself warned of."""
    said = [str(each) for each in _list(result.get("warnings"))]
    complete = result.get("completeness")
    if isinstance(complete, dict) and complete.get("ok") is not True:
        said.append("The reading was not complete: extraction.json says what is missing.")
        said += [str(each) for each in _list(complete.get("warnings"))]
    for violation in _list(result.get("schema_violations")):
        if isinstance(violation, dict):
            said.append(f"Does not fit the schema at {violation.get('path')}: {violation.get('message')}")
    items = (tag("li", shortened(text, 500)) for text in said[:MAX_NOTES])
    return tag("ul", *items, class_="plain doubt") if said else Html()


def _review(reviewed: Mapping[str, Any]) -> Html:
    decision = shortened(str(reviewed.get("decision")), 100)
    who = reviewed.get("reviewer")
    pairs = [
        ("Decision", decision),
        ("By", shortened(who, 500) if isinstance(who, str) else "a person who is not named"),
        ("With the API key", shortened(str(reviewed.get("key_id") or ""), 100)),
        ("When", spelled_time(reviewed.get("decided_at"))),
    ]
    rows = (join([tag("dt", name), tag("dd", value)]) for name, value in pairs if value)
    rejected = reviewed.get("decision") == "rejected"
    warning = tag("p", "A person rejected this: what the machine read does not count.", class_="caution bad")
    return join([tag("dl", *rows, class_="pairs"), warning if rejected else Html()])


def _text(exhibit: Exhibit) -> Iterator[Html]:
    """Yield the text by pages, for a document that was only read."""
    left, page = MAX_TEXT, 0
    for chunk in exhibit.chunks():
        if chunk.text is None:
            continue
        if chunk.page != page:
            page = chunk.page
            yield tag("h3", tag("a", f"Page {page}", href=f"#page-{page}"))
        yield tag("p", shortened(chunk.text, left), class_="read", dir="auto")
        left -= len(chunk.text)
        if left <= 0:
            yield tag("p", "The text goes on: document.md has all of it.", class_="note doubt")
            return
    if not page:
        yield tag("p", "There is no text to show.")


def _checks(exhibit: Exhibit) -> dict[str, Check]:
    checks = exhibit.report.checks
    return {check.entry: check for check in checks if check.name == "citation" and check.entry}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
