"""Count the pages that a PDF really has, and mend a page tree that owns up to fewer.

MuPDF believes /Count. A file whose /Count is too low would be read in part, and nothing would tell.
"""

from __future__ import annotations

import re
from typing import Final

import pymupdf

_REFERENCE: Final = re.compile(r"(\d+) \d+ R")
_MOST_NODES: Final = 200_000  # a tree beyond this is refused by the limit of pages anyway


def mend(pdf: pymupdf.Document) -> None:
    """Raise every /Count of the page tree to the pages below it. Raises what PyMuPDF raises.

    A /Count that is too high stays: the pages that it promises fail when they are read, and show.
    """
    root = _reference(pdf, pdf.pdf_catalog(), "Pages")
    if root is None:
        return
    children = _walk(pdf, root)
    if _leaves(children)[root] <= pdf.page_count:
        return
    leaves = _leaves(_without_strays(pdf, children))
    if leaves.get(root, 0) <= pdf.page_count:
        return
    for node, kids in children.items():
        if kids is not None:
            pdf.xref_set_key(node, "Count", str(leaves[node]))


def _walk(pdf: pymupdf.Document, root: int) -> dict[int, list[int] | None]:
    """Return the kids of every node, parents first; None for a page. Each node counts once."""
    children: dict[int, list[int] | None] = {}
    seen = {root}
    waiting = [root]
    while waiting and len(seen) <= _MOST_NODES:
        node = waiting.pop()
        kids = _kids(pdf, node)
        if kids is not None:
            kids = [kid for kid in dict.fromkeys(kids) if kid not in seen and 0 < kid < pdf.xref_length()]
            seen.update(kids)
            waiting += kids
        children[node] = kids
    return children


def _without_strays(
    pdf: pymupdf.Document, children: dict[int, list[int] | None]
) -> dict[int, list[int] | None]:
    """Leave out what is named as a page and is none. Slow, so only for trees that need mending."""
    return {
        node: kids
        for node, kids in children.items()
        if kids is not None or pdf.xref_get_key(node, "Type") == ("name", "/Page")
    }


def _leaves(children: dict[int, list[int] | None]) -> dict[int, int]:
    """Return how many pages lie below each node; a page counts as one."""
    leaves: dict[int, int] = {}
    for node in reversed(children):
        kids = children[node]
        leaves[node] = 1 if kids is None else sum(leaves.get(kid, 0) for kid in kids)
    return leaves


def _kids(pdf: pymupdf.Document, node: int) -> list[int] | None:
    kind, value = pdf.xref_get_key(node, "Kids")
    if kind == "xref":
        value = pdf.xref_object(int(value.split()[0]), compressed=True)
    elif kind != "array":
        return None
    return [int(number) for number in _REFERENCE.findall(value)]


def _reference(pdf: pymupdf.Document, node: int, key: str) -> int | None:
    kind, value = pdf.xref_get_key(node, key) if node > 0 else ("null", "null")
    return int(value.split()[0]) if kind == "xref" else None
