"""Find the parties of a document: address blocks and letterheads, and whose each one is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from babel import Locale

from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.lexicon import (
    BUYER,
    LEGAL_FORMS,
    PARTIES,
    PARTY_PARTS,
    SALUTATIONS,
    SELLER,
)
from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import Segment, View
from affidavit.engine.stages.values.dates import LANGUAGES
from affidavit.engine.stages.values.folding import fold

LINES_ABOVE = 5  # of an address, over its town
PITCH = 2.3  # word heights from line to line in one block; single spacing is 1.0 to 1.5
PITCH_TO_NAME = 3.2  # the name may stand a little apart from the street
LABEL_SHARE = 0.85  # of a line's letters, from which on it is only a label
TOP = 0.35  # of the page, in which a letterhead stands
FOOT = 0.85

_CITY = r"(?P<city>[^\W\d_][^\d,;|•·@]{1,40}?)"
_TOWNS = (
    re.compile(
        r"^(?:(?P<land>[A-Z]{1,3})[-\u2013 ]\s?)?(?P<postcode>\d{5}|\d{4}(?:\s?[A-Z]{2})?(?=\s+[A-Z]))"
        rf"\s+{_CITY}\s*$"
    ),
    re.compile(rf"^{_CITY},?\s+(?P<postcode>[A-Z]{{1,2}}\d[A-Z\d]?\s?\d[A-Z]{{2}})$"),
    re.compile(rf"^{_CITY},?\s+(?P<state>[A-Z]{{2}})\.?,?\s+(?P<postcode>\d{{5}}(?:-\d{{4}})?)$"),
)
_SEPARATOR = re.compile(r"\s*[,;|•·●*]\s+|\s+[-\u2013\u2022\u00b7\u25cf]\s+")


HitsByRow = Mapping[int, Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class Party:
    """A name with an address. `parts` are spans by name, street, postcode, city, country."""

    parts: Mapping[str, Span]
    is_one_line: bool
    page: int
    rows: tuple[int, int]
    roles: Mapping[str, float]

    def role(self, party: str) -> float:
        """Return how surely this is that party, 0 to 1."""
        return self.roles.get(party, 0.0)


def find_parties(view: View, hits: Sequence[Hit]) -> list[Party]:
    """Return the parties with an address, in order, each with its likely roles."""
    by_row: dict[int, list[Hit]] = {}
    for hit in hits:
        by_row.setdefault(hit.segment.row, []).append(hit)
    found = [
        party
        for at, segment in enumerate(view.segments)
        for party in [_one_line(segment) or _block(view, at, by_row)]
        if party
    ]
    return _with_roles(view, found, by_row)


def find_letterhead(view: View) -> Span | None:
    """Return the first company name, known by its legal form, in the head of the first page."""
    for segment in view.segments:
        page = view.pages[segment.page]
        if segment.page != view.segments[0].page or segment.box[1] > TOP * page.height:
            return None
        words = fold(segment.text).replace(",", " ").split()
        if len(words) > 1 and any(word in LEGAL_FORMS for word in words[1:]) and ":" not in segment.text:
            return _part(segment, _SEPARATOR.split(segment.text)[0], 0.9)
    return None


def country_code(text: str) -> str | None:
    """Return the ISO 3166 alpha-2 code of a country's name in one of the known languages."""
    return _territories().get(fold(text).strip(" .,"))


@cache
def _territories() -> dict[str, str]:
    names = {
        fold(name): code
        for language in LANGUAGES
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and code.isalpha()
    }
    return names | {"usa": "US", "uk": "GB", "great britain": "GB", "holland": "NL"}


def _one_line(segment: Segment) -> Party | None:
    """Read `Name, Street 1, 12345 Town`, as senders print over an address window or in a footer."""
    pieces = [piece for piece in _SEPARATOR.split(segment.text) if piece]
    for at, piece in enumerate(pieces):
        town = _town(piece)
        if town and at >= 1:
            parts = _town_parts(segment, piece, town)
            street = pieces[at - 1] if any(char.isdigit() for char in pieces[at - 1]) else None
            name = pieces[0] if at >= (2 if street else 1) else None
            parts |= {key: _part(segment, text) for key, text in (("street", street), ("name", name)) if text}
            return Party(
                parts, is_one_line=True, page=segment.page, rows=(segment.row, segment.row), roles={}
            )
    return None


def _block(view: View, at: int, hits: HitsByRow) -> Party | None:
    segment = view.segments[at]
    text, offset = _after_label(segment, hits)
    town = _town(text)
    if town is None:
        return None
    parts = _town_parts(segment, text, town, offset)
    lines = _lines_above(view, at, hits)
    if not lines:
        return None
    streets = _streets(lines)
    if streets:
        parts["street"] = _whole(streets[-1], hits)
    names = [line for line in lines[len(streets) :] if fold(line.text).strip(" .") not in SALUTATIONS]
    if not names:
        return None
    parts["name"] = _whole(names[-1], hits)
    below = _line_below(view, at)
    if below and country_code(below.text):
        parts["country"] = Span(below, 0, len(below.text), country_code(below.text), 1.0)
    rows = (names[-1].row, below.row if below else segment.row)
    return Party(parts, is_one_line=False, page=segment.page, rows=rows, roles={})


def _streets(lines: Sequence[Segment]) -> list[Segment]:
    """Return the lines with a house number directly over the town; the last line is left for the name."""
    streets: list[Segment] = []
    for line in lines[:-1]:
        if not any(char.isdigit() for char in line.text):
            break
        streets.append(line)
    return streets


def _town(text: str) -> re.Match[str] | None:
    found = (pattern.match(text.strip()) for pattern in _TOWNS)
    return next((match for match in found if match), None)


def _town_parts(segment: Segment, text: str, town: re.Match[str], offset: int = 0) -> dict[str, Span]:
    start = segment.text.index(text.strip(), offset)
    parts = {
        name: Span(segment, start + town.start(name), start + town.end(name), town[name].strip(), 1.0)
        for name in ("postcode", "city")
    }
    if town.groupdict().get("land"):
        code = {"D": "DE", "A": "AT", "F": "FR", "B": "BE", "I": "IT", "E": "ES", "L": "LU"}.get(
            town["land"], town["land"]
        )
        if len(code) == 2:
            parts["country"] = Span(segment, start + town.start("land"), start + town.end("land"), code, 0.9)
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
    for segment in reversed(view.segments[max(0, at - 60) : at]):
        reach = PITCH if len(lines) > 1 else PITCH_TO_NAME
        if segment.page != below.page or below.box[1] - segment.box[1] > reach * height:
            break
        if segment.row == below.row or abs(segment.box[0] - below.box[0]) > height:
            continue
        if len(lines) == LINES_ABOVE or _ends_block(segment, hits):
            break
        lines.append(segment)
        below = segment
    return lines


def _ends_block(segment: Segment, hits: HitsByRow) -> bool:
    """Tell whether a line is no part of an address: a label, another labelled value, a number."""
    letters = sum(char.isalpha() for char in segment.text)
    digits = sum(char.isdigit() for char in segment.text)
    if digits > letters or segment.text.endswith(":") or _one_line(segment):
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
    return not any(key in PARTIES or key in PARTY_PARTS for key in hit.keys)


def _line_below(view: View, at: int) -> Segment | None:
    above = view.segments[at]
    height = view.heights[above.page]
    for segment in view.segments[at + 1 : at + 20]:
        if segment.page != above.page or segment.box[1] - above.box[1] > PITCH * height:
            return None
        if segment.row > above.row and abs(segment.box[0] - above.box[0]) <= height:
            return segment
    return None


def _with_roles(view: View, found: Sequence[Party], hits: HitsByRow) -> list[Party]:
    labelled = [_labelled_roles(party, hits) for party in found]
    taken = {role for roles in labelled for role, score in roles.items() if score > 0.5}
    parties = []
    for party, roles in zip(found, labelled, strict=True):
        guess = roles or _guessed_roles(view, party, found, taken)
        parties.append(Party(party.parts, party.is_one_line, party.page, party.rows, guess))
    return parties


def _labelled_roles(party: Party, hits: HitsByRow) -> dict[str, float]:
    """Return the roles that a label over, beside or inside the block's first line gives it."""
    first = min(party.parts.values(), key=lambda span: span.segment.row).segment
    roles: dict[str, float] = {}
    near = [hit for row in range(first.row - 2, first.row + 1) for hit in hits.get(row, ())]
    for hit in near:
        rows_above = first.row - hit.segment.row
        if hit.segment.page != party.page:
            continue
        overlaps = min(hit.segment.box[2], first.box[2]) > max(hit.segment.box[0], first.box[0])
        is_beside = rows_above == 0 and hit.segment.box[0] <= first.box[0]
        if not (overlaps or is_beside or abs(hit.box[0] - first.box[0]) < 10):
            continue
        for role in PARTIES:
            if hit.keys.get(role, 0.0) > 0:
                roles[role] = max(roles.get(role, 0.0), hit.keys[role] * (1 - 0.1 * rows_above))
    return roles


def _guessed_roles(view: View, party: Party, found: Sequence[Party], taken: set[str]) -> dict[str, float]:
    """Guess by place: the sender in one line, in the foot or alone; the other block is addressed."""
    page = view.pages[party.page]
    middle = next(iter(party.parts.values())).segment.box[1] / page.height
    blocks = [other for other in found if not other.is_one_line and view.pages[other.page] is page]
    if party.is_one_line or middle > FOOT:
        return {SELLER: 0.75}
    if BUYER in taken:
        return {SELLER: 0.7}
    has_sender = SELLER in taken or any(other.is_one_line for other in found)
    if has_sender or (blocks and blocks[0] is not party):
        return {BUYER: 0.7}
    if len(blocks) > 1:
        return {SELLER: 0.55, BUYER: 0.4}
    return {BUYER: 0.5, SELLER: 0.35}
