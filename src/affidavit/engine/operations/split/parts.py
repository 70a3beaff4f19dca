"""Cut the pages of a packet into documents, from the first page to the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from affidavit.engine.operations.shapes.split import Boundary, SplitParameters
from affidavit.engine.operations.split.cues import Gap, rarity_of, weigh
from affidavit.engine.operations.split.facts import PageFacts

SHOWN: Final = 0.15  # a gap less likely to be a boundary is not worth showing


@dataclass(frozen=True, slots=True)
class Run:
    """The pages of one document, and how likely a boundary its start and its end are."""

    pages: tuple[PageFacts, ...]
    start: float
    end: float
    doubt: float  # the likeliest boundary inside that was not taken

    @property
    def confidence(self) -> int:
        """How sure both ends are, and that nothing was missed between, 0 to 100."""
        return round(100 * min(self.start, self.end, 1 - self.doubt))


@dataclass(frozen=True, slots=True)
class Cut:
    """The runs of a packet and its noteworthy gaps. Blank pages and separators are in no run."""

    runs: tuple[Run, ...]
    boundaries: tuple[Boundary, ...]


def cut(pages: Sequence[PageFacts], parameters: SplitParameters, topics: Mapping[int, str | None]) -> Cut:
    """Cut `pages`, all that were read and in order. `topics` are those of single pages, where clear."""
    filled = [page for page in pages if not page.is_blank and not page.is_separator]
    if not filled:
        return Cut((), ())
    gaps = _weighed(pages, parameters.threshold / 100, topics)
    taken = _kept([gap for gap in gaps if gap.splits], parameters.max_parts - 1)
    boundaries = [replace(gap, splits=gap.page in taken) for gap in gaps]
    shown = [gap for gap in boundaries if gap.splits or gap.chance >= SHOWN]
    return Cut(_runs(filled, boundaries), tuple(gap.public() for gap in shown))


@dataclass(frozen=True, slots=True)
class _Weighed:
    page: int
    chance: float
    splits: bool
    boundary: Boundary

    def public(self) -> Boundary:
        return self.boundary.model_copy(update={"splits": self.splits})


def _weighed(
    pages: Sequence[PageFacts], threshold: float, topics: Mapping[int, str | None]
) -> list[_Weighed]:
    """Weigh every gap between pages with text, each against the document that stands before it."""
    rarity = rarity_of([page for page in pages if not page.is_blank])
    gaps: list[_Weighed] = []
    before: list[PageFacts] = []
    blanks, has_separator = 0, False
    for page in pages:
        if page.is_blank or page.is_separator:
            blanks += page.is_blank
            has_separator = has_separator or page.is_separator
            continue
        if before:
            ends = topics.get(before[-1].number), topics.get(page.number)
            chance, reasons = weigh(Gap(before, page, rarity, blanks, has_separator, ends))
            splits = chance >= threshold
            boundary = Boundary(
                page=page.number, splits=splits, probability=round(100 * chance), reasons=reasons
            )
            gaps.append(_Weighed(page.number, chance, splits, boundary))
            before = [] if splits else before
        before.append(page)
        blanks, has_separator = 0, False
    return gaps


def _kept(gaps: Sequence[_Weighed], most: int) -> frozenset[int]:
    surest = sorted(gaps, key=lambda gap: -gap.chance)[: max(0, most)]
    return frozenset(gap.page for gap in surest)


def _runs(pages: Sequence[PageFacts], gaps: Sequence[_Weighed]) -> tuple[Run, ...]:
    runs: list[Run] = []
    current, start, doubt = [pages[0]], 1.0, 0.0
    for page, gap in zip(pages[1:], gaps, strict=True):
        if gap.splits:
            runs.append(Run(tuple(current), start, gap.chance, doubt))
            current, start, doubt = [page], gap.chance, 0.0
        else:
            current.append(page)
            doubt = max(doubt, gap.chance)
    return (*runs, Run(tuple(current), start, 1.0, doubt))
