"""Which languages PP-OCRv6's recogniser has the letters for.

Each entry lists the letters beyond A to Z that a language is written with. A test compares them
with the dictionary inside the model, so that a language is claimed only when its letters can come out.
Cyrillic, accented Greek, Vietnamese, Arabic, Hebrew, Hangul, Thai and the scripts of India are not in it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

LETTERS: Final = MappingProxyType(
    {
        "afr": "áéíóúêëîïôöûü",
        "cat": "àçèéíïòóúü·",
        "ces": "áčďéěíňóřšťúůýž",
        "chi_sim": "的一是不了人我在有他这中大来上国",
        "chi_tra": "的一是不了人我在有他這中大來上國",
        "cym": "âêîôûŵŷ",
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
        "slk": "áäčďéíĺľňóôŕšťúýž",
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
