"""Look a question up as a field of a schema, when its subject is a label that documents print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from affidavit.engine.result import Citation
from affidavit.engine.stages import fields
from affidavit.engine.stages.answers.question import Asked, Question
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.fields.lexicon import BY_KEY, PARTIES, Kind, Scope
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import NUMERIC_KINDS, labels_of_concepts
from affidavit.engine.stages.passages.terms import stem_of

LEAST_STRENGTH = 0.75  # of a label: a weak one means several things
CLEAR = 0.6  # confidence of the rules, from which on their value goes before what passages offer
LEAST = 0.4  # confidence of the rules

_FITTING: dict[Asked, frozenset[Kind]] = {
    Asked.AMOUNT: frozenset({Kind.MONEY}),
    Asked.DATE: frozenset({Kind.DATE}),
    Asked.PERCENT: frozenset({Kind.PERCENT}),
    Asked.NUMBER: frozenset({Kind.QUANTITY}),
    Asked.PARTY: frozenset({Kind.PARTY}),
    Asked.EMAIL: frozenset({Kind.EMAIL}),
    Asked.PHONE: frozenset({Kind.PHONE}),
    Asked.IBAN: frozenset({Kind.IBAN}),
    Asked.URL: frozenset({Kind.URI}),
    Asked.CODE: frozenset({Kind.CODE, Kind.VAT_ID, Kind.BIC, Kind.IBAN, Kind.PHONE}),
    Asked.TEXT: frozenset(Kind) - {Kind.TEXT},
}
_TOPICS = frozenset(
    map(
        stem_of,
        (
            "invoice",
            "receipt",
            "contract",
            "agreement",
            "rechnung",
            "facture",
            "factura",
            "fattura",
            "factuur",
            "bill",
            "order",
        ),
    )
)


def by_field(reader: Reader, question: Question) -> Iterator[tuple[Any, float, tuple[Citation, ...]]]:
    """Yield the value that the rules for fields find, how sure they are (0 to 1), and its evidence."""
    name, kind = _field(question)
    if name is None or kind is None:
        return
    schema = {"type": "object", "properties": {name: _leaf(kind)}}
    found = fields.extract(reader.document, schema).fields.get(name)
    if found and found.value is not None and found.citations and found.confidence >= 100 * LEAST:
        confidence = found.confidence / 100
        yield found.value, _as_answer(confidence), found.citations


def _as_answer(confidence: float) -> float:
    """Return how surely a field's value answers: its label is all that the question asks for."""
    return (confidence + 1) / 2 if confidence >= CLEAR else confidence


def _field(question: Question) -> tuple[str | None, Kind | None]:
    words = question.phrase.split()
    bare = [word for word in words if stem_of(word) not in _TOPICS]
    for variant in (words, bare):
        for start in range(min(2, len(variant))):
            if start and not _is_party(variant[:start]):
                continue
            kind = _kind_of(" ".join(variant[start:]), question.asked)
            if kind is not None:
                return "_".join(variant), kind
    return None, None


def _kind_of(label: str, asked: Asked) -> Kind | None:
    named = labels_of_concepts().get(label_key(label), {})
    fitting = _FITTING.get(asked, frozenset())
    found = [
        (strength, BY_KEY[key].kind is Kind.MONEY, key)
        for key, strength in named.items()
        if strength >= LEAST_STRENGTH and BY_KEY[key].kind in fitting and BY_KEY[key].scope is not Scope.LINE
    ]
    return BY_KEY[max(found)[-1]].kind if found else None


def _is_party(words: list[str]) -> bool:
    named = labels_of_concepts().get(label_key(" ".join(words)), {})
    return any(party in named for party in PARTIES)


def _leaf(kind: Kind) -> dict[str, str]:
    if kind in NUMERIC_KINDS:
        return {"type": "number"}
    return {"type": "string", "format": "date"} if kind is Kind.DATE else {"type": "string"}
