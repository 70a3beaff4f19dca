"""Put the page together: the verdict, what was extracted, the checks and hashes, and the cited pages."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from affidavit.bundle.report import Report, Status
from affidavit.show import extracted, verdict
from affidavit.show.exhibit import Exhibit
from affidavit.show.html import Html, join, shortened, spelled_time, tag
from affidavit.show.pages import Shown, figures

MAX_SHEETS: Final = 2_000  # figures on the page
FIRST_PAGES: Final = 5  # shown when nothing is cited
VIEW: Final = (
    "This page is a view, made by whoever sent it to you: anyone can change it. The bundle is the evidence. "
    "Check that, with a key from somebody you trust:"
)
MAX_FILES: Final = 500  # rows of the table of files: a page image each, so the others look alike


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which pages to show beside those that are cited: none, all of them, or these."""

    every: bool = False
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Made:
    """What the page says of its own making: the file, its size in bytes and SHA-256, when and by what."""

    name: str
    size: int
    sha256: str
    at: str
    version: str


def render(exhibit: Exhibit | None, report: Report, made: Made, chosen: Chosen) -> Iterator[str]:
    """Yield the page in pieces. Without an exhibit, the file could not be read as a bundle."""
    style, script = (files(__package__).joinpath(name).read_text() for name in ("style.css", "script.js"))
    title = _title(exhibit, made)
    yield _head(title, report, style, script)
    yield f'<body class="{report.verdict.value}">'
    yield tag("a", "Skip to what was extracted", class_="skip", href="#values")
    yield tag(
        "header",
        tag("p", "Affidavit evidence bundle", class_="kicker"),
        tag("h1", tag("bdi", shortened(title, 300))),
        _facts(exhibit) if exhibit else "",
        verdict.banner(report),
    )
    yield "<main>" if exhibit else '<main class="alone">'
    body = extracted.render(exhibit) if exhibit else extracted.NOTHING
    yield _panel(exhibit, report, made, body)
    if exhibit:
        yield from _pages(exhibit, list(body.shown.values()), chosen)
    yield "</main>"
    yield verdict.stamp(report)
    yield f"<script>{script}</script></body></html>\n"


def _head(title: str, report: Report, style: str, script: str) -> str:
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    state = verdict.STATES[report.verdict]
    return "<!doctype html>" + (
        '<html lang="en"><head><meta charset="utf-8">'
        + tag("meta", http_equiv="Content-Security-Policy", content=policy)
        + tag("meta", name="viewport", content="width=device-width, initial-scale=1")
        + tag("meta", name="referrer", content="no-referrer")
        + tag("title", f"{verdict.MARKS[report.verdict]} {shortened(title, 200)} ({state})")
        + f"<style>{style}</style></head>"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _title(exhibit: Exhibit | None, made: Made) -> str:
    source = exhibit.manifest.get("source") if exhibit else None
    if isinstance(source, dict):
        for name in (source.get("name"), source.get("url")):
            if isinstance(name, str) and name.strip():
                return name
    return made.name


def _facts(exhibit: Exhibit) -> Html:
    manifest = exhibit.manifest
    times, pages = _object(manifest, "times"), _object(manifest, "pages")
    total = pages.get("total")
    said = [
        f"{_text(manifest.get('operation')).replace('_', ' ')}",
        f"{total} page{'' if total == 1 else 's'}" if isinstance(total, int) else "",
        f"sealed {spelled_time(times.get('sealed_at'))}" if times else "",
        _decision(exhibit),
        _text(manifest.get("bundle_id")),
    ]
    return tag("p", " · ".join(part for part in said if part), class_="facts")


def _decision(exhibit: Exhibit) -> str:
    decision = _text(exhibit.object("reviewed.json").get("decision"))
    return f"{decision} by a person" if decision else ""


def _panel(exhibit: Exhibit | None, report: Report, made: Made, body: extracted.Extracted) -> Html:
    links = [("values", "Extracted"), ("checks", "Checks")]
    links += [("hashes", "Files and hashes")] if exhibit else []
    links += [("limits", "What this does not prove"), ("again", "Check it yourself")]
    return tag(
        "div",
        tag("nav", *(tag("a", text, href=f"#{id_}") for id_, text in links), aria_label="Sections"),
        tag(
            "section",
            tag("h2", body.heading),
            verdict.caution(report) if exhibit else "",
            body.html,
            id="values",
        ),
        tag("section", tag("h2", "Checks"), verdict.table(report), id="checks"),
        _hashes(exhibit) if exhibit else "",
        _limits(report),
        _again(made, report),
        _footer(made),
        class_="panel",
        tabindex="0",
        role="region",
        aria_label="What was extracted, and what the checks found",
    )


def _hashes(exhibit: Exhibit) -> Html:
    manifest = exhibit.manifest
    source, chunks, engine = (_object(manifest, name) for name in ("source", "chunks", "engine"))
    parent, times = _object(manifest, "parent"), _object(manifest, "times")
    pairs: list[tuple[str, Any]] = [
        ("SHA-256 of the manifest", _hex(exhibit.manifest_sha256)),
        ("SHA-256 of the source", _hex(source.get("sha256"))),
        ("Merkle root of the text", _hex(chunks.get("root"))),
        ("Signed with the key", _hex(exhibit.report.subject.get("signing_key_id"))),
        ("Job", _text(manifest.get("job_id"))),
        ("Follows", f"{_text(parent.get('bundle_id'))} ({_text(parent.get('relation'))})" if parent else ""),
        ("Submitted", spelled_time(times.get("submitted_at"))),
        ("Sealed, as the signer says", spelled_time(times.get("sealed_at"))),
        ("Source", _source(source)),
        ("Read by", _engine(engine)),
        ("Log", _text(_object(manifest, "log").get("origin"))),
    ]
    rows = [join([tag("dt", name), tag("dd", value)]) for name, value in pairs if value]
    return tag(
        "section",
        tag("h2", "Files and hashes"),
        tag("dl", *rows, class_="pairs"),
        tag("h3", f"{len(exhibit.artifacts):,} files"),
        _files(exhibit),
        id="hashes",
    )


def _files(exhibit: Exhibit) -> Html:
    good = {
        check.entry
        for check in exhibit.report.checks
        if check.name == "artifact" and check.status is Status.PASSED
    }
    # What is broken comes first, so that the limit never hides it.
    ordered = sorted(exhibit.artifacts, key=lambda each: each.get("name") in good)
    rows = [_file(each, is_good=each.get("name") in good) for each in ordered[:MAX_FILES]]
    names = ("File", "State", "Bytes", "SHA-256 in the manifest")
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    left = len(ordered) - len(rows)
    more = tag("p", f"{left:,} more are not shown here; manifest.json has all.") if left else Html()
    return tag("div", tag("table", head, tag("tbody", *rows)), more, class_="scroll")


def _file(artifact: Mapping[str, Any], *, is_good: bool) -> Html:
    size = artifact.get("size")
    return tag(
        "tr",
        tag("td", _text(artifact.get("name"))),
        tag("td", "✓ holds" if is_good else "✗ broken", class_=f"state {'good' if is_good else 'bad'}"),
        tag("td", f"{size:,}" if isinstance(size, int) else "", class_="number"),
        tag("td", _hex(artifact.get("sha256"))),
        class_=None if is_good else "failed",
    )


def _limits(report: Report) -> Html:
    return tag(
        "section",
        tag("h2", "What this does not prove"),
        tag("ul", *(tag("li", each) for each in report.not_proven), class_="plain"),
        id="limits",
    )


def _again(made: Made, report: Report) -> Html:
    name = made.name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", made.name) else "BUNDLE.zip"
    commands = f"affidavit verify {name} --key KEY.pem\nunzip -p {name} manifest.json | sha256sum"
    lines = [VIEW]
    if report.verdict is Status.FAILED:
        lines.append(
            "What is not as it was sealed is left out above. The rest is shown as it is in the file."
        )
    return tag(
        "section",
        tag("h2", "Check it yourself"),
        *(tag("p", line) for line in lines),
        tag("pre", tag("code", commands), tabindex="0"),
        id="again",
    )


def _footer(made: Made) -> Html:
    return tag(
        "footer",
        tag(
            "p", f"Made {made.at} by affidavit {made.version} from {made.name}, {made.size:,} bytes, SHA-256 "
        ),
        tag("p", tag("code", made.sha256)),
    )


def _pages(exhibit: Exhibit, shown: Sequence[Shown], chosen: Chosen) -> Iterator[str]:
    present = extracted.page_numbers(exhibit)
    cited = {each.page for each, _ in shown if each.page in present}
    wanted = cited | (chosen.numbers & present) or set(sorted(present)[:FIRST_PAGES])
    numbers = sorted(present if chosen.every else wanted)[:MAX_SHEETS]
    total = _object(exhibit.manifest, "pages").get("total")
    yield '<div class="pages" tabindex="0" role="region" aria-label="Pages"><h2>Pages</h2>'
    yield _page_links(numbers, len(present), has_citations=bool(cited))
    yield from figures(exhibit, numbers, shown, total if isinstance(total, int) else 0)
    yield "</div>"


def _page_links(numbers: Sequence[int], present: int, *, has_citations: bool) -> Html:
    left = present - len(numbers)
    said = []
    if has_citations:
        said.append(
            "Outlined is what is cited: solid as printed or in another spelling, dashed close to it, dotted "
            "placed by hand. Follow an outline to its value, and a quote to its outline."
        )
    if left > 0:
        which = "cite nothing and " if has_citations else ""
        said.append(f"{left:,} more pages {which}are left out: `affidavit show --pages all` shows them.")
    links = [tag("a", str(number), href=f"#page-{number}") for number in numbers]
    nav = tag("nav", "Page ", *links, aria_label="Pages") if len(links) > 1 else Html()
    return join([nav, *(tag("p", text, class_="legend") for text in said)])


def _source(source: Mapping[str, Any]) -> str:
    size = source.get("size")
    said = [_text(source.get(name)) for name in ("name", "url", "media_type")]
    return ", ".join([part for part in said if part] + ([f"{size:,} bytes"] if isinstance(size, int) else []))


def _engine(engine: Mapping[str, Any]) -> str:
    model = engine.get("model")
    name = model.get("name") if isinstance(model, dict) else model
    ocr = _object(engine, "ocr").get("engines")
    readers = [each for each in ocr if isinstance(each, str)] if isinstance(ocr, list) else []
    version = _text(engine.get("version"))
    said = [f"affidavit {version}" if version else "", *readers, f"model {name}" if name else ""]
    return ", ".join(part for part in said if part)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return shortened(value, 500) if isinstance(value, str) else ""


def _hex(value: object) -> Html:
    return tag("code", _text(value)) if _text(value) else Html()
