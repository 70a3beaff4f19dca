"""Gather what a page shows of where its document begins, goes on and ends."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from affidavit.engine.operations.kinds import WORDS, TitleMatch, match_title
from affidavit.engine.operations.split.identifiers import find_identifiers
from affidavit.engine.operations.split.marks import Mark, find_marks
from affidavit.engine.result import BlockType, Page, PageSource, Table
from affidavit.engine.stages.fields.view import Row, Segment, Token, word_height
from affidavit.engine.stages.values.dates import find_dates
from affidavit.engine.stages.values.folding import fold

HEAD: Final = 0.22  # of the page: letterheads and running heads
UPPER: Final = 0.45  # of the page: titles, addressees, dates
FOOT: Final = 0.88
MOST_HEAD_ROWS: Final = 14
MOST_FOOT_ROWS: Final = 8
MOST_ROWS: Final = 400  # of a page that are looked at; a dense page has about 100
MOST_WORDS: Final = 1500  # whose vocabulary is compared
MIN_WORD: Final = 4  # letters; shorter ones are mostly grammar
LARGE: Final = 1.25  # times the height of the page's words
SEPARATOR_WORDS: Final = 12  # a page with more is a page of a document
NOISE_WORDS: Final = 3  # that a reader of images sees in the dirt of a blank page
NOISE: Final = 0.6  # confidence under which such words are dirt
SENTENCE: Final = 5  # words in a line of prose

_INTENTIONAL = re.compile(
    r"(?:this )?page (?:is )?(?:intentionally|deliberately) (?:left )?blank|(?:diese )?seite (?:wurde |ist )?"
    r"(?:absichtlich|bewusst) (?:frei|leer)|page (?:laissee )?(?:intentionnellement |volontairement )?"
    r"(?:vierge|blanche)|pagina (?:dejada )?intencionadamente en blanco|pagina (?:lasciata )?"
    r"intenzionalmente (?:in )?bianc"
)
_SEPARATOR = re.compile(
    r"separator|separator sheet|document separator|batch separator|patch (?:code )?(?:t|ii|iii|1|2|3|4|6)|"
    r"patch ?[t2346]|trennblatt|trennseite|separateur|intercalaire|separador|separatore|scheidingsblad"
)
_SALUTATION = re.compile(
    r"dear |to whom it may concern|sehr geehrte|liebe[r]? |guten tag|madame|monsieur|chere? |bonjour|"
    r"estimad[oa]|muy sen?or|egregi|gentile|spett|geachte|beste "
)
_TOWN = (
    re.compile(  # a postcode and its town on a line of their own, in the orders of Europe, Britain, America
        r"(?:[A-Z]{1,3}[- ])?\d{4,5}(?: [A-Z]{2})? [A-Z\u00c0-\u00dd][^\W\d_]{2,}[a-z][^\d,;|@:]{0,24}"
        r"|(?:[^\W\d_][^\d,;|@:]{2,30}[ ,]+)?[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
        r"|[^\W\d_][^\d;|@:]{2,30}, [A-Z]{2} \d{5}(?:-\d{4})?"
    )
)
_CARRIED_OUT = re.compile(
    r"(?:balance )?carried forward.*|ubertrag.*|a reporter.*|suma y sigue.*|a riportare.*|transporteren.*|"
    r"continued.*|fortsetzung.*|weiter auf.*|suite page.*|suite au verso.*|continua.*|vervolg.*|"
    r"see next page.*|.*\(continued\)|please turn over.*|bitte wenden.*"
)
_CARRIED_IN = re.compile(
    r"(?:balance )?brought forward.*|ubertrag.*|report(?: a nouveau)? [\d.,]+.*|suma anterior.*|riporto.*|"
    r"transport [\d.,]+.*|.*\bcontinued\b.*|.*\bcont['.]d\b.*|.*\bfortsetzung\b.*|.*\(suite\).*|"
    r".*\(segue\).*|.*\(continuacion\).*|.*\(vervolg\).*"
)
_CLOSING = re.compile(
    r".*(?:sincerely|faithfully|kind regards|best regards|mit freundlichen gru|veuillez agreer|cordialement|"
    r"atentamente|cordiali saluti|distinti saluti|vriendelijke groet|hoogachtend|end of (?:document|report)|"
    r"thank you for your business|vielen dank fur ihren).*"
)


@dataclass(frozen=True, slots=True)
class Title:
    """A line in the upper part of a page that names a kind of document."""

    match: TitleMatch
    segment: Segment
    quality: float


@dataclass(frozen=True, slots=True)
class PageFacts:
    """One page. Texts are folded; `head` and `foot` have the rows at its edges without page numbers."""

    number: int
    size: tuple[float, float]
    is_scan: bool
    is_blank: bool
    is_separator: bool
    marks: tuple[Mark, ...]
    head: tuple[str, ...]
    foot: tuple[str, ...]
    title: Title | None
    heading: str | None
    identifiers: Mapping[str, str]
    opening: tuple[str, ...]
    words: Counter[str]
    left: float
    height: float
    filled: float
    first_row: str
    last_row: str
    is_closed: bool
    carries_in: bool
    carries_out: bool
    first_table: Table | None
    last_table: Table | None


def gather(page: Page, rows: Sequence[Row]) -> PageFacts:
    """Return the facts of a page from its rows, top to bottom."""
    rows = rows[:MOST_ROWS]
    texts = [_text(row) for row in rows]
    marks = find_marks(rows, page.height)
    numbered = {index for index, row in enumerate(rows) if find_marks([row], page.height)}
    head, body, foot = _zones(page, rows, numbered)
    tokens = [token for row in rows for token in row.tokens]
    height = word_height(tokens)
    is_blank = _is_blank(page, texts)
    tables = sorted(page.tables, key=lambda table: table.box[1])
    return PageFacts(
        number=page.number,
        size=(page.width, page.height),
        is_scan=page.source is PageSource.OCR,
        is_blank=is_blank,
        is_separator=not is_blank and _is_separator(page, texts),
        marks=marks,
        head=tuple(texts[index] for index in head[:MOST_HEAD_ROWS]),
        foot=tuple(texts[index] for index in foot[:MOST_FOOT_ROWS]),
        title=_title(page, rows, height),
        heading=_heading(page),
        identifiers=find_identifiers(rows, page.height),
        opening=_opening(page, rows, height),
        words=_vocabulary(tokens),
        left=median(row.box[0] for row in rows) / page.width if rows else 0.0,
        height=height / page.height,
        filled=max((rows[index].box[3] for index in (*head, *body)), default=0.0) / page.height,
        first_row=next((_raw(rows[at]) for at in (*head, *body) if _is_prose(rows[at])), ""),
        last_row=next(
            (_raw(rows[at]) for at in (*reversed(body), *reversed(head)) if _is_prose(rows[at])), ""
        ),
        is_closed=any(_CLOSING.fullmatch(text) for text in texts[-12:]),
        carries_in=any(_CARRIED_IN.fullmatch(text) for text in texts[:20] if len(text) < 80),
        carries_out=any(_CARRIED_OUT.fullmatch(text) for text in texts[-8:] if len(text) < 80),
        first_table=tables[0] if tables else None,
        last_table=max(tables, key=lambda table: table.box[3]) if tables else None,
    )


def _text(row: Row) -> str:
    return fold(_raw(row))


def _raw(row: Row) -> str:
    return " ".join(segment.text for segment in row.segments)


def _is_prose(row: Row) -> bool:
    return len(row.tokens) >= SENTENCE


def _zones(page: Page, rows: Sequence[Row], numbered: set[int]) -> tuple[list[int], list[int], list[int]]:
    """Return the rows of the head, of the body and of the foot by index, without page numbers."""
    head, body, foot = [], [], []
    for index, row in enumerate(rows):
        if index in numbered and not len(row.tokens) > SENTENCE:
            continue
        if row.box[3] < HEAD * page.height:
            head.append(index)
        elif row.box[1] > FOOT * page.height:
            foot.append(index)
        else:
            body.append(index)
    return head, body, foot


def _is_blank(page: Page, texts: Sequence[str]) -> bool:
    if not page.words:
        return True
    if len(texts) <= 3 and any(_INTENTIONAL.search(text) for text in texts):
        return True
    is_dirt = len(page.words) <= NOISE_WORDS and all(word.confidence < NOISE for word in page.words)
    return page.source is PageSource.OCR and is_dirt


def _is_separator(page: Page, texts: Sequence[str]) -> bool:
    return len(page.words) <= SEPARATOR_WORDS and any(_SEPARATOR.match(text) for text in texts)


def _title(page: Page, rows: Sequence[Row], height: float) -> Title | None:
    """Return the line that names the document best: large, high up, and nothing else in it."""
    headings = {
        word
        for block in page.blocks
        if block.type is BlockType.HEADING
        for line in page.lines
        if line.id in block.lines
        for word in line.words
    }
    found = []
    for row in rows:
        if row.box[1] > UPPER * page.height:
            break
        for segment in row.segments:
            match = match_title(segment.text)
            if match:
                found.append(Title(match, segment, match.quality * _stands_out(segment, height, headings)))
    return max(found, key=lambda title: (title.quality, -title.segment.row), default=None)


def _stands_out(segment: Segment, height: float, headings: set[str]) -> float:
    is_large = segment.box[3] - segment.box[1] > LARGE * height
    if is_large or any(token.word.id in headings for token in segment.tokens):
        return 1.0
    return 0.85 if segment.text.isupper() else 0.5


def _heading(page: Page) -> str | None:
    """Return the first heading in the upper part of the page, as it is printed."""
    for block in page.blocks:
        if block.type is BlockType.HEADING and block.box[1] < UPPER * page.height:
            text = page.markdown[block.range[0] : block.range[1]].lstrip("# ").strip()
            return text[:200] or None
    return None


def _opening(page: Page, rows: Sequence[Row], height: float) -> tuple[str, ...]:
    """Return what a first page has and later pages lack, by name."""
    upper = [row for row in rows if row.box[1] < UPPER * page.height]
    segments = [segment for row in upper for segment in row.segments]
    signs = {
        "an addressee": any(_TOWN.fullmatch(segment.text) for segment in segments),
        "a salutation": any(_SALUTATION.match(fold(row_text)) for row_text in map(_raw, upper)),
        "a date": any(find_dates(segment.text) for segment in segments if len(segment.tokens) <= 8),
        "large print": any(
            token.box[3] - token.box[1] > 1.5 * height and token.text.isalpha()
            for row in upper[:20]
            for token in row.tokens
        ),
    }
    return tuple(name for name, is_there in signs.items() if is_there)


def _vocabulary(tokens: Sequence[Token]) -> Counter[str]:
    words: Counter[str] = Counter()
    for token in tokens[:MOST_WORDS]:
        words.update(
            word for word in WORDS.findall(fold(token.text)) if len(word) >= MIN_WORD and word.isalpha()
        )
    return words
