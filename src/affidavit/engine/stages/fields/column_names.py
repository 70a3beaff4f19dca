"""Say what a property may be called over a column beside labels: initials, abbreviations, its description."""

from __future__ import annotations

from dataclasses import dataclass

from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.values.folding import split_name

ABBREVIATES = 0.55
IN_DESCRIPTION = 0.45
SHORTEST_WORD = 4  # letters of a word that tells by itself
LONGEST = 24  # letters of a name that may abbreviate


@dataclass(frozen=True, slots=True)
class PropertyName:
    """The keys of the labels of a property, its name's letters and initials, the words that describe it."""

    keys: tuple[str, ...]
    letters: str
    initials: str
    said: frozenset[str]

    @classmethod
    def of(cls, plan: Plan) -> PropertyName:
        """Return the names of a plan's property."""
        words = split_name(plan.leaf.name)
        said = split_name(plan.leaf.description or "") if plan.concept is None else []
        initials = "".join(word[0] for word in words) if len(words) > 1 else ""
        return cls(
            plan.keys,
            "".join(words),
            initials,
            frozenset(word for word in said if len(word) >= SHORTEST_WORD),
        )

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
