"""Judge whose a value is: by its label, by the block it stands in, by the heading over it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from affidavit.engine.stages.fields.candidates import Candidate
from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.lexicon import BUYER, SELLER
from affidavit.engine.stages.fields.parties import Party
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import labels_of_concepts
from affidavit.engine.stages.fields.roles import find_parties
from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import View

CLEAR_ROLE = 0.6  # of a label, to speak for the lines under it
STRONG_ROLE = 0.9  # of a word beside a label, as in VAT number of the customer
NEAR_ROWS = 8  # rows around a party's block that still speak about it
OTHER_PARTY = 0.35  # what is left of a score when the value stands by another party
ISSUER, ADDRESSEE, UNKNOWN_PARTY = 0.85, 0.3, 0.5  # who prints his numbers apart from his address

_WORD = re.compile(r"[^\W\d_]+")


class Belonging:
    """Whose the values of one document are, among the parties of one schema."""

    def __init__(self, view: View, hits: Sequence[Hit], keys: Sequence[str], issuer: str = SELLER) -> None:
        self._view = view
        self._sides = (BUYER, SELLER) if issuer == BUYER else (SELLER, BUYER)
        self._hits = hits
        self._keys = keys

    @cached_property
    def by_row(self) -> dict[int, list[Hit]]:
        """The labels, by row."""
        found: dict[int, list[Hit]] = defaultdict(list)
        for hit in self._hits:
            found[hit.segment.row].append(hit)
        return found

    @cached_property
    def parties(self) -> list[Party]:
        return find_parties(self._view, self.by_row, self._keys, self._sides)

    @property
    def addressees(self) -> list[Party]:
        """The parties that are surely not the one who issues the document."""
        issuer = self._sides[0]
        return [each for each in self.parties if each.roles and each.role(issuer) < max(each.roles.values())]

    @cached_property
    def _headings(self) -> dict[int, list[tuple[str, Hit]]]:
        """The labels of parties, by row."""
        found: dict[int, list[tuple[str, Hit]]] = defaultdict(list)
        for hit in self._hits:
            for role in self._keys:
                if hit.keys.get(role, 0.0) > CLEAR_ROLE:
                    found[hit.segment.row].append((role, hit))
        return found

    def affinity(self, candidate: Candidate, party: str) -> float:
        """Return what is left of a score when a value should be `party`'s, by what stands near it."""
        role = self._role_named(candidate) or self.role_near(candidate.span)
        if role is None:
            return dict(zip(self._sides, (ISSUER, ADDRESSEE), strict=True)).get(party, UNKNOWN_PARTY)
        return 1.0 if role == party else OTHER_PARTY

    def role_near(self, span: Span) -> str | None:
        """Return whose block or heading a value stands in or under, if anyone's."""
        row = span.segment.row
        distances: list[tuple[int, str]] = []
        for party in self.parties:
            role = max(party.roles, key=lambda name: party.roles[name], default=None)
            if role and party.page == span.segment.page and _same_column(party, span):
                away = max(party.rows[0] - row, row - party.rows[1], 0)
                distances.append((away, role))
        distances += [
            (row - above, role)
            for above in range(max(0, row - NEAR_ROWS), row + 1)
            for role, hit in self._headings.get(above, ())
            if _is_over(hit, span)
        ]
        near = [each for each in distances if each[0] <= NEAR_ROWS]
        return min(near)[1] if near else None

    def _role_named(self, candidate: Candidate) -> str | None:
        """Return the party that a label or the words beside it name: customer VAT number, N° TVA client."""
        label, span = candidate.label, candidate.span
        if label is None:
            return None
        is_beside = label.segment is not span.segment
        beside = label.segment.text if is_beside else label.segment.text[: span.start]
        for role in self._keys:
            if label.keys.get(role, 0.0) > 0:
                return role
        for word in _WORD.findall(beside):
            named = labels_of_concepts().get(label_key(word), {})
            for role in self._keys:
                if named.get(role, 0.0) >= STRONG_ROLE:
                    return role
        return None


def _is_over(hit: Hit, span: Span) -> bool:
    """Tell whether a label stands over a value, near and in its column, as a heading does."""
    rows = span.segment.row - hit.segment.row
    is_near = hit.segment.page == span.segment.page and 0 <= rows <= NEAR_ROWS
    return is_near and abs(hit.box[0] - span.segment.box[0]) < (hit.box[2] - hit.box[0]) + 20


def _same_column(party: Party, span: Span) -> bool:
    mine, theirs = party.first.box, span.segment.box
    return min(mine[2], theirs[2]) > max(mine[0], theirs[0]) or abs(mine[0] - theirs[0]) < 10
