"""Find values that have a grammar of their own: addresses, bank and tax numbers, document numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A text at `text[start:end]`, `value` in its canonical spelling."""

    value: str
    start: int
    end: int


_EMAIL = re.compile(
    r"(?<![\w.+\-])[A-Za-z0-9][\w.+\-]*@[A-Za-z0-9](?:[\w\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}"
)
_URI = re.compile(
    r"(?<![\w@.])(?:https?://[^\s<>\"')\]]+|www\.[\w\-]+(?:\.[\w\-]+)+(?:/[^\s<>\"')\]]*)?)", re.IGNORECASE
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[\dOIlSB]{2}(?:[ ]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_BIC = re.compile(r"(?<![A-Za-z0-9])[A-Z]{4}[ ]?[A-Z]{2}[ ]?[A-Z0-9]{2}(?:[ ]?[A-Z0-9]{3})?(?![A-Za-z0-9])")
_PHONE = re.compile(
    r"(?<![\w.,])(?:(?:\+\d{1,3}|\(?0\d{1,5}\)?)[\s\-/.]*(?:\(?\d{1,6}\)?[\s\-/.]*){1,6}\d"
    r"|(?:1[\s\-.])?\(?\d{3}\)?[\s\-.]\d{3}[\s\-.]\d{4}|\(\d{3}\)\d{3}[\s\-.]\d{4})(?![\w,])"
)

# EU (and GB, CH, NO) formats: ec.europa.eu/taxation_customs/vies, "VAT identification numbers".
_VAT = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"AT[ ]?U(?:[ ]?\d){8}|BE(?:[ ]?[01.]?)(?:[ .]?\d){9}|(?:DE|EE|EL|GR|PT)(?:[ ]?\d){9}"
    r"|(?:DK|FI|HU|LU|MT|SI)(?:[ ]?\d){8}|ES[ ]?[A-Z0-9](?:[ ]?\d){7}[ ]?[A-Z0-9]"
    r"|FR[ ]?[A-Z0-9]{2}(?:[ ]?\d){9}|(?:HR|IT|LV)(?:[ ]?\d){11}|NL(?:[ .]?\d){9}[ .]?B[ ]?\d{2}"
    r"|(?:PL|SK)(?:[ ]?\d){10}|SE(?:[ ]?\d){12}|CZ(?:[ ]?\d){8,10}|RO(?:[ ]?\d){6,10}|BG(?:[ ]?\d){9,10}"
    r"|GB(?:[ ]?\d){9}(?:(?:[ ]?\d){3})?|IE[ ]?\d[A-Z0-9](?:[ ]?\d){5}[ ]?[A-Z]{1,2}|LT(?:[ ]?\d){9}"
    r"|CHE?[ \-]?(?:\d{3}[. ]?){3}(?:[ ]?(?:MWST|TVA|IVA))?|CY(?:[ ]?\d){8}[A-Z]|NO(?:[ ]?\d){9}(?:[ ]?MVA)?"
    r")(?![A-Za-z0-9])"
)
_DOCUMENT_NUMBER = re.compile(
    r"(?<![\w\-/.#])#?(?=[\w\-/.#]*\d)[A-Za-z0-9](?:[A-Za-z0-9]|[\-/._#](?=[A-Za-z0-9]))*(?![\w\-/])"
)
_PREFIXED_NUMBER = re.compile(r"(?<![\w\-/.])[A-Z]{1,4}[ ]\d[\w\-/]*(?![\w])")
_TIME = re.compile(
    r"(?<![\d:.,])(?P<hour>[01]?\d|2[0-4])(?:[:h](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?\s?(?P<half>[AaPp]\.?[Mm]\b\.?)?"
    r"|\s?(?P<sharp>[AaPp]\.?[Mm]\b\.?))(?![\d:])"
)

_MISREAD = str.maketrans("OQDIlSBZG", "000115826")  # letters that stand where IBANs mostly have digits

MIN_IBAN, MAX_IBAN = 15, 34


def find_emails(text: str) -> list[Code]:
    """Return the e-mail addresses in `text`."""
    return _all(_EMAIL, text)


def find_uris(text: str) -> list[Code]:
    """Return the web addresses in `text`, without punctuation that ends a sentence."""
    return [
        Code(match[0].rstrip(".,;:"), match.start(), match.start() + len(match[0].rstrip(".,;:")))
        for match in _URI.finditer(text)
    ]


def find_ibans(text: str) -> list[Code]:
    """Return the bank account numbers in `text` whose check digits are right (ISO 13616)."""
    found = []
    for match in _IBAN.finditer(text):
        code = _longest_iban(match[0])
        if code:
            found.append(Code(code.replace(" ", ""), match.start(), match.start() + len(code)))
    return found


def find_iban_shapes(text: str) -> list[Code]:
    """Return what is written like a bank account number, with right check digits or not.

    Where letters that OCR takes for digits, such as O for 0, are all that is wrong, they are put right.
    """
    found = find_ibans(text)
    for match in _IBAN.finditer(text):
        if any(match.start() < code.end and code.start < match.end() for code in found):
            continue
        code = match[0].replace(" ", "")
        mended = code[:2] + code[2:].translate(_MISREAD)
        found.append(Code(mended if is_iban(mended) else code, match.start(), match.end()))
    return found


def is_iban(text: str) -> bool:
    """Tell whether `text`, without spaces, is an IBAN with right check digits."""
    if not (MIN_IBAN <= len(text) <= MAX_IBAN and text.isalnum() and text.isascii()):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def find_bics(text: str) -> list[Code]:
    """Return what may be a bank's identifier (ISO 9362); the grammar alone also fits some words."""
    return _all(_BIC, text, remove=" ")


def find_vat_ids(text: str) -> list[Code]:
    """Return the VAT numbers in `text` that carry a European country's prefix and grammar."""
    return _all(_VAT, text, remove=" ")


def find_phones(text: str) -> list[Code]:
    """Return what looks like telephone numbers: an area or country code and at least six digits."""
    return [code for code in _all(_PHONE, text) if sum(char.isdigit() for char in code.value) >= 6]


def find_times(text: str) -> list[Code]:
    """Return the times of day in `text`, as HH:MM or HH:MM:SS of 24 hours."""
    return [Code(_time(match), match.start(), match.end()) for match in _TIME.finditer(text)]


def _time(match: re.Match[str]) -> str:
    hour, half = int(match["hour"]), (match["half"] or match["sharp"] or "")[:1].lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    seconds = f":{match['second']}" if match["second"] else ""
    return f"{hour:02}:{match['minute'] or '00'}{seconds}"


def find_document_numbers(text: str) -> list[Code]:
    """Return the tokens that may number a document or an article: at least one digit in each."""
    prefixed = _all(_PREFIXED_NUMBER, text)
    plain = [
        code
        for code in _all(_DOCUMENT_NUMBER, text)
        if not any(other.start <= code.start < other.end for other in prefixed)
    ]
    return sorted(prefixed + plain, key=lambda code: code.start)


def _longest_iban(text: str) -> str | None:
    """Drop trailing groups, which may be the next words on the line, until the check digits fit."""
    while len(text) >= MIN_IBAN:
        if is_iban(text.replace(" ", "")):
            return text
        text = text[:-1].rstrip() if " " not in text else text.rpartition(" ")[0]
    return None


def _all(pattern: re.Pattern[str], text: str, remove: str = "") -> list[Code]:
    return [
        Code(match[0].replace(remove, "") if remove else match[0], match.start(), match.end())
        for match in pattern.finditer(text)
    ]
