"""What business documents in six languages call things. The labels are in `lexicon.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any


class Kind(StrEnum):
    """What a value looks like, which decides how it is found and read."""

    DATE = "date"
    TIME = "time"
    MONEY = "money"
    QUANTITY = "quantity"
    PERCENT = "percent"
    CODE = "code"
    CURRENCY = "currency"
    EMAIL = "email"
    URI = "uri"
    IBAN = "iban"
    BIC = "bic"
    VAT_ID = "vat_id"
    PHONE = "phone"
    PARTY = "party"
    ADDRESS = "address"
    STREET = "street"
    POSTCODE = "postcode"
    CITY = "city"
    COUNTRY = "country"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    TEXT = "text"


class Scope(StrEnum):
    """Where in a document a concept stands."""

    HEADER = "header"
    PARTY = "party"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Concept:
    """Something that documents state. Strong labels mean it wherever they stand, weak ones may mean it."""

    key: str
    kind: Kind
    scope: Scope
    strong: tuple[str, ...]
    weak: tuple[str, ...] = ()


SELLER = "seller"
BUYER = "buyer"
NET_TOTAL = "net_total"
TAX_TOTAL = "tax_total"
GROSS_TOTAL = "gross_total"
LINE_SUM = "line_sum"
POSITION = "position"
DESCRIPTION = "description"
ARTICLE_NUMBER = "article_number"
UNIT = "unit"
LINE_AMOUNT = "line_amount"
QUANTITY = "quantity"
UNIT_PRICE = "unit_price"
PREPAID = "prepaid"
AMOUNT_DUE = "amount_due"
PERIOD_START = "period_start"
PERIOD_END = "period_end"
ISSUE_DATE = "issue_date"

ADDRESS_PARTS = frozenset({"name", "address", "street", "postcode", "city", "country"})
LANGUAGES = ("en", "de", "fr", "es", "it", "nl")

# Where one amount is printed for both: what is due equals the total unless something was paid before.
STANDS_FOR = {AMOUNT_DUE: GROSS_TOTAL, GROSS_TOTAL: AMOUNT_DUE, LINE_SUM: NET_TOTAL, NET_TOTAL: LINE_SUM}


def _read() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))


def _concept(key: str, entry: Mapping[str, Any]) -> Concept:
    return Concept(
        key=key,
        kind=Kind(entry["kind"]),
        scope=Scope(entry["scope"]),
        strong=tuple(label for language in LANGUAGES for label in entry.get(language, ())),
        weak=tuple(entry.get("weak", ())),
    )


_LEXICON = _read()
_WORDS = _LEXICON["words"]

BY_KEY = {key: _concept(key, entry) for key, entry in _LEXICON["concepts"].items()}
CONCEPTS = tuple(BY_KEY.values())
PARTIES = tuple(
    each.key
    for each in CONCEPTS
    if each.kind is Kind.PARTY and each.scope is Scope.PARTY and each.key not in ADDRESS_PARTS
)

# A row or line that starts with one of these closes or carries a table; it is not an item of it.
TOTAL_LABELS = tuple(_WORDS["totals"])
CARRIED_LABELS = tuple(_WORDS["carried"])
YES = frozenset(_WORDS["yes"])
NO = frozenset(_WORDS["no"])
CHECKED = frozenset(_WORDS["checked"])
UNCHECKED = frozenset(_WORDS["unchecked"])
# How a company's name ends, in the countries of the six languages.
LEGAL_FORMS = frozenset(_WORDS["legal_forms"])
STREET_WORDS = frozenset(_WORDS["streets"])
SALUTATIONS = frozenset(_WORDS["salutations"])
