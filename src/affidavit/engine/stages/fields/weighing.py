"""Collect what may fill a leaf and weigh it: by label and kind, by whose it is, by the caller's hints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from affidavit.engine.stages.fields.anchors import Anchors
from affidavit.engine.stages.fields.belonging import Belonging
from affidavit.engine.stages.fields.candidates import WEAK_LABEL, Candidate, Finder, lowered
from affidavit.engine.stages.fields.lexicon import STANDS_FOR, Kind
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.sources import Sources, party_part
from affidavit.engine.stages.fields.view import View

LEAST = 0.35  # a guess below this is no value
SHARED = 0.8  # of its score when a value serves a second leaf
SHARED_LEAST = 0.6  # a label this clear may share its value
STAND_IN = 0.7  # of a score when the amount is labelled as another one that is mostly equal
VAGUE_BY_PARTY = 0.6  # a bare "No." among the lines of a party numbers the party


class Weigher:
    """Weighs the candidates of one document."""

    def __init__(self, view: View, finder: Finder, sources: Sources, belonging: Belonging) -> None:
        self._view = view
        self._finder = finder
        self._sources = sources
        self._belonging = belonging

    @cached_property
    def _anchors(self) -> Anchors:
        return Anchors(self._view)

    def options(self, plan: Plan) -> list[Candidate]:
        """Return all candidates of a leaf, best first, one per place."""
        labelled = [lowered(each, self._whose(each, plan)) for each in self._finder.candidates(plan)]
        unlabelled = self._sources.candidates(plan)
        if party_part(plan) is None:
            unlabelled = [lowered(each, self._whose(each, plan)) for each in unlabelled]
        hinted = [lowered(each, self._place(each, plan)) for each in (*labelled, *unlabelled)]
        best: dict[tuple[str, int], Candidate] = {}
        for each in sorted(hinted, key=lambda each: -each.score):
            if each.score >= LEAST:
                best.setdefault(each.span.place, each)
        return list(best.values())

    def _place(self, candidate: Candidate, plan: Plan) -> float:
        """Return what the caller's hints leave of a score."""
        segment = candidate.span.segment
        if not plan.leaf.may_be_on(segment.page, self._view.document.page_count):
            return 0.0
        return self._anchors.nearness(plan.leaf.anchor, segment) if plan.leaf.anchor else 1.0

    def _whose(self, candidate: Candidate, plan: Plan) -> float:
        """Return what is left of a score when the value may belong to someone or something else."""
        label = candidate.label
        if plan.kind is Kind.PARTY and label is not None and label.strength((plan.key,)) >= WEAK_LABEL:
            return 1.0  # the leaf's own label names the party, wherever it stands
        if plan.party:
            return self._belonging.affinity(candidate, plan.party)
        is_vague = label is not None and label.strength(plan.keys) < WEAK_LABEL
        if plan.kind is Kind.CODE and is_vague and self._belonging.role_near(candidate.span):
            return VAGUE_BY_PARTY
        return 1.0


def with_shared(
    plans: Mapping[str, Plan],
    options: Mapping[str, Sequence[Candidate]],
    chosen: Mapping[str, Candidate],
) -> dict[str, Candidate]:
    """Let a leaf without a value share another's, where its own label or its sense allows it."""
    by_concept = {plan.concept.key: key for key, plan in plans.items() if plan.concept}
    shared = dict(chosen)
    for key, plan in plans.items():
        if key in chosen:
            continue
        best = next(iter(options[key]), None)
        if best and best.score >= SHARED_LEAST:
            shared[key] = lowered(best, SHARED)
        elif plan.concept and plan.concept.key in STANDS_FOR:
            other = chosen.get(by_concept.get(STANDS_FOR[plan.concept.key], ""))
            if other:
                shared[key] = lowered(other, STAND_IN)
    return shared
