"""Packets of whole documents, concatenated from the sets, and how well they are taken apart again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymupdf

from accuracy.truth import Truth
from affidavit.engine.operations.classify.evidence import rows_by_page
from affidavit.engine.operations.shapes.classify import Label
from affidavit.engine.operations.shapes.split import UNCATEGORISED, SplitParameters
from affidavit.engine.operations.split import split
from affidavit.engine.operations.split.marks import Mark, find_marks
from affidavit.engine.result import Document
from affidavit.engine.stages.fields.view import View

SETS = ("zugferd", "invoice2data", "extract_bench", "icdar2013_tables", "tabula_camelot_tables")
LONGEST = 12  # pages of a document that goes into a packet; longer ones are tried alone
MOST_DOCUMENTS, FEWEST_DOCUMENTS = 8, 3
BLANKS = 0.5  # chance of a blank page between two documents, in every second packet

TOPICS = (
    Label(name="invoice", description="An invoice or credit note with its items and totals"),
    Label(name="filing", description="A quarterly financial report with balance sheet and cash flows"),
    Label(name="agreement", description="A credit agreement or other contract between parties"),
    Label(name="paper", description="A scientific paper with abstract, introduction and references"),
    Label(name="competition", description="Results of a swimming competition with times of athletes"),
)
# What the ids of documents begin with, where that says what the document is; of others it is not known.
CLASSES = {
    "zugferd/": "invoice",
    "invoice2data/": "invoice",
    "extract_bench/10kq": "filing",
    "extract_bench/credit_agreement": "agreement",
    "extract_bench/research": "paper",
    "extract_bench/swimming": "competition",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A document of a set. `topic` is its class where the set says it."""

    id: str
    file: Path
    pages: int
    topic: str | None


@dataclass(frozen=True, slots=True)
class Packet:
    """A concatenated file: the first page of each member, and the pages that are blank."""

    file: Path
    members: tuple[Member, ...]
    starts: tuple[int, ...]
    blank: tuple[int, ...]

    @property
    def boundaries(self) -> frozenset[int]:
        return frozenset(self.starts[1:])

    def topic_of(self, page: int) -> str | None:
        """Return the class of a page; None for a blank one and where the class is not known."""
        if page in self.blank:
            return None
        at = max(index for index, start in enumerate(self.starts) if start <= page)
        return self.members[at].topic

    @property
    def truth(self) -> Truth:
        return truth_of(self.file.stem, self.file)


def truth_of(name: str, file: Path) -> Truth:
    """Return what a shelf needs to read a file."""
    return Truth(set="split", id=name, file=file, schema={}, expected=None, hidden=frozenset())


def members(folder: Path, sets: Sequence[str]) -> list[Member]:
    """Return the PDFs of the sets that open. Raises SystemExit when there is none."""
    found = [member for name in sets or SETS for member in _members(folder / name)]
    if not found:
        raise SystemExit(f"{folder}: no truth.jsonl in {', '.join(sets or SETS)}")
    return found


def _members(home: Path) -> Iterator[Member]:
    if not (home / "truth.jsonl").exists():
        return
    for line in (home / "truth.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line)
        file = home / told["file"]
        if file.suffix.lower() != ".pdf":
            continue
        with pymupdf.open(file) as pdf:
            path = f"{home.name}/{file.name}"
            topic = next((topic for start, topic in CLASSES.items() if path.startswith(start)), None)
            yield Member(told["id"], file, pdf.page_count, topic)


def packets(found: Sequence[Member], count: int, seed: int, folder: Path) -> Iterator[Packet]:
    """Write `count` packets into `folder` and yield them; the same seed gives the same packets."""
    rng = random.Random(seed)
    short = [member for member in found if member.pages <= LONGEST]
    for number in range(count):
        chosen = rng.sample(short, rng.randint(FEWEST_DOCUMENTS, MOST_DOCUMENTS))
        has_blanks = number % 2 == 1
        blank_before = [has_blanks and rng.random() < BLANKS for _ in chosen]
        yield _packet(chosen, blank_before, folder / f"packet-{seed}-{number}.pdf")


def _packet(chosen: Sequence[Member], blank_before: Sequence[bool], file: Path) -> Packet:
    starts: list[int] = []
    blank: list[int] = []
    with pymupdf.open() as pdf:
        for member, has_blank in zip(chosen, blank_before, strict=True):
            if has_blank and starts:
                pdf.new_page()
                blank.append(pdf.page_count)
            starts.append(pdf.page_count + 1)
            with pymupdf.open(member.file) as source:
                pdf.insert_pdf(source)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pdf.tobytes(garbage=3, deflate=True, no_new_id=True))
    return Packet(file, tuple(chosen), tuple(starts), tuple(blank))


@dataclass(frozen=True, slots=True)
class Taken:
    """How a packet was taken apart, by ours and by two simpler ways; and its pages' classes."""

    packet: Packet
    ours: frozenset[int]
    every_page: frozenset[int]
    page_numbers: frozenset[int]
    right_classes: int
    classes: int


def take_apart(packet: Packet, document: Document) -> Taken:
    """Split a packet that was read: the boundaries without topics, the classes with them."""
    plain = split(document, SplitParameters())
    named = split(document, SplitParameters(topics=TOPICS))
    topics = {page: part.topic for part in named.parts for page in part.pages}
    known = {page.number: packet.topic_of(page.number) for page in document.pages}
    classed = {page: topic for page, topic in known.items() if topic is not None}
    return Taken(
        packet=packet,
        ours=frozenset(boundary.page for boundary in plain.boundaries if boundary.splits),
        every_page=frozenset(page.number for page in document.pages if page.words) - {packet.starts[0]},
        page_numbers=_by_numbers(document),
        right_classes=sum(topics.get(page, UNCATEGORISED) == topic for page, topic in classed.items()),
        classes=len(classed),
    )


def _by_numbers(document: Document) -> frozenset[int]:
    """Split where page numbers begin anew: the plain rule, with our reading of the numbers."""
    view = View(document)
    rows = rows_by_page(view)
    found: set[int] = set()
    before: Sequence[Mark] = ()
    for page in document.pages:
        marks = find_marks(rows.get(page.number, ()), page.height)
        follows = any(mark.follows(other) for mark in marks for other in before)
        if page.words and not follows and any(mark.is_first for mark in marks):
            found.add(page.number)
        before = marks or before
    return frozenset(found - {document.pages[0].number})


def scores(pairs: Sequence[tuple[frozenset[int], frozenset[int]]]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of (found, wanted) boundaries over all packets."""
    right = sum(len(found & wanted) for found, wanted in pairs)
    precision = right / max(1, sum(len(found) for found, _ in pairs))
    recall = right / max(1, sum(len(wanted) for _, wanted in pairs))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)
