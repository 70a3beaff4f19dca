"""Judge citations: whether the cited box covers the words on the page that hold the value.

Only values that are right are judged. A citation is right when its box covers a place that holds the value,
and not much more: a line above and below, some words beside. Where a value stands at several places, any of
them is right for a value outside arrays; for a value in an item, only those in the rows of the item are, if
another value of the item that stands nowhere else tells where those are. A right value without a citation, or
for which the bench itself finds no place, counts as not grounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accuracy.places import Place, places
from accuracy.scoring import Outcome
from accuracy.trial import Trial
from accuracy.truth import Path_
from affidavit.engine.result import BoundingBox, Citation, Document

SLACK = 1.0  # of page units that a box may be off
WIDEST = 3.0  # of the place's own height, to all sides
ITEM_HEIGHTS = 2.5  # word heights below the row of an item in which its values may stand


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found about one right value. `verdict` is grounded, elsewhere, wide, uncited or unknown."""

    trial: Trial
    outcome: Outcome
    verdict: str
    places: int
    citation: Citation | None

    @property
    def is_grounded(self) -> bool:
        return self.verdict == "grounded"


def judge(trials: Sequence[Trial]) -> Iterator[Judgement]:
    """Yield a judgement of each right value's citations."""
    for trial in trials:
        if trial.document is not None:
            yield from _judge(trial, trial.document)


def _judge(trial: Trial, document: Document) -> Iterator[Judgement]:
    known = {each.path: places(document, each.got) for each in trial.outcomes if each.is_value}
    for outcome in trial.outcomes:
        if not outcome.is_value or isinstance(outcome.got, bool):
            continue
        found = trial.field(outcome)
        citations = found.citations if found else ()
        possible = _possible(outcome, known)
        best = min((verdict_of(each, possible) for each in citations), key=_ORDER.index, default="uncited")
        yield Judgement(trial, outcome, best, len(possible), citations[0] if citations else None)


_ORDER = ("grounded", "wide", "elsewhere", "unknown", "uncited")


def _possible(outcome: Outcome, known: dict[Path_, list[Place]]) -> list[Place]:
    """Return the places of a value; of an item, only those in its rows where these are known."""
    mine = known[outcome.path]
    if not outcome.in_array or len(mine) < 2:
        return mine
    item = _item(outcome.path)
    anchors = [found[0] for path, found in known.items() if _item(path) == item and len(found) == 1]
    in_rows = [each for each in mine if any(_is_in_row(each, anchor) for anchor in anchors)]
    return in_rows or mine


def _item(path: Path_) -> Path_ | None:
    last = max((at for at, step in enumerate(path) if isinstance(step, int)), default=None)
    return None if last is None else path[: last + 1]


def _is_in_row(place: Place, anchor: Place) -> bool:
    height = anchor.words[0].box[3] - anchor.words[0].box[1]
    _, top, _, bottom = anchor.box
    middle = (place.box[1] + place.box[3]) / 2
    return place.page == anchor.page and top - height <= middle <= bottom + ITEM_HEIGHTS * height


def verdict_of(citation: Citation | None, possible: Sequence[Place]) -> str:
    """Return what is to be said of a citation, given the places of the value."""
    if citation is None:
        return "uncited"
    if not possible:
        return "unknown"
    covered = [each for each in possible if each.page == citation.page and _covers(citation.box, each)]
    if not covered:
        return "elsewhere"
    return "grounded" if any(_is_close(citation.box, each.box) for each in covered) else "wide"


def _covers(box: BoundingBox, place: Place) -> bool:
    """Tell whether the middle of every word of the place lies in the box."""
    for word in place.words:
        x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
        if not (box[0] - SLACK <= x <= box[2] + SLACK and box[1] - SLACK <= y <= box[3] + SLACK):
            return False
    return True


def _is_close(box: BoundingBox, place: BoundingBox) -> bool:
    """Tell whether the box is not much larger than the place: a line above and below, some words beside."""
    height = place[3] - place[1]
    line = WIDEST * max(height, 1.0)
    wide = (box[2] - box[0]) - (place[2] - place[0])
    return (box[3] - box[1]) - height <= line and wide <= 6 * line


def summary(judgements: Sequence[Judgement]) -> list[object]:
    """Return a row: right values, the share grounded, and how many ended otherwise."""
    counted = Counter(each.verdict for each in judgements)
    share = counted["grounded"] / len(judgements) if judgements else float("nan")
    ambiguous = sum(each.places > 1 for each in judgements)
    return [len(judgements), share, *(counted[verdict] for verdict in _ORDER), ambiguous]


HEADER = ("set", "right values", "share", *_ORDER, "at several places")
