"""Which languages PP-OCRv6's recogniser reads.

Each entry lists the letters beyond A to Z that a language is written with. A test compares them with the
dictionary inside the model and another reads a line of the languages that have such letters: a language
is claimed only when both hold. Cyrillic, accented Greek, Vietnamese, Arabic, Hebrew, Hangul, Thai and the
scripts of India are not in the dictionary. Czech, Slovak and Welsh are, but are not read well enough:
4 of 6, 5 of 9 and 9 of 11 words of a clean line (it takes d with a caron for d and an apostrophe).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

LETTERS: Final = MappingProxyType(
    {
        "afr": "áéíóúêëîïôöûü",
        "cat": "àçèéíïòóúü·",
        "chi_sim": "的一是不了人我在有他这中大来上国",
        "chi_tra": "的一是不了人我在有他這中大來上國",
        "dan": "æøå",
        "deu": "äöüß",
        "eng": "",
        "est": "äöõüšž",
        "eus": "ñ",
        "fin": "äöå",
        "fra": "àâæçéèêëîïôœùûüÿ",
        "gle": "áéíóú",
        "glg": "áéíóúñü",
        "hrv": "čćđšž",
        "hun": "áéíóöőúüű",
        "ind": "",
        "isl": "áðéíóúýþæö",
        "ita": "àèéìíîòóùú",
        "jpn": "あいうえおアイウエオ日本語",
        "lat": "",
        "lav": "āčēģīķļņšūž",
        "lit": "ąčęėįšųūž",
        "mlt": "ċġħż",
        "msa": "",
        "nld": "áéíóúëïöü",
        "nor": "æøåéò",
        "pol": "ąćęłńóśźż",
        "por": "áâãàçéêíóôõúü",
        "ron": "ăâîșțşţ",
        "slv": "čšž",
        "spa": "áéíñóúü¿",
        "sqi": "çë",
        "swa": "",
        "swe": "åäö",
        "tgl": "ñ",
        "tur": "çğıöşüİ",
    }
)

PPOCR_LANGUAGES: Final = frozenset(LETTERS)
