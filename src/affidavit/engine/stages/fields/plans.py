"""Decide for each leaf of a schema what to look for: its kind, its concept, its labels, its party."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from rapidfuzz import fuzz, process

from affidavit.engine.schema import Leaf, LeafType
from affidavit.engine.schema_check import pointer
from affidavit.engine.stages.fields.lexicon import BY_KEY, CONCEPTS, PARTIES, Concept, Kind, Scope
from affidavit.engine.stages.fields.naming import LONGEST_LABEL, head_phrase, own_labels
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.values.currencies import CURRENCY_CODES
from affidavit.engine.stages.values.folding import split_name

WEAK = 0.8  # of a strong label
FUZZY_NAME = 88  # "invoce_number" is invoice number, "line_id" is not line
OTHER_SCOPE = 0.6  # a line's concept for a value outside any array, and the other way round
MIN_CONCEPT = 0.5

NUMERIC_KINDS = frozenset({Kind.MONEY, Kind.QUANTITY, Kind.PERCENT})

_BY_FORMAT = {
    "date": Kind.DATE,
    "date-time": Kind.DATE,
    "email": Kind.EMAIL,
    "idn-email": Kind.EMAIL,
    "uri": Kind.URI,
    "url": Kind.URI,
    "currency": Kind.CURRENCY,
    "iban": Kind.IBAN,
    "time": Kind.TIME,
    "phone": Kind.PHONE,
}
_BY_WORD = {
    "date": Kind.DATE,
    "datum": Kind.DATE,
    "email": Kind.EMAIL,
    "url": Kind.URI,
    "website": Kind.URI,
    "iban": Kind.IBAN,
    "bic": Kind.BIC,
    "phone": Kind.PHONE,
    "currency": Kind.CURRENCY,
    "country": Kind.COUNTRY,
    "amount": Kind.MONEY,
    "total": Kind.MONEY,
    "price": Kind.MONEY,
    "cost": Kind.MONEY,
    "fee": Kind.MONEY,
    "balance": Kind.MONEY,
    "salary": Kind.MONEY,
    "percent": Kind.PERCENT,
    "rate": Kind.PERCENT,
    "time": Kind.TIME,
    "percentage": Kind.PERCENT,
    "number": Kind.CODE,
    "no": Kind.CODE,
    "nr": Kind.CODE,
    "id": Kind.CODE,
    "code": Kind.CODE,
    "reference": Kind.CODE,
    "ref": Kind.CODE,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to look for a leaf. `own` are the leaf's own labels, squashed, with their strength.

    `key` is the name under which the leaf's own labels are found; `party` is whose it is.
    """

    leaf: Leaf
    kind: Kind
    concept: Concept | None
    own: tuple[tuple[str, float], ...]
    party: str | None = None

    @property
    def key(self) -> str:
        return "leaf:" + pointer(self.leaf.path)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of labels that mean this leaf; a party's label announces its name."""
        if self.concept is None:
            return (self.key,)
        is_name = self.concept.key == "name" and self.party is not None
        return (self.key, self.concept.key, *((self.party,) if is_name and self.party else ()))


def plan_leaf(leaf: Leaf) -> Plan:
    """Return what to look for to fill `leaf`, seen by itself."""
    party, rest = _party_of(leaf)
    concept = _concept_of(leaf, rest, party)
    if concept and concept.kind is Kind.PARTY and concept.key in PARTIES:
        party = concept.key
        concept = BY_KEY["address"] if _asks_for_address(leaf) else concept
    if concept is None and leaf.type is LeafType.STRING and not leaf.format and _asks_for_address(leaf):
        concept = BY_KEY["address"]
    own = tuple(own_labels(leaf, is_party=party is not None))
    return Plan(leaf=leaf, kind=_kind_of(leaf, concept), concept=concept, own=own, party=party)


def _asks_for_address(leaf: Leaf) -> bool:
    """Tell whether a leaf that names a party asks for its address, as delivery_address does."""
    words = split_name(leaf.name)
    return bool(words) and "address" in _exact(words[-1])


def _party_of(leaf: Leaf) -> tuple[str | None, list[str]]:
    """Return whose value it is and what is left of the name: seller.name and seller_name are alike."""
    words = split_name(leaf.name)
    for group in reversed(leaf.groups):
        found = _party_named(split_name(group))
        if found:
            return found, words
    if _exact(" ".join(words)):
        return None, words
    for length in range(len(words) - 1, 0, -1):
        found = _party_named(words[:length])
        if found:
            return found, words[length:]
    return None, words


def _party_named(words: list[str]) -> str | None:
    named = _exact(" ".join(words))
    return next((party for party in PARTIES if named.get(party, 0) >= WEAK), None)


def _concept_of(leaf: Leaf, rest: list[str], party: str | None) -> Concept | None:
    scores: dict[str, float] = {}
    for text, weight in _texts(leaf, rest):
        for key, strength in _similar(text).items():
            scores[key] = max(scores.get(key, 0.0), strength * weight)
    fitting = {
        key: score * _type_fit(leaf, BY_KEY[key]) * _scope_fit(leaf, BY_KEY[key], party)
        for key, score in scores.items()
    }
    best = max(fitting, key=lambda key: fitting[key], default=None)
    return BY_KEY[best] if best is not None and fitting[best] >= MIN_CONCEPT else None


def _texts(leaf: Leaf, rest: list[str]) -> Iterator[tuple[str, float]]:
    is_inner = leaf.repeats and leaf.path[-1] != "[]" and leaf.path[-2] != "[]"  # in an object of an item
    yield " ".join(rest), 0.9 if is_inner else 1.0
    if is_inner:
        group = split_name(leaf.path[-2])
        yield from ((" ".join(words), 1.0) for words in ([*group, *rest], [*rest, *group]))
    elif not leaf.is_in_item and leaf.groups:
        yield " ".join([*split_name(leaf.groups[-1]), *rest]), 1.0
    if leaf.title:
        yield leaf.title, 0.98
    for label in leaf.labels:
        yield label, 0.95
    if leaf.description and len(leaf.description.split()) <= LONGEST_LABEL:
        yield leaf.description, 0.95
    head = head_phrase(leaf.description or "")
    if head:
        yield head, 0.8


def _type_fit(leaf: Leaf, concept: Concept) -> float:
    numeric = concept.kind in NUMERIC_KINDS
    if leaf.format in _BY_FORMAT and concept.kind is not _BY_FORMAT[leaf.format]:
        return 0.0
    match leaf.type:
        case LeafType.STRING:
            is_undeclared_date = concept.kind is Kind.DATE and leaf.format is None
            return 0.7 if numeric else 0.9 if is_undeclared_date else 1.0
        case LeafType.NUMBER | LeafType.INTEGER:
            return 1.0 if numeric else 0.55 if concept.kind is Kind.CODE else 0.0
        case LeafType.BOOLEAN:
            return 0.0


def _scope_fit(leaf: Leaf, concept: Concept, party: str | None) -> float:
    if leaf.is_in_item != (concept.scope is Scope.LINE):
        return OTHER_SCOPE
    if party and concept.scope is not Scope.PARTY:
        return OTHER_SCOPE
    return 1.0


def _kind_of(leaf: Leaf, concept: Concept | None) -> Kind:
    if leaf.type is LeafType.BOOLEAN:
        return Kind.BOOLEAN
    if leaf.enum:
        is_currency = all(isinstance(choice, str) and choice in CURRENCY_CODES for choice in leaf.enum)
        return Kind.CURRENCY if is_currency else Kind.CHOICE
    if leaf.format in _BY_FORMAT:
        return _BY_FORMAT[leaf.format]
    if concept:
        return concept.kind
    guessed = next((_BY_WORD[word] for word in reversed(split_name(leaf.name)) if word in _BY_WORD), None)
    if leaf.type is LeafType.STRING:
        return guessed if guessed and guessed not in NUMERIC_KINDS else Kind.TEXT
    return guessed if guessed in NUMERIC_KINDS or guessed is Kind.CODE else Kind.QUANTITY


@cache
def labels_of_concepts() -> dict[str, dict[str, float]]:
    """Return, for each squashed label of the lexicon, the concepts it names and how strongly."""
    found: dict[str, dict[str, float]] = {}
    for concept in CONCEPTS:
        for label in concept.strong:
            found.setdefault(label_key(label), {})[concept.key] = 1.0
        for label in concept.weak:
            found.setdefault(label_key(label), {}).setdefault(concept.key, WEAK)
    return found


def _exact(text: str) -> dict[str, float]:
    return labels_of_concepts().get(label_key(text), {})


def _similar(text: str) -> dict[str, float]:
    exact = _exact(text)
    if exact:
        return exact
    key = label_key(text)
    found: dict[str, float] = {}
    for label, score, _ in process.extract(
        key, labels_of_concepts().keys(), scorer=fuzz.ratio, score_cutoff=FUZZY_NAME, limit=5
    ):
        if len(label) < 5:
            continue
        for concept, strength in labels_of_concepts()[label].items():
            found[concept] = max(found.get(concept, 0.0), strength * score / 100 * 0.9)
    return found or _contained(text)


def _contained(text: str) -> dict[str, float]:
    """Return the concepts whose label is the end of `text`: supplier invoice number."""
    words = split_name(text)
    for start in range(1, len(words) - 1):
        exact = _exact(" ".join(words[start:]))
        if exact:
            return {concept: strength * 0.75 for concept, strength in exact.items()}
    return {}
