"""Tell the JSON type and format of a value from how it is printed and what its label says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from affidavit.engine.stages.values import codes
from affidavit.engine.stages.values.currencies import CURRENCY_CODES
from affidavit.engine.stages.values.dates import find_dates
from affidavit.engine.stages.values.folding import fold, split_name
from affidavit.engine.stages.values.numbers import find_numbers

YES_NO: Final = frozenset("yes no true false ja nein oui non si sim nao nee".split())  # noqa: SIM905
MAJORITY: Final = 0.7  # of the cells of a column

# Numbers that name something and are not counted with, whatever they look like.
_NAMING = re.compile(
    r"(?:number|nummer|numero|num|nr|no|id|ref|reference|code|zip|plz|postcode|postleitzahl|phone|telefon|"
    r"tel|fax|mobile|account|konto|iban|bic|swift|ean|gtin|sku|serial|passport|policy|vat|ust)$"
)
_COUNTING = re.compile(
    r"total|amount|betrag|summe|montant|importe|totale|bedrag|price|preis|prix|precio|prezzo|prijs|balance|saldo|"
    r"solde|fee|cost|sum|tax|steuer|mwst|tva|iva|btw|net|netto|gross|brutto|quantity|qty|menge|quantite|cantidad|"
    r"anzahl|weight|gewicht|poids|peso|hours|stunden|rate|salary|income"
)


@dataclass(frozen=True, slots=True)
class ValueType:
    """A JSON type, and a format where the type is a string that has one."""

    type: str
    format: str | None = None


TEXT: Final = ValueType("string")
NUMBER: Final = ValueType("number")
INTEGER: Final = ValueType("integer")


def type_of(text: str, label: str = "") -> ValueType:
    """Return the type of a printed value; `label` is what the document calls it."""
    text = text.strip()
    if fold(text) in YES_NO:
        return ValueType("boolean")
    if _is_whole(text, [(date.start, date.end) for date in find_dates(text)]):
        return ValueType("string", "date")
    if _is_whole(text, [(code.start, code.end) for code in codes.find_emails(text)]):
        return ValueType("string", "email")
    if _is_whole(text, [(code.start, code.end) for code in codes.find_uris(text)]):
        return ValueType("string", "uri")
    if text in CURRENCY_CODES:
        return ValueType("string", "currency")
    return _number_type(text, label)


def type_of_column(cells: Sequence[str], label: str) -> ValueType:
    """Return the type that most cells of a column have; text when they do not agree."""
    filled = [cell for cell in cells if cell.strip()]
    counts = Counter(type_of(cell, label) for cell in filled)
    if not counts:
        return TEXT
    if counts[NUMBER] and counts[NUMBER] + counts[INTEGER] >= MAJORITY * len(filled):
        return NUMBER
    best, count = counts.most_common(1)[0]
    return best if count >= MAJORITY * len(filled) else TEXT


def _number_type(text: str, label: str) -> ValueType:
    numbers = find_numbers(text)
    if len(numbers) != 1 or not _is_whole(text, [(numbers[0].start, numbers[0].end)]):
        return TEXT
    number = numbers[0]
    words = split_name(label)
    is_counted = bool(_COUNTING.search(" ".join(words)))
    if number.currency or number.is_percent or number.decimals:
        return NUMBER
    if (words and _NAMING.search(words[-1]) and not is_counted) or text.startswith("0"):
        return TEXT
    if not number.is_bare or is_counted:
        return NUMBER
    return INTEGER if len(text) <= 6 else TEXT


def _is_whole(text: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Tell whether one span is all of the text but signs around it."""
    return len(spans) == 1 and not any(char.isalnum() for char in text[: spans[0][0]] + text[spans[0][1] :])
