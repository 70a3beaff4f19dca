"""Name the properties of a schema after the labels that documents print."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

MOST_WORDS: Final = 6  # of a label that become a name
MOST_CHARACTERS: Final = 48
LONG_NUMBER: Final = 4  # digits; such a number beside a label is a value of this one document

_LETTERS: Final[Mapping[str, str]] = tomllib.loads(
    files(__package__).joinpath("letters.toml").read_text(encoding="utf-8")
)
_SIGNS = {
    "№": " no ",
    "n°": " no ",
    "nº": " no ",
    "#": " no ",
    "%": " percent ",
    "&": " and ",
    "€": " eur ",
    "$": " usd ",
}
_KANA = re.compile(r"(?:HIRAGANA|KATAKANA) LETTER (?:SMALL )?(\w+)|HANGUL SYLLABLE (\w+)")


def name_of(label: str) -> str:
    """Return the snake_case name of a label in ASCII; empty when nothing of it can be spelled."""
    words = re.findall(r"[a-z]+|\d+", ascii_of(_split_camel(label)).lower())
    words = [word for word in words if len(word) < LONG_NUMBER or word.isalpha()]
    name = "_".join(words[:MOST_WORDS])[:MOST_CHARACTERS].strip("_")
    return f"n{name}" if name[:1].isdigit() else name


def ascii_of(text: str) -> str:
    """Return `text` in ASCII: transliterated where the letters are known, else without them."""
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    composed = unicodedata.normalize("NFC", text)
    return "".join(_ascii(char) for char in composed)


def distinct(name: str, taken: set[str], fallback: str) -> str:
    """Return `name`, or `fallback` for an empty one, with a number where it is taken; and take it."""
    base = name or fallback
    chosen, number = base, 2
    while chosen in taken:
        chosen, number = f"{base}_{number}", number + 1
    taken.add(chosen)
    return chosen


def _ascii(char: str) -> str:
    if char.isascii():
        return char
    lower = char.casefold() if len(char.casefold()) == 1 else char
    for form in (char.lower(), lower):
        if form in _LETTERS:
            return _LETTERS[form]
    bare = "".join(each for each in unicodedata.normalize("NFKD", char) if not unicodedata.combining(each))
    if bare.isascii():
        return bare
    if bare.lower() in _LETTERS:
        return _LETTERS[bare.lower()]
    found = _KANA.match(unicodedata.name(char, ""))
    return (found[1] or found[2]).lower() if found else " "


def _split_camel(label: str) -> str:
    """Return `invoiceDate` as two words; a label with spaces has its words already, GmbH among them."""
    return label if " " in label.strip() else re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", label)
