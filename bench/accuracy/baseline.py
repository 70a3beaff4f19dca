"""A plain baseline: one regular expression a field over the text of the pages, the first match taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from affidavit.engine.result import Document

_DATE = r"(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d\d-\d\d)"
_AMOUNT = r"[^\d\n]{0,40}?(-?\d[\d.,' ]*\d)"
_PATTERNS: Mapping[str, str] = {
    "invoice_number": r"(?:invoice|rechnungs?|facture)[ -]*(?:number|nummer|nr|no|n\u00b0)?[.:# ]+"
    r"([A-Z0-9][\w/-]*\d[\w/-]*)",
    "issue_date": r"(?:invoice date|rechnungsdatum|date|datum)[^\d\n]{0,20}" + _DATE,
    "date": r"(?:invoice date|rechnungsdatum|date|datum)[^\d\n]{0,20}" + _DATE,
    "delivery_date": r"(?:delivery date|lieferdatum|leistungsdatum|date de livraison)[^\d\n]{0,20}" + _DATE,
    "due_date": r"(?:due date|f\u00e4llig(?:keit)?|zahlbar bis|\u00e9ch\u00e9ance)[^\d\n]{0,20}" + _DATE,
    "currency": r"\b(EUR|USD|GBP|CHF|INR)\b",
    "iban": r"\b([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?)\b",
    "seller.vat_id": r"\b((?:DE ?\d{9}|FR ?\w{2} ?\d{9}|ATU ?\d{8}))\b",
    "vat": r"\b((?:DE|FR|NL|GB)[ \dA-Z]{9,14}\d)\b",
    "seller.postcode": r"\b(\d{5}) [A-Z\u00c4\u00d6\u00dc]",
    "seller.city": r"\b\d{5} ([A-Z\u00c4\u00d6\u00dc][\w\u00c0-\u017f-]+)",
    "line_total": r"(?:sum of lines|summe (?:der )?positionen|zwischensumme|subtotal)" + _AMOUNT,
    "tax_basis_total": r"(?:total without vat|net(?:to)?(?:betrag|summe)?|total ht)" + _AMOUNT,
    "amount_untaxed": r"(?:net(?:to)?(?:betrag|summe)?|subtotal)" + _AMOUNT,
    "tax_total": r"(?:vat total|mwst|ust\.?|umsatzsteuer|tva)" + _AMOUNT,
    "grand_total": r"(?:grand total|gesamtbetrag|rechnungsbetrag|brutto(?:betrag|summe)?|total ttc|total)"
    + _AMOUNT,
    "amount": r"(?:grand total|gesamtbetrag|rechnungsbetrag|brutto(?:betrag|summe)?|total)" + _AMOUNT,
    "due_payable": r"(?:amount due|zahlbetrag|zu zahlen|net \u00e0 payer)" + _AMOUNT,
}


def extract(document: Document, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the expressions find of the schema's fields outside arrays."""
    text = "\n".join(page.markdown for page in document.pages).replace("|", " ").replace("*", "")
    data: dict[str, Any] = {}
    for path, pattern in _PATTERNS.items():
        holder, _, name = path.rpartition(".")
        properties = schema.get("properties", {})
        properties = properties.get(holder, {}).get("properties", {}) if holder else properties
        found = re.search(pattern, text, re.IGNORECASE if path not in ("iban", "currency") else 0)
        if name in properties and found:
            (data.setdefault(holder, {}) if holder else data)[name] = _value(found[1], properties[name])
    return data


def _value(text: str, part: Mapping[str, Any]) -> Any:
    if "number" in part.get("type", ()):
        return _amount(text)
    day = re.fullmatch(r"(\d{1,2})[./-](\d{1,2})[./-](\d{2,4})", text)
    if day:
        year = int(day[3]) + (2000 if len(day[3]) == 2 else 0)
        return f"{year:04}-{int(day[2]):02}-{int(day[1]):02}"
    return text


def _amount(text: str) -> float | None:
    plain = re.sub(r"[' ]", "", text)
    if "," in plain and plain.rfind(",") > plain.rfind("."):
        plain = plain.replace(".", "").replace(",", ".")
    try:
        return float(plain.replace(",", ""))
    except ValueError:
        return None
