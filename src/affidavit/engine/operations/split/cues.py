"""Weigh what speaks for and against a boundary between two pages.

Each cue gives log odds that add up, as in a logistic model. The weights are set by hand, each for the reason
beside it, and were checked on packets that the tests generate; none was fitted to documents of others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affidavit.engine.operations.shapes.split import Cue, Reason
from affidavit.engine.operations.split.facts import PageFacts
from affidavit.engine.operations.split.identifiers import Scope, scope_of
from affidavit.engine.operations.split.marks import Mark, Style
from affidavit.engine.stages.values.folding import squash

# Most gaps in a file are inside a document: whoever sends one document must get one back.
BIAS: Final = -1.4
SAME_SIZE: Final = 0.02  # of the page
SAME_PRINT: Final = 0.18  # of the height of the words
PER_LENGTH: Final = 0.35  # of log odds, for each factor of e in pages
MANY_WORDS: Final = 100  # on both pages: that they share none is then no chance
MIN_LINE: Final = 6  # letters; a shorter line repeats by chance
UNALIKE, ALIKE = 0.2, 0.5
SENTENCE: Final = 4  # words
MIN_TITLE: Final = 0.5  # in quality: large, or a line of its own; less is a word in the text
SAME_EDGE: Final = 8.0  # page units
MOST_OF_SENDER: Final = 2.4
_OF_SENDER = frozenset({Cue.LETTERHEAD, Cue.FOOTER, Cue.VOCABULARY})
COMMON: Final = 5  # pages that have a word, from which on it tells less
LOW, HIGH = 0.7, 0.45  # of the page: where a table must end, and go on
FULL: Final = 0.82  # of the page: a page filled this far may go on
SHORT: Final = 0.6

# A page that says "2 of 3" after "1 of 3" belongs to it whatever else differs; a bare number may be any.
_FOLLOWS = {Style.OF_TOTAL: -6.0, Style.NAMED: -4.5, Style.BARE: -2.5}
_RESTARTS = {Style.OF_TOTAL: 5.5, Style.NAMED: 4.5, Style.BARE: 2.2}
_OUT_OF_ORDER = {Style.OF_TOTAL: 3.5, Style.NAMED: 1.5, Style.BARE: 0.0}
_FIRST_NUMBERED = {Style.OF_TOTAL: 3.5, Style.NAMED: 2.5, Style.BARE: 1.0}
_LATER_NUMBERED = {Style.OF_TOTAL: -3.0, Style.NAMED: -2.5, Style.BARE: -1.0}
_ENDED = 4.0  # the page before was the last of its count
AGAIN: Final = 1.0  # two first pages in a row are of two documents; a bare 1 after a 7 may be a chapter's
_STOPS = {Style.OF_TOTAL: 0.0, Style.NAMED: 0.8, Style.BARE: 0.4}


@dataclass(frozen=True, slots=True)
class Gap:
    """The place between two pages: `before` are the pages of the document so far, first to last.

    `between` are the pages left out here: blank pages and separators. `rarity` weighs the packet's words.
    """

    before: Sequence[PageFacts]
    after: PageFacts
    rarity: Mapping[str, float]
    blanks: int = 0
    has_separator: bool = False
    topics: tuple[str | None, str | None] = (None, None)

    @property
    def last(self) -> PageFacts:
        return self.before[-1]

    @property
    def first(self) -> PageFacts:
        return self.before[0]


def weigh(gap: Gap) -> tuple[float, tuple[Reason, ...]]:
    """Return the probability (0 to 1) of a boundary and the reasons, the strongest first."""
    reasons = [reason for cue in _CUES for reason in cue(gap) if abs(reason.weight) >= 0.05]
    reasons = _tempered(reasons)
    odds = BIAS + sum(reason.weight for reason in reasons)
    ordered = sorted(reasons, key=lambda reason: -abs(reason.weight))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds)))), tuple(ordered)


def _tempered(reasons: list[Reason]) -> list[Reason]:
    """Lower what several cues say together of the sender: two letters from one desk share all of it."""
    of_sender = sum(reason.weight for reason in reasons if reason.cue in _OF_SENDER)
    share = min(1.0, MOST_OF_SENDER / -of_sender) if of_sender < 0 else 1.0
    return [
        reason.model_copy(update={"weight": round(reason.weight * share, 2)})
        if reason.cue in _OF_SENDER
        else reason
        for reason in reasons
    ]


def rarity_of(pages: Sequence[PageFacts]) -> dict[str, float]:
    """Return how much each word of the packet tells: less, the more pages have it.

    Counted in pages, not as a share of them: in a short packet a word on every page is still telling.
    """
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update(page.words.keys())
    return {word: 1 / math.sqrt(1 + count / COMMON) for word, count in counts.items()}


def _separators(gap: Gap) -> Iterator[Reason]:
    if gap.has_separator:
        yield _reason(Cue.SEPARATOR, 9.0, "a separator page stands between")
    if gap.blanks:
        yield _reason(Cue.BLANK, 0.9, "a blank page stands between")


def _page_numbers(gap: Gap) -> Iterator[Reason]:
    before, after = gap.last.marks, gap.after.marks
    following = next((mark for mark in after for other in before if mark.follows(other)), None)
    if following:
        yield _reason(Cue.PAGE_NUMBER, _FOLLOWS[following.style], f"page {following} follows in order")
    rivals = [mark for mark in after if following is None or mark.style > following.style]
    if rivals:
        yield from _new_number(gap, rivals[0], before)
    if following is None and any(mark.is_last for mark in before):
        mark = next(mark for mark in before if mark.is_last)
        yield _reason(Cue.PAGE_NUMBER, _ENDED, f"page {mark} was the last")
    if before and not after:
        yield _reason(Cue.PAGE_NUMBER, _STOPS[before[0].style], "the page numbers stop")


def _new_number(gap: Gap, mark: Mark, before: Sequence[Mark]) -> Iterator[Reason]:
    known = next((other for other in before if other.style is mark.style), None)
    if known is None:
        if mark.is_first:
            yield _reason(Cue.PAGE_NUMBER, _FIRST_NUMBERED[mark.style], f"page {mark} is a first page")
        elif not mark.prefix:
            fits = mark.number == len(gap.before) + 1
            weight = _LATER_NUMBERED[mark.style] * (1.4 if fits else 0.2)  # else it counts in another file
            yield _reason(Cue.PAGE_NUMBER, weight, f"page {mark} is a later page")
    elif mark.is_first and (known.prefix == mark.prefix or mark.style > Style.BARE):
        weight = _RESTARTS[mark.style] + (AGAIN if known.is_first else 0.0)
        yield _reason(Cue.PAGE_NUMBER, weight, f"page {mark} comes after page {known}")
    elif known.prefix == mark.prefix:
        yield _reason(Cue.PAGE_NUMBER, _OUT_OF_ORDER[mark.style], f"page {mark} does not follow page {known}")


def _identifiers(gap: Gap) -> Iterator[Reason]:
    """Compare the labelled numbers and dates of this page with those that its document gave so far."""
    known: dict[str, str] = {}
    for page in (gap.last, gap.first):
        for label, value in page.identifiers.items():
            known.setdefault(label, value)
    shared = [label for label in gap.after.identifiers if label in known]
    same = {scope_of(label): label for label in shared if known[label] == gap.after.identifiers[label]}
    differ = {scope_of(label): label for label in shared if known[label] != gap.after.identifiers[label]}
    if Scope.DOCUMENT in same:
        yield _reason(Cue.IDENTIFIER, -3.5, f"the same '{same[Scope.DOCUMENT]}'")
    elif Scope.DOCUMENT in differ:
        yield _reason(Cue.IDENTIFIER, 3.5, f"another '{differ[Scope.DOCUMENT]}'")
    elif Scope.DATE in differ or Scope.OTHER in differ:
        label = differ.get(Scope.DATE) or differ[Scope.OTHER]
        yield _reason(Cue.IDENTIFIER, 1.2, f"another '{label}'")
    elif same:
        yield _reason(Cue.IDENTIFIER, -1.2, f"the same '{next(iter(same.values()))}'")
    elif any(scope_of(label) is Scope.DOCUMENT for label in gap.after.identifiers):
        yield _reason(Cue.IDENTIFIER, 0.5, "a number of its own")


def _titles(gap: Gap) -> Iterator[Reason]:
    title, known = gap.after.title, [page.title for page in (gap.last, gap.first) if page.title]
    if title is None or title.quality < MIN_TITLE:
        if gap.first.title and gap.first.title.quality >= 0.9:
            yield _reason(Cue.TITLE, -0.7, "no title, unlike the first page")
        return
    if any(other.match.title == title.match.title for other in known):
        # A running head repeats the title; so does the next document of the kind.
        is_repeated = squash(title.segment.text) in {squash(other.segment.text) for other in known}
        has_number = any(map(str.isdigit, title.segment.text))
        weight = (-1.5 if has_number else 0.0) if is_repeated else 1.6 if has_number else 0.6
        yield _reason(Cue.TITLE, weight, "the same title" if is_repeated else "the title with another number")
        return
    is_same_kind = any(other.match.kind == title.match.kind for other in known)
    weight = title.quality**2 * (1.6 if is_same_kind else 3.2)
    yield _reason(Cue.TITLE, weight, f"the title '{title.match.title}'")


def _first_page(gap: Gap) -> Iterator[Reason]:
    """Look for what first pages have; where the page before has it too, it is a running head."""
    opening = [sign for sign in gap.after.opening if sign not in gap.last.opening or not _is_repeated(gap)]
    weights = {"an addressee": 0.9, "a salutation": 1.6, "a date": 0.2, "large print": 0.7}
    total = sum(weights[sign] for sign in opening)
    if total:
        yield _reason(Cue.FIRST_PAGE, min(2.6, total), f"opens with {', '.join(opening)}")
    elif gap.first.opening:
        yield _reason(Cue.FIRST_PAGE, -0.6, "does not open like a first page")


def _is_repeated(gap: Gap) -> bool:
    """Tell whether most of the head stands on the page before, to the letter."""
    lines = _lines(gap.after.head)
    return bool(lines) and len(lines & _lines(gap.last.head)) >= 0.6 * len(lines)


def _heads(gap: Gap) -> Iterator[Reason]:
    mine = _lines(gap.after.head)
    if not mine:
        if len(_lines(gap.first.head)) >= 3:
            yield _reason(Cue.LETTERHEAD, -0.3, "no letterhead")
        return
    likeness = max(_share(mine, _lines(page.head)) for page in (gap.last, gap.first))
    if len(gap.before) > 1 and _is_repeated(gap):
        # The page before was not the first one and had this head: that is how running heads look.
        yield _reason(Cue.RUNNING_HEAD, -1.6, "the running head of the pages before")
    elif len(gap.before) > 1 and _share(mine, _lines(gap.first.head)) >= ALIKE and len(mine) > 1:
        yield _reason(Cue.LETTERHEAD, 1.6, "the letterhead of the first page comes again")
    elif likeness >= ALIKE:
        yield _reason(Cue.LETTERHEAD, -1.2 * likeness, "the same lines at the top")
    elif len(gap.before) > 1 and _share(_lines(gap.last.head), _lines(gap.before[-2].head)) >= ALIKE:
        yield _reason(Cue.RUNNING_HEAD, 0.9, "the running head of the pages before ends")
    elif likeness < UNALIKE and len(mine) >= 3:
        yield _reason(Cue.LETTERHEAD, 0.3, "other lines at the top")  # as on most second pages


def _feet(gap: Gap) -> Iterator[Reason]:
    mine = _lines(gap.after.foot)
    theirs = [_lines(page.foot) for page in (gap.last, gap.first)]
    if mine and any(theirs):
        likeness = max(_share(mine, lines) for lines in theirs)
        if likeness >= ALIKE:
            yield _reason(Cue.FOOTER, -1.8 * likeness, "the same foot")
            return
    if len(gap.before) > 1 and _share(theirs[0], _lines(gap.before[-2].foot)) >= ALIKE:
        yield _reason(Cue.FOOTER, 1.0, "the foot of the pages before ends")
    elif mine and any(theirs):
        yield _reason(Cue.FOOTER, 0.5, "another foot")  # or the last lines of a full page


def _layout(gap: Gap) -> Iterator[Reason]:
    here, there = gap.after, gap.last
    turned = (there.size[1], there.size[0])
    if not _same_size(here.size, there.size):
        is_turned = _same_size(here.size, turned)
        yield _reason(Cue.LAYOUT, 0.5 if is_turned else 1.8, "turned" if is_turned else "another page size")
    if here.is_scan is not there.is_scan:
        yield _reason(Cue.LAYOUT, 1.6, "scanned and not scanned")
    if not _same_print(here, there):
        yield _reason(Cue.LAYOUT, 0.6, "another size of print")
    if abs(here.left - there.left) > 0.05:
        yield _reason(Cue.LAYOUT, 0.4, "another margin")


def _same_size(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= SAME_SIZE * max(a, b) for a, b in zip(one, other, strict=True))


def _same_print(one: PageFacts, other: PageFacts) -> bool:
    return abs(one.height - other.height) <= SAME_PRINT * max(one.height, other.height)


def _vocabulary(gap: Gap) -> Iterator[Reason]:
    """Compare the words, the rarer the more; short pages tell little."""
    likeness = max(_cosine(gap.after.words, page.words, gap.rarity) for page in (gap.last, gap.first))
    fewest = min(gap.after.words.total(), gap.last.words.total())
    most = 1.2 if fewest >= MANY_WORDS else 0.7
    weight = max(-1.6, min(most, (0.12 - likeness) * 10)) * min(1.0, fewest / 60)
    yield _reason(Cue.VOCABULARY, weight, f"{round(100 * likeness)} % alike in words")


def _cosine(one: Counter[str], other: Counter[str], rarity: Mapping[str, float]) -> float:
    mine, theirs = (
        {word: (1 + math.log(n)) * rarity.get(word, 0.0) for word, n in each.items()} for each in (one, other)
    )
    product = sum(weight * theirs[word] for word, weight in mine.items() if word in theirs)
    norm = math.sqrt(sum(w * w for w in mine.values()) * sum(w * w for w in theirs.values()))
    return product / norm if norm else 0.0


def _continuations(gap: Gap) -> Iterator[Reason]:
    last, after = gap.last, gap.after
    if after.carries_in or last.carries_out:
        yield _reason(Cue.CONTINUATION, -2.5, "carried forward")
    looks_alike = _same_size(last.size, after.size) and _same_print(last, after)
    if looks_alike and last.filled >= SHORT and _cuts_sentence(last.last_row, after.first_row):
        yield _reason(Cue.CONTINUATION, -2.2, "a sentence goes on")
    if _table_goes_on(gap):
        yield _reason(Cue.CONTINUATION, -2.0, "a table goes on")


def _cuts_sentence(last: str, first: str) -> bool:
    if len(last.split()) < SENTENCE or len(first.split()) < SENTENCE:
        return False
    return last.rstrip()[-1] not in ".!?:;\u3002" and first.lstrip()[0].islower()


def _length(gap: Gap) -> Iterator[Reason]:
    """Let weak cues end a long document less easily than a short one: a filing has many odd pages."""
    if len(gap.before) > 1:
        text = f"{len(gap.before)} pages belong together so far"
        yield _reason(Cue.CONTINUATION, -PER_LENGTH * math.log(len(gap.before)), text)


def _table_goes_on(gap: Gap) -> bool:
    above, below = gap.last.last_table, gap.after.first_table
    if above is None or below is None or above.columns != below.columns or below.columns < 3:
        return False
    is_placed = above.box[3] > LOW * gap.last.size[1] and below.box[1] < HIGH * gap.after.size[1]
    return is_placed and all(abs(above.box[side] - below.box[side]) < SAME_EDGE for side in (0, 2))


def _endings(gap: Gap) -> Iterator[Reason]:
    if gap.last.is_closed:
        yield _reason(Cue.ENDING, 0.8, "the page before closes")
    if gap.last.filled < SHORT:
        yield _reason(Cue.ENDING, 0.5, "the page before ends early")
    elif gap.last.filled > FULL:
        yield _reason(Cue.ENDING, -0.3, "the page before is full")


def _topics(gap: Gap) -> Iterator[Reason]:
    before, after = gap.topics
    if before and after:
        changes = before != after
        yield _reason(Cue.TOPIC, 1.5 if changes else -0.4, "another topic" if changes else "the same topic")


def _reason(cue: Cue, weight: float, text: str) -> Reason:
    return Reason(cue=cue, weight=round(weight, 2), text=text)


def _lines(texts: Sequence[str]) -> frozenset[str]:
    """Return the lines that say something, with their digits masked: numbers and dates may differ."""
    squashed = (squash(text) for text in texts)
    masked = ("".join("0" if char.isdigit() else char for char in text) for text in squashed)
    return frozenset(line for line in masked if sum(map(str.isalpha, line)) >= MIN_LINE)


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, min(len(one), len(other)))


_CUES: Final = (
    _separators,
    _page_numbers,
    _identifiers,
    _titles,
    _first_page,
    _heads,
    _feet,
    _layout,
    _vocabulary,
    _continuations,
    _length,
    _endings,
    _topics,
)
