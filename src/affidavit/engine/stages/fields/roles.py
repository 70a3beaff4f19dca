"""Say whose each address block is: by the label over or beside it, else by its place on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.parties import HitsByRow, Party, find_blocks
from affidavit.engine.stages.fields.view import Segment, View

FOOT = 0.85  # of the page, under which the sender says who he is
ROWS_OVER = 8  # rows between a block and its label, in all columns
HEIGHTS_OVER = 5.0  # word heights
PER_LINE = 0.1  # less for each line between
Sides = tuple[str, str]  # who issues a document, and who is addressed

OWN = 0.5  # from which on a role is taken


def find_parties(view: View, hits: HitsByRow, keys: Sequence[str], sides: Sides) -> list[Party]:
    """Return the parties with an address, in order, each with its likely roles among `keys`.

    `sides` are who writes such a document and to whom, which places on the page tell.
    """
    found = find_blocks(view, hits)
    labelled = [_labelled(view, party, found, hits, keys) for party in found]
    taken = {role for roles in labelled for role, score in roles.items() if score > OWN}
    return [
        replace(party, roles=roles or _guessed(view, party, found, taken, sides))
        for party, roles in zip(found, labelled, strict=True)
    ]


def _labelled(
    view: View, party: Party, found: Sequence[Party], hits: HitsByRow, keys: Sequence[str]
) -> dict[str, float]:
    """Return the roles that the nearest label over, beside or inside the block's first line gives it."""
    first = party.first
    height = view.heights[party.page]
    between = 0
    for row in range(first.row, max(-1, first.row - ROWS_OVER - 1), -1):
        near = [
            hit for hit in hits.get(row, ()) if hit.segment.page == party.page and _speaks_for(hit, first)
        ]
        if any(first.box[1] - hit.box[3] > HEIGHTS_OVER * height for hit in near):
            break
        if row < first.row and any(_is_in(row, first, other) for other in found if other is not party):
            break
        roles = _roles(near, keys, 1 - PER_LINE * between)
        if roles:
            return roles
        between += row < first.row and bool(near)
    return {}


def _roles(hits: Sequence[Hit], keys: Sequence[str], factor: float) -> dict[str, float]:
    roles: dict[str, float] = {}
    for hit in hits:
        for role in keys:
            if hit.keys.get(role, 0.0) > 0:
                roles[role] = max(roles.get(role, 0.0), hit.keys[role] * factor)
    return roles


def _speaks_for(hit: Hit, first: Segment) -> bool:
    """Tell whether a label stands over a block's first line, in it, or to the left of it."""
    overlaps = min(hit.segment.box[2], first.box[2]) > max(hit.segment.box[0], first.box[0])
    is_beside = hit.segment.row == first.row and hit.segment.box[0] <= first.box[0]
    return overlaps or is_beside or abs(hit.box[0] - first.box[0]) < 10


def _is_in(row: int, first: Segment, other: Party) -> bool:
    """Tell whether another block stands in this row of the same column."""
    box = other.first.box
    overlaps = min(box[2], first.box[2]) > max(box[0], first.box[0])
    return other.page == first.page and other.rows[0] <= row <= other.rows[1] and overlaps


def _guessed(
    view: View, party: Party, found: Sequence[Party], taken: set[str], sides: Sides
) -> dict[str, float]:
    """Guess by place: the sender in one line, in the foot or alone; the other block is addressed."""
    issuer, addressee = sides
    page = view.pages[party.page]
    middle = party.first.box[1] / page.height
    blocks = [other for other in found if not other.is_one_line and other.page == party.page]
    if party.is_one_line or middle > FOOT:
        return {issuer: 0.75}
    if addressee in taken:
        return {issuer: 0.7}
    has_sender = issuer in taken or any(other.is_one_line for other in found)
    if has_sender or (blocks and blocks[0] is not party):
        return {addressee: 0.7}
    if party.first.row <= view.rows[0].number + 1 and party.page == view.rows[0].page:
        return {issuer: 0.65, addressee: 0.35}  # nothing over it: the head of the document
    if len(blocks) > 1:
        return {issuer: 0.55, addressee: 0.4}
    return {addressee: 0.5, issuer: 0.35}
