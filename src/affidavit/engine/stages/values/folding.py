"""Bring text to a form in which two ways to write the same thing are equal."""

from __future__ import annotations

import re
import unicodedata

_OTHER = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Return `text` without case, accents and compatibility forms; ß is ss. Spaces are kept."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def squash(text: str) -> str:
    """Return only the folded letters and digits of `text`, so that spacing no longer matters."""
    return _OTHER.sub("", fold(text))


def split_name(name: str) -> list[str]:
    """Return the folded words of an identifier: `invoiceDate`, `invoice_date` -> invoice, date."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word for word in _OTHER.split(fold(spaced)) if word]
