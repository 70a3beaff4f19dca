"""A document with questions and claims about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`questions` are pairs of a question and its answer, None where the document has none; `claims` are
    pairs of a claim and its verdict."""

    name: str
    text: str
    questions: tuple[tuple[str, str | None], ...]
    claims: tuple[tuple[str, str], ...]
