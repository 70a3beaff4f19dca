"""Find the parties of a document: blocks of name and address, senders in one line, letterheads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from affidavit.engine.stages.fields.headlines import kind_named
from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.lexicon import (
    ADDRESS_PARTS,
    LEGAL_FORMS,
    PARTIES,
    SALUTATIONS,
    STREET_WORDS,
)
from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.towns import Town, country_code, find_town
from affidavit.engine.stages.fields.view import Segment, View
from affidavit.engine.stages.values.folding import fold

LINES_ABOVE = 6  # of an address, over its town
PITCH = 2.3  # word heights from line to line in one block; single spacing is 1.0 to 1.5
PITCH_TO_NAME = 3.2  # the name may stand a little apart from the street
BLANK_LINE = 1.5  # of the distance between lines, from which on a line is left out
LABEL_SHARE = 0.85  # of a line's letters, from which on it is only a label
TOP = 0.35  # of the page, in which a letterhead stands
LONGEST_NAME = 9  # words
HEADED, FORMED, LARGE_BONUS, FIRST_BONUS = 0.35, 0.2, 0.2, 0.1  # what makes a letterhead
INCOMPLETE = 0.4  # of the score, at most, for what an address lacks

_SEPARATOR = re.compile(r"\s*[|•·●]\s*|\s*[,;*]\s+|\s+[-\u2013\u2022\u00b7\u25cf]\s+")
_UNPARTED = re.compile(
    r"^\S.*?\s(?P<form>[\w.]+)\s+(?P<street>[^\W\d_][^\d]*\d+\s?[a-z]?)\s+(?P<town>\d{4,5}\s[^\W\d_]+)(?:\s[^\W\d_]+)?$"
)

HitsByRow = Mapping[int, Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class Party:
    """A name with an address. `parts` are spans by name, address, street, postcode, city, country.

    `roles` says how surely it is whose, 0 to 1, by the keys of parties.
    """

    parts: Mapping[str, Span]
    is_one_line: bool
    page: int
    rows: tuple[int, int]
    roles: Mapping[str, float]

    def role(self, party: str) -> float:
        """Return how surely this is that party, 0 to 1."""
        return self.roles.get(party, 0.0)

    @property
    def completeness(self) -> float:
        """How whole the address is, up to 1: a town alone may be a bank's or a court's."""
        whole = sum(part in self.parts for part in ("name", "street", "postcode", "city")) / 4
        return 1 - INCOMPLETE * (1 - whole)

    @property
    def first(self) -> Segment:
        """The segment in the topmost row."""
        return min((span.segment for span in self.parts.values()), key=lambda segment: segment.row)


def find_blocks(view: View, hits: HitsByRow) -> list[Party]:
    """Return the names with an address, in order, without roles."""
    found = (_one_line(segment) or _block(view, at, hits) for at, segment in enumerate(view.segments))
    return [party for party in found if party]


def find_letterhead(
    view: View, hits: HitsByRow, others: Sequence[Party] = (), *, is_person: bool = False
) -> Span | None:
    """Return who heads the first page: the name that is largest, first, and of a company's legal form.

    The names of `others` are theirs. A person's name has no legal form. The span's fit is how much the
    line looks like a letterhead.
    """
    best: Span | None = None
    taken = {id(party.parts["name"].segment) for party in others if "name" in party.parts}
    for segment in view.segments:
        page = view.pages[segment.page]
        if segment.page != view.segments[0].page or segment.box[1] > TOP * page.height:
            break
        if id(segment) in taken or not _looks_like_name(segment, hits):
            continue
        fit = HEADED
        fit += FORMED if has_legal_form(segment.text) and not is_person else 0.0
        fit += LARGE_BONUS * min(1.0, _size(view, segment) - 1)
        fit += FIRST_BONUS if best is None else 0.0
        if best is None or fit > best.fit:
            best = _part(segment, _SEPARATOR.split(segment.text)[0], fit)
    return best


def _size(view: View, segment: Segment) -> float:
    """Return how high a line's words are, in the page's word heights, at least 1."""
    return max(1.0, median(t.box[3] - t.box[1] for t in segment.tokens) / view.heights[segment.page])


def has_legal_form(text: str) -> bool:
    """Tell whether a name ends as a company's, at the second word or later."""
    words = fold(text).replace(",", " ").replace("(", " ").replace(")", " ").split()
    return any(word in LEGAL_FORMS for word in words[1:])


def _looks_like_name(segment: Segment, hits: HitsByRow) -> bool:
    text = segment.text
    letters = sum(char.isalpha() for char in text)
    if letters < 3 or letters * 2 < len(text) or len(segment.tokens) > LONGEST_NAME:
        return False
    if text.endswith(".") and not has_legal_form(text):
        return False
    if ":" in text or "@" in text or "www." in text.casefold() or _is_street(text):
        return False
    if kind_named(text) or (kind_named(text.split()[0]) and not has_legal_form(text)):
        return False
    mine = [hit for hit in hits.get(segment.row, ()) if hit.segment is segment and hit.start <= 1]
    return not any(hit.end - hit.start >= LABEL_SHARE * len(text) or hit.has_colon for hit in mine)


def _one_line(segment: Segment) -> Party | None:
    """Read `Name, Street 1, 12345 Town`, as senders print over an address window or in a footer."""
    pieces = [piece for piece in _SEPARATOR.split(segment.text) if piece]
    for at in range(len(pieces) - 1, 0, -1):
        piece = pieces[at]
        whole = f"{pieces[at - 1]}, {piece}"  # Springfield, IL 62704
        town, first = find_town(piece), at
        if town is None and whole in segment.text:
            town, piece, first = find_town(whole), whole, at - 1
        if town and first >= 1:
            return _of_pieces(segment, pieces[:first], piece, town)
    return _unparted(segment)


def _unparted(segment: Segment) -> Party | None:
    """Read `Name GmbH Street 1 12345 Town`, a sender's line whose separators OCR did not see."""
    match = _UNPARTED.match(segment.text)
    if match is None or fold(match["form"]) not in LEGAL_FORMS:
        return None
    town = find_town(match["town"])
    name = segment.text[: match.end("form")]
    return _of_pieces(segment, [name, match["street"]], match["town"], town) if town else None


def _of_pieces(segment: Segment, before: Sequence[str], line: str, town: Town) -> Party:
    parts = _town_parts(segment, line, town)
    street = before[-1] if any(char.isdigit() for char in before[-1]) else None
    name = before[0] if len(before) >= (2 if street else 1) and ":" not in before[0] else None
    if street:
        parts["street"] = _part(segment, street)
        start, end = parts["street"].start, max(span.end for span in parts.values())
        parts["address"] = Span(segment, start, end, segment.text[start:end], 1.0)
    if name:
        parts["name"] = _part(segment, name)
    return Party(parts, is_one_line=True, page=segment.page, rows=(segment.row, segment.row), roles={})


def _block(view: View, at: int, hits: HitsByRow) -> Party | None:
    segment = view.segments[at]
    text, offset = _after_label(segment, hits)
    town = None if _is_labelled(segment, hits) else find_town(text)
    lines = _lines_above(view, at, hits) if town else []
    if town is None or not lines:
        return None
    parts = _town_parts(segment, text, town, offset)
    streets = _streets(lines)
    if streets:
        parts["street"] = _whole(streets[-1], hits)
    above = lines.index(streets[-1]) + 1 if streets else 0
    rest = [line for line in lines[above:] if fold(line.text).strip(" .") not in SALUTATIONS]
    names = [line for line in rest if not _is_number(line.text) and "www." not in line.text]
    if names:
        parts["name"] = _whole(names[-1], hits)
    elif not streets:
        return None
    below = _line_below(view, at)
    if below and country_code(below.text):
        parts["country"] = Span(below, 0, len(below.text), country_code(below.text), 1.0)
    top = lines.index(names[-1]) if names else len(lines)
    address = [line for line in reversed(lines[:top]) if not _is_number(line.text) or line in streets]
    parts["address"] = _joined([_whole(line, hits) for line in address], _whole(segment, hits))
    rows = ((names or streets)[-1].row, below.row if below else segment.row)
    return Party(parts, is_one_line=False, page=segment.page, rows=rows, roles={})


def _is_labelled(segment: Segment, hits: HitsByRow) -> bool:
    """Tell whether a line starts with the label of something else: HRB No. 372876 is no town."""
    mine = (hit for hit in hits.get(segment.row, ()) if hit.segment is segment and hit.start <= 1)
    return any(_is_foreign(hit) for hit in mine)


def _joined(lines: Sequence[Span], last: Span) -> Span:
    """Return several lines as one value, with a comma where a line does not end in one."""
    tokens = tuple(token for line in (*lines, last) for token in line.tokens)
    segment = Segment(last.segment.page, last.segment.row, tokens)
    value = ", ".join(line.text.strip(" ,") for line in (*lines, last))
    return Span(segment, 0, len(segment.text), value, 1.0)


def _streets(lines: Sequence[Segment]) -> list[Segment]:
    """Return the lines with a house number over the town, bottom up; a last line is left for the name."""
    streets: list[Segment] = []
    districts = next((at for at, line in enumerate(lines[:-1]) if any(map(str.isdigit, line.text))), 0)
    if districts and not _is_street(lines[districts].text):
        return []
    for at, line in enumerate(lines[districts:], start=districts):
        is_last = at == len(lines) - 1
        if _is_number(line.text) or not any(char.isdigit() for char in line.text):
            break
        if is_last and not _is_street(line.text):
            break
        streets.append(line)
    return streets


def _is_street(text: str) -> bool:
    """Tell whether a line starts with a house number or names a street, beside a number."""
    words = fold(text).replace(",", " ").replace(".", " ").split()
    if not words or not any(char.isdigit() for char in text):
        return False
    return words[0][0].isdigit() or any(
        word in STREET_WORDS or word.endswith(("strasse", "str", "straat", "weg", "platz", "allee", "gasse"))
        for word in words
    )


def _is_number(text: str) -> bool:
    return sum(char.isdigit() for char in text) > sum(char.isalpha() for char in text)


def _town_parts(segment: Segment, text: str, town: Town, offset: int = 0) -> dict[str, Span]:
    start = segment.text.index(text.strip(), offset)
    line = text.strip()
    parts = {
        name: Span(segment, start + first, start + last, line[first:last].strip(), 1.0)
        for name, (first, last) in town.places.items()
        if name != "land"
    }
    if town.country:
        first, last = town.places["land"]
        parts["country"] = Span(segment, start + first, start + last, town.country, 0.9)
    return parts


def _part(segment: Segment, text: str, fit: float = 1.0) -> Span:
    start = segment.text.index(text)
    return Span(segment, start, start + len(text), text, fit)


def _whole(segment: Segment, hits: HitsByRow) -> Span:
    text, offset = _after_label(segment, hits)
    start = segment.text.index(text, offset)
    return Span(segment, start, start + len(text), text, 1.0)


def _after_label(segment: Segment, hits: HitsByRow) -> tuple[str, int]:
    """Return the text behind a label with a colon at the start of a segment, and where to look for it."""
    for hit in hits.get(segment.row, ()):
        if (
            hit.segment is segment
            and hit.start <= 1
            and hit.has_colon
            and hit.value_start < len(segment.text)
        ):
            return segment.text[hit.value_start :].strip(), hit.value_start
    return segment.text.strip(), 0


def _lines_above(view: View, at: int, hits: HitsByRow) -> list[Segment]:
    """Return the lines of a block over its last one, from the bottom up, without its label."""
    lines: list[Segment] = []
    below = view.segments[at]
    height = view.heights[below.page]
    reach, tight = PITCH_TO_NAME * height, PITCH_TO_NAME * height
    for segment in reversed(view.segments[max(0, at - 60) : at]):
        gap = below.box[1] - segment.box[1]
        if segment.page != below.page or gap > min(reach, tight):
            break
        if segment.row == below.row or not _is_aligned(segment, below, height):
            continue
        if len(lines) == LINES_ABOVE or _ends_block(segment, hits, is_near=bool(lines)):
            break
        lines.append(segment)
        below = segment
        reach = PITCH * height if len(lines) > 1 else reach
        if not _is_street(segment.text):  # a name: what stands apart over it is another block
            tight = min(tight, max(gap, height) * BLANK_LINE)
    return lines


def _is_aligned(one: Segment, other: Segment, height: float) -> bool:
    """Tell whether two lines start or are centred at one place."""
    middles = (one.box[0] + one.box[2] - other.box[0] - other.box[2]) / 2
    return abs(one.box[0] - other.box[0]) <= height or abs(middles) <= height


def _ends_block(segment: Segment, hits: HitsByRow, *, is_near: bool) -> bool:
    """Tell whether a line is no part of an address: a label, another labelled value, a number.

    A bare number between name and street, such as a register's, is passed over.
    """
    if segment.text.endswith(":") or _one_line(segment):
        return True
    if _is_number(segment.text) and not (is_near and len(segment.tokens) == 1 and "," not in segment.text):
        return True
    mine = [hit for hit in hits.get(segment.row, ()) if hit.segment is segment and hit.start <= 1]
    covered = sum(hit.end - hit.start for hit in hits.get(segment.row, ()) if hit.segment is segment)
    is_party_label = any(not _is_foreign(hit) for hit in mine if hit.has_colon)
    if covered >= LABEL_SHARE * len(segment.text) or (":" in segment.text and not is_party_label):
        return True
    left = [hit for hit in hits.get(segment.row, ()) if hit.box[2] <= segment.box[0]]
    return bool(left) and _is_foreign(left[-1])


def _is_foreign(hit: Hit) -> bool:
    """Tell whether a label announces something else than a party or a part of its address."""
    return not any(key in PARTIES or key in ADDRESS_PARTS for key in hit.keys)


def _line_below(view: View, at: int) -> Segment | None:
    above = view.segments[at]
    height = view.heights[above.page]
    for segment in view.segments[at + 1 : at + 20]:
        if segment.page != above.page or segment.box[1] - above.box[1] > PITCH * height:
            return None
        if segment.row > above.row and _is_aligned(segment, above, height):
            return segment
    return None
