"""Split a packet into its documents: where each begins, why, and what it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from affidavit.engine.operations.classify.evidence import PageText, read_pages, rows_by_page
from affidavit.engine.operations.classify.scoring import Classifier, quotes_of
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.classify import UNKNOWN
from affidavit.engine.operations.shapes.split import (
    UNCATEGORISED,
    Barcode,
    Part,
    SplitOutcome,
    SplitParameters,
)
from affidavit.engine.operations.split.children import runs_of, write_children
from affidavit.engine.operations.split.codes import parts_documents, read_codes
from affidavit.engine.operations.split.facts import PageFacts, gather
from affidavit.engine.operations.split.parts import Cut, Run, cut
from affidavit.engine.result import Citation, Document, Match, Page
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.view import View

__all__ = ["run", "split"]

CLEAR_TOPIC: Final = 60  # per cent, from which on a page's topic says something about its neighbours
KNOWN_TOPIC: Final = 50
NO_FILE = "The bytes of the file are not at hand, so neither barcodes were read nor files written."


def run(context: Context, parameters: SplitParameters, replies: Replies) -> Finished:  # noqa: ARG001 - rules decide
    """Split the document, and write its parts as files where that is asked for."""
    codes = read_codes(context.document.pages, context.source, context.spec)
    outcome = split(context.document, parameters, codes)
    if not parameters.files:
        return Finished(outcome)
    if context.source is None:
        return Finished(outcome.model_copy(update={"notes": (*outcome.notes, NO_FILE)}))
    children = write_children(outcome.parts, context.source, context.spec)
    parts = tuple(part.model_copy(update={"file": children.names.get(part.number)}) for part in outcome.parts)
    notes = (*outcome.notes, *children.notes)
    return Finished(
        outcome.model_copy(update={"parts": parts, "notes": notes}), artifacts=tuple(children.artifacts)
    )


def split(document: Document, parameters: SplitParameters, codes: Sequence[Barcode] = ()) -> SplitOutcome:
    """Return the parts of a document; `codes` are what was read on its sparse pages."""
    view = View(document)
    facts = _facts(view, codes)
    topics = Topics(view, parameters)
    found = cut(facts, parameters, topics.of_pages([page.number for page in facts]))
    members = _members(document, facts, found, keeps_blank=parameters.keep_blank)
    parts = tuple(
        _part(number, run, pages, topics)
        for number, (run, pages) in enumerate(zip(found.runs, members, strict=True), start=1)
    )
    return SplitOutcome(
        parts=parts,
        boundaries=found.boundaries,
        blank_pages=tuple(page.number for page in facts if page.is_blank),
        separator_pages=tuple(page.number for page in facts if page.is_separator),
        unread_pages=tuple(error.page for error in document.failed),
        uncategorised_pages=tuple(
            page for part in parts if part.topic == UNCATEGORISED for page in part.pages
        ),
        barcodes=tuple(codes),
    )


class Topics:
    """What pages and parts are about: the caller's topics, or the kinds that are known."""

    def __init__(self, view: View, parameters: SplitParameters) -> None:
        self._view = view
        self._is_asked = bool(parameters.topics)
        self._classifier = Classifier(parameters.topics)
        self._texts = {text.page.number: text for text in read_pages(view)}

    def of_pages(self, numbers: Sequence[int]) -> Mapping[int, str | None]:
        """Return the topic of each page where one is clear; nothing when no topics were asked for."""
        if not self._is_asked:
            return {}
        return {number: self._clear(self._texts[number]) for number in numbers}

    def of_part(self, numbers: Sequence[int]) -> tuple[str, int, tuple[Citation, ...]]:
        """Return the topic of these pages together, how sure it is, and the words that speak for it."""
        texts = [self._texts[number] for number in numbers if number in self._texts]
        verdict = self._classifier.judge(texts)
        if verdict.label == UNKNOWN or verdict.confidence < KNOWN_TOPIC:
            return UNCATEGORISED, max(0, 100 - verdict.chance_of_label), ()
        quotes = quotes_of(verdict, texts)
        return verdict.label, verdict.confidence, tuple(cite(self._view, q, Match.EXACT) for q in quotes)

    def _clear(self, text: PageText) -> str | None:
        verdict = self._classifier.judge([text])
        return verdict.label if verdict.confidence >= CLEAR_TOPIC and verdict.label != UNKNOWN else None


def _facts(view: View, codes: Sequence[Barcode]) -> list[PageFacts]:
    rows = rows_by_page(view)
    by_page: dict[int, list[Barcode]] = {}
    for code in codes:
        by_page.setdefault(code.page, []).append(code)
    return [
        _with_codes(gather(page, rows.get(page.number, ())), page, by_page.get(page.number, ()))
        for page in view.document.pages
    ]


def _with_codes(facts: PageFacts, page: Page, codes: Sequence[Barcode]) -> PageFacts:
    if not parts_documents(page, codes):
        return facts
    return replace(facts, is_separator=True, is_blank=False)


def _members(
    document: Document, facts: Sequence[PageFacts], found: Cut, *, keeps_blank: bool
) -> list[list[int]]:
    """Return the page numbers of each run, with the blank and unread pages that go with it."""
    starts = [run.pages[0].number for run in found.runs]
    kept = {page.number for page in facts if not page.is_separator and (keeps_blank or not page.is_blank)}
    kept.update(error.page for error in document.failed)
    members: list[list[int]] = [[] for _ in starts]
    for number in sorted(kept) if starts else ():
        members[max(0, bisect_right(starts, number) - 1)].append(number)
    return members


def _part(number: int, run: Run, pages: Sequence[int], topics: Topics) -> Part:
    topic, sureness, citations = topics.of_part([page.number for page in run.pages])
    first = run.pages[0]
    return Part(
        number=number,
        pages=tuple(pages),
        range=spell_pages(pages),
        topic=topic,
        confidence=run.confidence,
        topic_confidence=sureness,
        title=first.title.segment.text if first.title else first.heading,
        citations=citations,
    )


def spell_pages(pages: Sequence[int]) -> str:
    """Return ascending page numbers in their shortest form, as in `1-3,7`."""
    runs = runs_of(pages)
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
