"""Find what a page says about its document's number and date, to see whether two pages agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from affidavit.engine.stages.fields.view import Row, Segment
from affidavit.engine.stages.values.folding import fold, squash

UPPER: Final = 0.5  # of the page, in which its references stand
MOST_ROWS: Final = 60
MOST_LABEL_WORDS: Final = 4

_ENDINGS = (
    r"numbers?|nummern?|numero|num|nr|no|n[\u00b0\u00ba]|#|id|ref|reference|referenz|referencia|riferimento|"
    r"date|datum|data|fecha|numer|номер|дата|mrn"
)
_LABEL = (
    r"[^\W\d_][\w'\u2019.\u00b0\u00ba/& -]{0,30}?"
    rf"(?:(?<=\w)(?:nummer|nr|datum|numero)|(?<!\w)(?:{_ENDINGS}))"
)
_VALUE = r"[a-z0-9](?:[\w\-/.]*\w)?"
_PAIR = re.compile(rf"(?<!\w)(?P<label>{_LABEL})(?!\w)[ .]*[:#]?[ ]*(?P<value>(?=[\w\-/.]*\d){_VALUE})")
_WHOLE_LABEL = re.compile(rf"(?:{_LABEL})[ .:]*")
_DATE = re.compile(r"(?:date|datum|data|fecha|дата)$")
_OF_ITEM = re.compile(r"art|item|pos|line|sku|ean|gtin|prod|stk|seite|page|iban|bic|hr[ab]|tel|fax")
_OF_DOCUMENT = re.compile(
    r"invoice|inv|bill|receipt|document|rechnung|beleg|dokument|gutschrift|facture|avoir|factura|fattura|"
    r"factuur|order|bestell|auftrag|commande|pedido|ordine|credit|quote|angebot|devis|offer|delivery|liefer|"
    r"statement|auszug|releve|contract|vertrag|contrat|policy|case|claim|report|file|letter|mrn|awb|номер|"
    r"^po(?:n|$)|bericht|rapport|informe|albaran|^nota|^bon"
)


class Scope(StrEnum):
    """What an identifier is of: the document itself, its day, or a party or account that others share."""

    DOCUMENT = "document"
    DATE = "date"
    OTHER = "other"


def scope_of(label: str) -> Scope:
    """Return what the identifier of this squashed label is of."""
    if _DATE.search(label):
        return Scope.DATE
    return Scope.DOCUMENT if _OF_DOCUMENT.search(label) else Scope.OTHER


def find_identifiers(rows: Sequence[Row], height: float) -> Mapping[str, str]:
    """Return labelled numbers and dates of the upper half by their squashed labels, the first of each."""
    found: dict[str, str] = {}
    upper = [row for row in rows if row.box[1] < UPPER * height][:MOST_ROWS]
    for index, row in enumerate(upper):
        for label, value in (*_beside(row), *_below(row, upper[index + 1 : index + 3])):
            key = squash(label)
            if len(key) > 1 and not _OF_ITEM.match(key):
                found.setdefault(key, squash(value))
    return found


def _beside(row: Row) -> Iterator[tuple[str, str]]:
    text = fold(" ".join(segment.text for segment in row.segments))
    for match in _PAIR.finditer(text):
        yield match["label"], match["value"]


def _below(row: Row, following: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Read a row of labels with their values under them."""
    for segment in row.segments:
        text = fold(segment.text)
        if len(segment.tokens) > MOST_LABEL_WORDS or not _WHOLE_LABEL.fullmatch(text):
            continue
        value = next(_under(segment, following), None)
        if value:
            yield text, value


def _under(label: Segment, rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for segment in row.segments:
            is_under = segment.box[0] < label.box[2] and label.box[0] < segment.box[2]
            if is_under and len(segment.tokens) <= 3 and any(map(str.isdigit, segment.text)):
                yield segment.text
