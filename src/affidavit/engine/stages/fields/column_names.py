"""Say what a property may be called over a column beside labels: initials, abbreviations, its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affidavit.engine.stages.fields.lexicon import BY_KEY, Scope
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan, labels_of_concepts
from affidavit.engine.stages.values.folding import split_name

ABBREVIATES = 0.55
IN_DESCRIPTION = 0.45
SHORTEST_WORD = 4  # letters of a word that tells by itself
LONGEST = 24  # letters of a name that may abbreviate
LONGEST_DESCRIPTION = 10  # words; a longer one explains
LAST_WORD = 0.8  # of a label that is only the last word of the property's name


@dataclass(frozen=True, slots=True)
class PropertyName:
    """The keys of a property's labels, its concept, letters and initials of its name, words that describe it.

    The concept is one of lines: the property's own, else the one that the last word of its name is.
    """

    keys: tuple[str, ...]
    concept: str | None
    letters: str
    initials: str
    said: frozenset[str]

    @classmethod
    def of(cls, plan: Plan) -> PropertyName:
        """Return the names of a plan's property."""
        words = split_name(plan.leaf.name)
        described = (plan.leaf.description or "").split() if plan.concept is None else []
        said = split_name(" ".join(described)) if len(described) <= LONGEST_DESCRIPTION else []
        initials = "".join(word[0] for word in words) if len(words) > 1 else ""
        return cls(
            keys=plan.keys,
            concept=_line_concept(plan, words),
            letters="".join(words),
            initials=initials,
            said=frozenset(word for word in said if len(word) >= SHORTEST_WORD),
        )

    def strength(self, meanings: Mapping[str, float], text: str) -> float:
        """Return how surely a text over a column, which may mean these, is the property's name, 0 to 1."""
        found = max((meanings.get(key, 0.0) for key in self.keys), default=0.0)
        last_word = LAST_WORD * meanings.get(self.concept, 0.0) if self.concept else 0.0
        return max(found, last_word) or self.likeness(text)

    def likeness(self, text: str) -> float:
        """Return how surely a text over a column stands for the property, 0 to 1."""
        if not text or len(text) > LONGEST:
            return 0.0
        key = label_key(text)
        if not key:
            return 0.0
        if key == self.initials or (text.endswith(".") and len(key) > 1 and self._is_abbreviated(key)):
            return ABBREVIATES
        return IN_DESCRIPTION if key in self.said else 0.0

    def _is_abbreviated(self, key: str) -> bool:
        """Tell whether the letters of `key` stand in the name in their order, the first one first."""
        letters = iter(self.letters)
        return key[0] == self.letters[:1] and all(letter in letters for letter in key)


def _line_concept(plan: Plan, words: Sequence[str]) -> str | None:
    if plan.concept and plan.concept.scope is Scope.LINE:
        return plan.concept.key
    named = labels_of_concepts().get(label_key(words[-1]), {}) if words else {}
    fitting = (BY_KEY[key] for key in named if BY_KEY[key].scope is Scope.LINE)
    return next((concept.key for concept in fitting if concept.kind is plan.kind), None)
